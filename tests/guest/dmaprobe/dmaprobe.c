// SPDX-License-Identifier: GPL-2.0
/*
 * Driver of the dmaprobe test device: lets a test program in user space
 * allocate memory, map it with the DMA API, and have the device access any
 * DMA address it likes.
 *
 * Owns one misc device and one table of buffers per PCI function.
 *
 * Locking: probe->lock guards everything of a function; it is held across
 * sleeping allocations, user copies and the wait for a command. Removal takes
 * it too, so that no request is under way when the device goes; open files
 * keep the structure alive and get -ENODEV from then on.
 */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "dmaprobe_ioctl.h"
#include "dmaprobe_regs.h"

#define MAX_PAGES	1024
#define TIMEOUT_MS	5000

struct dmaprobe_buf {
	u32 kind;
	u32 nr_pages;
	struct page **pages;
	void *vaddr;		/* contiguous and coherent kinds */
	bool mapped;
	enum dma_data_direction dir;
	dma_addr_t addr;	/* contiguous and coherent kinds */
	struct sg_table sgt;	/* kind "pages" */
};

struct dmaprobe {
	struct kref ref;
	struct miscdevice misc;
	struct mutex lock;	/* all below */
	struct pci_dev *pdev;	/* NULL once removed */
	void __iomem *regs;
	struct xarray bufs;
	struct completion done;
};

static size_t buf_size(const struct dmaprobe_buf *buf)
{
	return (size_t)buf->nr_pages << PAGE_SHIFT;
}

/* ---- memory of a buffer ---- */

static void release_memory(struct device *dev, struct dmaprobe_buf *buf)
{
	u32 i;

	switch (buf->kind) {
	case DMAPROBE_KIND_COHERENT:
		dma_free_coherent(dev, buf_size(buf), buf->vaddr, buf->addr);
		break;
	case DMAPROBE_KIND_CONTIG:
		free_pages_exact(buf->vaddr, buf_size(buf));
		break;
	default:
		for (i = 0; i < buf->nr_pages && buf->pages[i]; i++)
			__free_page(buf->pages[i]);
	}
}

static int get_single_pages(struct device *dev, struct dmaprobe_buf *buf)
{
	u32 i;

	for (i = 0; i < buf->nr_pages; i++) {
		buf->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!buf->pages[i]) {
			release_memory(dev, buf);
			return -ENOMEM;
		}
	}
	return 0;
}

static int get_block(struct device *dev, struct dmaprobe_buf *buf)
{
	void *at;
	u32 i;

	if (buf->kind == DMAPROBE_KIND_COHERENT)
		buf->vaddr = dma_alloc_coherent(dev, buf_size(buf), &buf->addr,
						GFP_KERNEL);
	else
		buf->vaddr = alloc_pages_exact(buf_size(buf), GFP_KERNEL |
					       __GFP_ZERO | __GFP_NOWARN);
	if (!buf->vaddr)
		return -ENOMEM;
	for (i = 0; i < buf->nr_pages; i++) {
		at = buf->vaddr + ((size_t)i << PAGE_SHIFT);
		/* Coherent memory may be scattered pages in vmalloc space. */
		buf->pages[i] = is_vmalloc_addr(at) ? vmalloc_to_page(at) :
			virt_to_page(at);
	}
	if (buf->kind == DMAPROBE_KIND_COHERENT) {
		buf->mapped = true;
		buf->dir = DMA_BIDIRECTIONAL;
	}
	return 0;
}

static int do_alloc(struct dmaprobe *probe, struct dmaprobe_alloc *arg)
{
	struct device *dev = &probe->pdev->dev;
	struct dmaprobe_buf *buf;
	int ret;

	if (!arg->nr_pages || arg->nr_pages > MAX_PAGES ||
	    arg->kind > DMAPROBE_KIND_COHERENT)
		return -EINVAL;
	buf = kzalloc(sizeof(*buf), GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	buf->kind = arg->kind;
	/* A single page is a block, and takes the path of dma_map_page(). */
	if (arg->nr_pages == 1 && arg->kind == DMAPROBE_KIND_PAGES)
		buf->kind = DMAPROBE_KIND_CONTIG;
	buf->nr_pages = arg->nr_pages;
	buf->pages = kcalloc(buf->nr_pages, sizeof(*buf->pages), GFP_KERNEL);
	ret = -ENOMEM;
	if (!buf->pages)
		goto free_buf;
	if (buf->kind == DMAPROBE_KIND_PAGES)
		ret = get_single_pages(dev, buf);
	else
		ret = get_block(dev, buf);
	if (ret)
		goto free_pages;
	ret = xa_alloc(&probe->bufs, &arg->id, buf, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto release_memory;
	return 0;

release_memory:
	release_memory(dev, buf);
free_pages:
	kfree(buf->pages);
free_buf:
	kfree(buf);
	return ret;
}

/* ---- mapping ---- */

static int do_map(struct dmaprobe *probe, struct dmaprobe_map *arg)
{
	static const enum dma_data_direction dirs[] = {
		[DMAPROBE_TO_DEVICE] = DMA_TO_DEVICE,
		[DMAPROBE_FROM_DEVICE] = DMA_FROM_DEVICE,
		[DMAPROBE_BIDIR] = DMA_BIDIRECTIONAL,
	};
	struct dmaprobe_buf *buf = xa_load(&probe->bufs, arg->id);
	struct device *dev = &probe->pdev->dev;
	int ret;

	if (!buf)
		return -ENOENT;
	if (arg->dir >= ARRAY_SIZE(dirs))
		return -EINVAL;
	if (buf->mapped)
		return -EBUSY;
	buf->dir = dirs[arg->dir];
	if (buf->kind == DMAPROBE_KIND_PAGES) {
		ret = sg_alloc_table_from_pages(&buf->sgt, buf->pages,
						buf->nr_pages, 0,
						buf_size(buf), GFP_KERNEL);
		if (ret)
			return ret;
		ret = dma_map_sgtable(dev, &buf->sgt, buf->dir, 0);
		if (ret) {
			sg_free_table(&buf->sgt);
			return ret;
		}
		arg->iova = sg_dma_address(buf->sgt.sgl);
		arg->nr_segments = buf->sgt.nents;
	} else {
		buf->addr = dma_map_page(dev, buf->pages[0], 0, buf_size(buf),
					 buf->dir);
		if (dma_mapping_error(dev, buf->addr))
			return -ENOMEM;
		arg->iova = buf->addr;
		arg->nr_segments = 1;
	}
	buf->mapped = true;
	return 0;
}

static void unmap_buf(struct device *dev, struct dmaprobe_buf *buf)
{
	if (buf->kind == DMAPROBE_KIND_PAGES) {
		dma_unmap_sgtable(dev, &buf->sgt, buf->dir, 0);
		sg_free_table(&buf->sgt);
	} else {
		dma_unmap_page(dev, buf->addr, buf_size(buf), buf->dir);
	}
	buf->mapped = false;
}

static int do_unmap(struct dmaprobe *probe, u32 id)
{
	struct dmaprobe_buf *buf = xa_load(&probe->bufs, id);

	if (!buf)
		return -ENOENT;
	if (!buf->mapped || buf->kind == DMAPROBE_KIND_COHERENT)
		return -EINVAL;
	unmap_buf(&probe->pdev->dev, buf);
	return 0;
}

static void free_buf(struct device *dev, struct dmaprobe_buf *buf)
{
	if (buf->mapped && buf->kind != DMAPROBE_KIND_COHERENT)
		unmap_buf(dev, buf);
	release_memory(dev, buf);
	kfree(buf->pages);
	kfree(buf);
}

static int do_free(struct dmaprobe *probe, u32 id)
{
	struct dmaprobe_buf *buf = xa_erase(&probe->bufs, id);

	if (!buf)
		return -ENOENT;
	free_buf(&probe->pdev->dev, buf);
	return 0;
}

/* Its memory stays allocated, as the device can reach it. */
static int do_leak(struct dmaprobe *probe, u32 id)
{
	struct dmaprobe_buf *buf = xa_erase(&probe->bufs, id);

	if (!buf)
		return -ENOENT;
	if (buf->mapped && buf->kind == DMAPROBE_KIND_PAGES)
		sg_free_table(&buf->sgt);
	kfree(buf->pages);
	kfree(buf);
	return 0;
}

static dma_addr_t find_dma_addr(const struct dmaprobe_buf *buf, size_t offset)
{
	struct scatterlist *sg;
	unsigned int i;

	if (!buf->mapped)
		return DMA_MAPPING_ERROR;
	if (buf->kind != DMAPROBE_KIND_PAGES)
		return buf->addr + offset;
	for_each_sgtable_dma_sg(&buf->sgt, sg, i) {
		if (offset < sg_dma_len(sg))
			return sg_dma_address(sg) + offset;
		offset -= sg_dma_len(sg);
	}
	return DMA_MAPPING_ERROR;
}

static int do_where(struct dmaprobe *probe, struct dmaprobe_where *arg)
{
	struct dmaprobe_buf *buf = xa_load(&probe->bufs, arg->id);

	if (!buf)
		return -ENOENT;
	if (arg->offset >= buf_size(buf))
		return -EINVAL;
	arg->iova = find_dma_addr(buf, arg->offset);
	arg->phys = page_to_phys(buf->pages[arg->offset >> PAGE_SHIFT]) +
		offset_in_page(arg->offset);
	return 0;
}

/* ---- access by the CPU ---- */

/* Ownership of a streaming mapping goes to the CPU and back to the device. */
static void begin_cpu_access(struct device *dev, struct dmaprobe_buf *buf)
{
	if (!buf->mapped || buf->kind == DMAPROBE_KIND_COHERENT)
		return;
	if (buf->kind == DMAPROBE_KIND_PAGES)
		dma_sync_sgtable_for_cpu(dev, &buf->sgt, buf->dir);
	else
		dma_sync_single_for_cpu(dev, buf->addr, buf_size(buf),
					buf->dir);
}

static void end_cpu_access(struct device *dev, struct dmaprobe_buf *buf)
{
	if (!buf->mapped || buf->kind == DMAPROBE_KIND_COHERENT)
		return;
	if (buf->kind == DMAPROBE_KIND_PAGES)
		dma_sync_sgtable_for_device(dev, &buf->sgt, buf->dir);
	else
		dma_sync_single_for_device(dev, buf->addr, buf_size(buf),
					   buf->dir);
}

/* One page's share of an access. Returns 1 to stop, or -errno. */
typedef int (*page_fn)(void *page, size_t len, void *arg);

static int visit_parts(struct dmaprobe *probe, u32 id, u64 offset, u64 len,
		       page_fn fn, void *arg)
{
	struct dmaprobe_buf *buf = xa_load(&probe->bufs, id);
	struct device *dev = &probe->pdev->dev;
	size_t part;
	void *page;
	int ret = 0;

	if (!buf)
		return -ENOENT;
	if (offset >= buf_size(buf) || len > buf_size(buf) - offset)
		return -EINVAL;
	if (!len)
		len = buf_size(buf) - offset;
	begin_cpu_access(dev, buf);
	for (; len && !ret; offset += part, len -= part) {
		part = min_t(u64, len, PAGE_SIZE - offset_in_page(offset));
		page = kmap_local_page(buf->pages[offset >> PAGE_SHIFT]);
		ret = fn(page + offset_in_page(offset), part, arg);
		kunmap_local(page);
	}
	end_cpu_access(dev, buf);
	return ret;
}

static int fill_part(void *to, size_t len, void *arg)
{
	struct dmaprobe_range *range = arg;

	memset(to, range->byte, len);
	return 0;
}

static int check_part(void *from, size_t len, void *arg)
{
	struct dmaprobe_range *range = arg;
	const u8 *bad = memchr_inv(from, range->byte, len);

	if (!bad) {
		range->offset += len;
		return 0;
	}
	range->offset += bad - (const u8 *)from;
	range->byte = *bad;
	range->differs = 1;
	return 1;
}

static int peek_part(void *from, size_t len, void *arg)
{
	u8 __user **to = arg;

	if (copy_to_user(*to, from, len))
		return -EFAULT;
	*to += len;
	return 0;
}

static int poke_part(void *to, size_t len, void *arg)
{
	const u8 __user **from = arg;

	if (copy_from_user(to, *from, len))
		return -EFAULT;
	*from += len;
	return 0;
}

static int do_fill(struct dmaprobe *probe, struct dmaprobe_range *arg)
{
	return visit_parts(probe, arg->id, arg->offset, arg->len, fill_part,
			   arg);
}

static int do_check(struct dmaprobe *probe, struct dmaprobe_range *arg)
{
	int ret;

	arg->differs = 0;
	ret = visit_parts(probe, arg->id, arg->offset, arg->len, check_part,
			  arg);
	return min(ret, 0);
}

static int do_copy(struct dmaprobe *probe, const struct dmaprobe_copy *arg,
		   page_fn fn)
{
	u8 __user *data = u64_to_user_ptr(arg->data);

	if (!arg->len)
		return -EINVAL;
	return visit_parts(probe, arg->id, arg->offset, arg->len, fn, &data);
}

/* ---- the device ---- */

static irqreturn_t handle_irq(int irq, void *data)
{
	struct dmaprobe *probe = data;

	complete(&probe->done);
	return IRQ_HANDLED;
}

static bool is_gone(struct dmaprobe *probe)
{
	return readl(probe->regs + DMAPROBE_ID) != DMAPROBE_ID_VALUE;
}

static int do_run(struct dmaprobe *probe, struct dmaprobe_run *arg)
{
	void __iomem *regs = probe->regs;
	bool irq = arg->flags & DMAPROBE_RUN_IRQ;
	u32 command = arg->op;
	u32 status;
	int ret;

	if (arg->op & ~DMAPROBE_OP_MASK ||
	    arg->flags & ~(DMAPROBE_RUN_DELAY | DMAPROBE_RUN_IRQ))
		return -EINVAL;
	if (arg->flags & DMAPROBE_RUN_DELAY)
		command |= DMAPROBE_DELAY;
	if (is_gone(probe))
		return -ENODEV;

	reinit_completion(&probe->done);
	writel(irq ? DMAPROBE_CTRL_IRQ : 0, regs + DMAPROBE_CTRL);
	lo_hi_writeq(arg->iova, regs + DMAPROBE_IOVA);
	writel(arg->len, regs + DMAPROBE_LEN);
	writel(arg->offset, regs + DMAPROBE_OFFSET);
	writel(arg->byte, regs + DMAPROBE_BYTE);
	lo_hi_writeq(arg->cas_old, regs + DMAPROBE_CAS_OLD);
	lo_hi_writeq(arg->cas_new, regs + DMAPROBE_CAS_NEW);
	writel(command, regs + DMAPROBE_COMMAND);

	if (irq && !wait_for_completion_timeout(&probe->done,
						msecs_to_jiffies(TIMEOUT_MS)))
		return is_gone(probe) ? -ENODEV : -ETIMEDOUT;
	ret = readl_poll_timeout(regs + DMAPROBE_STATUS, status,
				 status != DMAPROBE_BUSY, 100,
				 TIMEOUT_MS * 1000);
	if (ret)
		return ret;
	arg->status = status;
	arg->reason = readl(regs + DMAPROBE_REASON);
	arg->fault_iova = lo_hi_readq(regs + DMAPROBE_FAULT_IOVA);
	arg->cas_prev = lo_hi_readq(regs + DMAPROBE_CAS_PREV);
	arg->nr_faults = readl(regs + DMAPROBE_NR_FAULTS);
	return is_gone(probe) ? -ENODEV : 0;
}

static int do_device_copy(struct dmaprobe *probe,
			  const struct dmaprobe_copy *arg, bool to_device)
{
	void __user *data = u64_to_user_ptr(arg->data);
	void __iomem *window;
	void *bounce;
	int ret = 0;

	if (!arg->len || arg->len > DMAPROBE_BUFFER_SIZE ||
	    arg->offset > DMAPROBE_BUFFER_SIZE - arg->len)
		return -EINVAL;
	bounce = kvmalloc(arg->len, GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;
	window = probe->regs + DMAPROBE_BUFFER + arg->offset;
	if (to_device) {
		if (copy_from_user(bounce, data, arg->len))
			ret = -EFAULT;
		else
			memcpy_toio(window, bounce, arg->len);
	} else {
		memcpy_fromio(bounce, window, arg->len);
		if (copy_to_user(data, bounce, arg->len))
			ret = -EFAULT;
	}
	kvfree(bounce);
	if (!ret && is_gone(probe))
		ret = -ENODEV;
	return ret;
}

/* ---- character device ---- */

union dmaprobe_arg {
	u32 id;
	struct dmaprobe_alloc alloc;
	struct dmaprobe_map map;
	struct dmaprobe_where where;
	struct dmaprobe_range range;
	struct dmaprobe_copy copy;
	struct dmaprobe_run run;
};

static int dispatch(struct dmaprobe *probe, unsigned int cmd,
		    union dmaprobe_arg *arg)
{
	switch (cmd) {
	case DMAPROBE_IOC_ALLOC:
		return do_alloc(probe, &arg->alloc);
	case DMAPROBE_IOC_FREE:
		return do_free(probe, arg->id);
	case DMAPROBE_IOC_LEAK:
		return do_leak(probe, arg->id);
	case DMAPROBE_IOC_MAP:
		return do_map(probe, &arg->map);
	case DMAPROBE_IOC_UNMAP:
		return do_unmap(probe, arg->id);
	case DMAPROBE_IOC_WHERE:
		return do_where(probe, &arg->where);
	case DMAPROBE_IOC_FILL:
		return do_fill(probe, &arg->range);
	case DMAPROBE_IOC_CHECK:
		return do_check(probe, &arg->range);
	case DMAPROBE_IOC_PEEK:
		return do_copy(probe, &arg->copy, peek_part);
	case DMAPROBE_IOC_POKE:
		return do_copy(probe, &arg->copy, poke_part);
	case DMAPROBE_IOC_RUN:
		return do_run(probe, &arg->run);
	case DMAPROBE_IOC_DEV_PEEK:
		return do_device_copy(probe, &arg->copy, false);
	case DMAPROBE_IOC_DEV_POKE:
		return do_device_copy(probe, &arg->copy, true);
	default:
		return -ENOTTY;
	}
}

static long dmaprobe_ioctl(struct file *file, unsigned int cmd,
			   unsigned long data)
{
	struct dmaprobe *probe = file->private_data;
	void __user *user = (void __user *)data;
	union dmaprobe_arg arg = {};
	int ret;

	if (_IOC_SIZE(cmd) > sizeof(arg))
		return -ENOTTY;
	if (_IOC_DIR(cmd) & _IOC_WRITE &&
	    copy_from_user(&arg, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	mutex_lock(&probe->lock);
	ret = probe->pdev ? dispatch(probe, cmd, &arg) : -ENODEV;
	mutex_unlock(&probe->lock);
	if (!ret && _IOC_DIR(cmd) & _IOC_READ &&
	    copy_to_user(user, &arg, _IOC_SIZE(cmd)))
		ret = -EFAULT;
	return ret;
}

static void release_probe(struct kref *ref)
{
	struct dmaprobe *probe = container_of(ref, struct dmaprobe, ref);

	mutex_destroy(&probe->lock);
	kfree(probe->misc.name);
	kfree(probe);
}

/* Cannot meet removal: misc_deregister() excludes opens under way. */
static int dmaprobe_open(struct inode *inode, struct file *file)
{
	struct dmaprobe *probe = container_of(file->private_data,
					      struct dmaprobe, misc);

	kref_get(&probe->ref);
	file->private_data = probe;
	return 0;
}

static int dmaprobe_release(struct inode *inode, struct file *file)
{
	struct dmaprobe *probe = file->private_data;

	kref_put(&probe->ref, release_probe);
	return 0;
}

static const struct file_operations dmaprobe_fops = {
	.owner = THIS_MODULE,
	.open = dmaprobe_open,
	.release = dmaprobe_release,
	.unlocked_ioctl = dmaprobe_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* ---- PCI driver ---- */

static int dmaprobe_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct dmaprobe *probe;
	int ret;

	probe = kzalloc(sizeof(*probe), GFP_KERNEL);
	if (!probe)
		return -ENOMEM;
	kref_init(&probe->ref);
	mutex_init(&probe->lock);
	init_completion(&probe->done);
	xa_init_flags(&probe->bufs, XA_FLAGS_ALLOC1);
	probe->pdev = pdev;
	pci_set_drvdata(pdev, probe);

	ret = pci_enable_device_mem(pdev);
	if (ret)
		goto put_probe;
	ret = pci_request_region(pdev, 0, "dmaprobe");
	if (ret)
		goto disable_device;
	ret = -ENOMEM;
	probe->regs = pci_iomap(pdev, 0, DMAPROBE_BAR_SIZE);
	if (!probe->regs)
		goto release_region;
	ret = -ENODEV;
	if (is_gone(probe)) {
		dev_err(&pdev->dev, "BAR 0 is not that of a dmaprobe\n");
		goto unmap_regs;
	}
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	if (ret)
		goto unmap_regs;
	/* Let the IOMMU make one range of a scatterlist. */
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX);
	if (ret < 0)
		goto unmap_regs;
	ret = request_irq(pci_irq_vector(pdev, 0), handle_irq, 0, "dmaprobe",
			  probe);
	if (ret)
		goto free_vectors;
	pci_set_master(pdev);

	probe->misc.minor = MISC_DYNAMIC_MINOR;
	probe->misc.fops = &dmaprobe_fops;
	probe->misc.parent = &pdev->dev;
	probe->misc.name = kasprintf(GFP_KERNEL, "dmaprobe-%s",
				     pci_name(pdev));
	ret = -ENOMEM;
	if (!probe->misc.name)
		goto clear_master;
	ret = misc_register(&probe->misc);
	if (ret)
		goto clear_master;
	return 0;

clear_master:
	pci_clear_master(pdev);
	free_irq(pci_irq_vector(pdev, 0), probe);
free_vectors:
	pci_free_irq_vectors(pdev);
unmap_regs:
	pci_iounmap(pdev, probe->regs);
release_region:
	pci_release_region(pdev, 0);
disable_device:
	pci_disable_device(pdev);
put_probe:
	kref_put(&probe->ref, release_probe);
	return ret;
}

static void dmaprobe_remove(struct pci_dev *pdev)
{
	struct dmaprobe *probe = pci_get_drvdata(pdev);
	struct dmaprobe_buf *buf;
	unsigned long id;

	misc_deregister(&probe->misc);
	mutex_lock(&probe->lock);
	/* No DMA any more, then no interrupts, only then the memory goes. */
	pci_clear_master(pdev);
	free_irq(pci_irq_vector(pdev, 0), probe);
	pci_free_irq_vectors(pdev);
	xa_for_each(&probe->bufs, id, buf)
		free_buf(&pdev->dev, buf);
	xa_destroy(&probe->bufs);
	pci_iounmap(pdev, probe->regs);
	pci_release_region(pdev, 0);
	pci_disable_device(pdev);
	probe->pdev = NULL;
	mutex_unlock(&probe->lock);
	kref_put(&probe->ref, release_probe);
}

static const struct pci_device_id dmaprobe_ids[] = {
	{ PCI_DEVICE(DMAPROBE_VENDOR, DMAPROBE_DEVICE) },
	{}
};
MODULE_DEVICE_TABLE(pci, dmaprobe_ids);

static struct pci_driver dmaprobe_driver = {
	.name = "dmaprobe",
	.id_table = dmaprobe_ids,
	.probe = dmaprobe_probe,
	.remove = dmaprobe_remove,
};
module_pci_driver(dmaprobe_driver);

MODULE_DESCRIPTION("Driver of the dmaprobe test device of hvsim");
MODULE_LICENSE("GPL");
