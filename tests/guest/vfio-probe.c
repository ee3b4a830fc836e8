// SPDX-License-Identifier: GPL-2.0
/*
 * vfio-probe: drives a dmaprobe function from user space, through a VFIO group
 * and a type1 container (Documentation/driver-api/vfio.rst), and checks what
 * its DMA can reach.
 *
 *   vfio-probe run PCINAME               map, access, unmap, map again
 *   vfio-probe claim PCINAME IOVA PHYS   own the group without an I/O address
 *                                        space: its DMA reaches neither
 *   vfio-probe hold PCINAME FILE         the same, until FILE goes; it is
 *                                        made when the group is claimed
 *   vfio-probe use PCINAME SECONDS       have it open for that long
 *
 * Prints TAP. Exit code 0: all held; 1: not; 2: usage. The function must be
 * bound to vfio-pci.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dmaprobe_regs.h"

#define PAGE		4096UL
#define SMALL		(16 * PAGE)
#define HUGE_SIZE	(2UL << 20)

/* Where the tests map; any addresses that are not reserved would do. */
#define IOVA_RW		0x100000000ULL
#define IOVA_RO		0x20000000ULL
#define IOVA_HUGE	0x140000000ULL
#define IOVA_TWICE	0x30000000ULL

static unsigned int nr_tests, nr_failed;

__attribute__((noreturn, format(printf, 1, 2)))
static void bail(const char *fmt, ...)
{
	int error = errno;
	va_list args;

	fputs("Bail out! ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf(": %s\n", strerror(error));
	exit(1);
}

__attribute__((format(printf, 2, 3)))
static bool test(bool held, const char *fmt, ...)
{
	va_list args;

	printf("%sok %u - ", held ? "" : "not ", ++nr_tests);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	nr_failed += !held;
	return held;
}

static int finish(void)
{
	printf("1..%u\n", nr_tests);
	return nr_failed ? 1 : 0;
}

/* ---- the device's registers ---- */

static uint32_t read_reg(volatile uint8_t *regs, unsigned int off)
{
	return le32toh(*(volatile uint32_t *)(regs + off));
}

static void write_reg(volatile uint8_t *regs, unsigned int off, uint32_t val)
{
	*(volatile uint32_t *)(regs + off) = htole32(val);
}

static uint64_t read_reg64(volatile uint8_t *regs, unsigned int off)
{
	return read_reg(regs, off) | (uint64_t)read_reg(regs, off + 4) << 32;
}

static void write_reg64(volatile uint8_t *regs, unsigned int off, uint64_t val)
{
	write_reg(regs, off, val);
	write_reg(regs, off + 4, val >> 32);
}

/* Executes @op on @len bytes; returns the device's status. */
static uint32_t run_op(volatile uint8_t *regs, uint32_t op, uint64_t iova,
		       uint32_t len)
{
	write_reg64(regs, DMAPROBE_IOVA, iova);
	write_reg(regs, DMAPROBE_LEN, len);
	write_reg(regs, DMAPROBE_OFFSET, 0);
	write_reg(regs, DMAPROBE_COMMAND, op);
	return read_reg(regs, DMAPROBE_STATUS);
}

static void fill_device(volatile uint8_t *regs, uint8_t byte)
{
	write_reg(regs, DMAPROBE_BYTE, byte);
	run_op(regs, DMAPROBE_FILL, 0, DMAPROBE_BUFFER_SIZE);
}

static bool is_device_all(volatile uint8_t *regs, uint8_t byte, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (regs[DMAPROBE_BUFFER + i] != byte)
			return false;
	return true;
}

static bool is_all(const uint8_t *p, uint8_t byte, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((const volatile uint8_t *)p)[i] != byte)
			return false;
	return true;
}

static bool device_sees(volatile uint8_t *regs, uint64_t iova, uint8_t byte)
{
	fill_device(regs, ~byte);
	return run_op(regs, DMAPROBE_READ, iova, 64) == DMAPROBE_OK &&
		is_device_all(regs, byte, 64);
}

/* The access is refused, for this reason, and at this address. */
static bool is_refused(volatile uint8_t *regs, uint32_t op, uint64_t iova,
		       uint32_t reason)
{
	uint32_t status = run_op(regs, op, iova, 64);
	uint32_t got = read_reg(regs, DMAPROBE_REASON);
	uint64_t where = read_reg64(regs, DMAPROBE_FAULT_IOVA);

	if (status == DMAPROBE_FAULT && got == reason && where == iova)
		return true;
	printf("# at 0x%" PRIx64 ": status %u, reason %u at 0x%" PRIx64 "\n",
	       iova, status, got, where);
	return false;
}

/* ---- VFIO ---- */

struct session {
	int container, group, device;
	volatile uint8_t *regs;
};

static int open_container(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		bail("/dev/vfio/vfio");
	if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		bail("VFIO of another API version");
	return fd;
}

static int open_group(const char *name)
{
	char link[128], target[256], path[64];
	const char *number;
	ssize_t len;
	int fd;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group",
		 name);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		bail("%s", link);
	target[len] = 0;
	number = strrchr(target, '/');
	/* A group without an IOMMU would be called noiommu-NUMBER. */
	snprintf(path, sizeof(path), "/dev/vfio/%.20s",
		 number ? number + 1 : target);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		bail("%s", path);
	return fd;
}

static void attach_group(struct session *s)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(s->group, VFIO_GROUP_GET_STATUS, &status))
		bail("VFIO_GROUP_GET_STATUS");
	test(status.flags & VFIO_GROUP_FLAGS_VIABLE, "the group is viable");
	if (ioctl(s->group, VFIO_GROUP_SET_CONTAINER, &s->container))
		bail("VFIO_GROUP_SET_CONTAINER");
}

static void enable_master(int device)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config))
		bail("no configuration region");
	if (pread(device, &command, 2, config.offset + PCI_COMMAND) != 2)
		bail("reading the command register");
	command |= htole16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (pwrite(device, &command, 2, config.offset + PCI_COMMAND) != 2)
		bail("writing the command register");
}

static volatile uint8_t *map_regs(int device)
{
	struct vfio_region_info bar = {
		.argsz = sizeof(bar),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	void *regs;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar))
		bail("no region for BAR 0");
	test(bar.size == DMAPROBE_BAR_SIZE &&
	     bar.flags & VFIO_REGION_INFO_FLAG_MMAP, "BAR 0 can be mapped");
	regs = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		    bar.offset);
	if (regs == MAP_FAILED)
		bail("mmap of BAR 0");
	return regs;
}

static void open_session(struct session *s, const char *name)
{
	s->container = open_container();
	s->group = open_group(name);
	attach_group(s);
	if (!test(ioctl(s->container, VFIO_CHECK_EXTENSION,
			VFIO_TYPE1v2_IOMMU) == 1, "type1 version 2 is there"))
		exit(finish());
	if (ioctl(s->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		bail("VFIO_SET_IOMMU");
	s->device = ioctl(s->group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (s->device < 0)
		bail("VFIO_GROUP_GET_DEVICE_FD");
	enable_master(s->device);
	s->regs = map_regs(s->device);
	if (!test(read_reg(s->regs, DMAPROBE_ID) == DMAPROBE_ID_VALUE,
		  "it is a dmaprobe"))
		exit(finish());
}

/* Aligned to 2 MiB when as large as that, so that a large page can map it. */
static uint8_t *new_memory(size_t size, uint8_t byte)
{
	size_t align = size < HUGE_SIZE ? PAGE : HUGE_SIZE;
	uint8_t *p = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bail("no memory");
	p = (uint8_t *)(((uintptr_t)p + align - 1) & ~(align - 1));
	/* Only a hint, kernels without huge pages refuse it. */
	if (size >= HUGE_SIZE)
		madvise(p, size, MADV_HUGEPAGE);
	memset(p, byte, size);
	return p;
}

static void map_dma(struct session *s, void *p, uint64_t iova, size_t size,
		    bool writable)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ |
			(writable ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)p,
		.iova = iova,
		.size = size,
	};

	if (ioctl(s->container, VFIO_IOMMU_MAP_DMA, &map))
		bail("mapping 0x%zx bytes at 0x%" PRIx64, size, iova);
}

static bool unmap_dma(struct session *s, uint64_t iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};

	if (ioctl(s->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		bail("unmapping 0x%zx bytes at 0x%" PRIx64, size, iova);
	return unmap.size == size;
}

/* ---- run ---- */

static void test_writable(struct session *s)
{
	uint8_t *p = new_memory(SMALL, 0x11);
	uint64_t last = IOVA_RW + SMALL - 64;

	test(is_refused(s->regs, DMAPROBE_READ, IOVA_RW, DMAPROBE_NOT_PRESENT),
	     "nothing is mapped at first");
	map_dma(s, p, IOVA_RW, SMALL, true);
	test(device_sees(s->regs, IOVA_RW, 0x11) &&
	     device_sees(s->regs, last, 0x11), "the device reads memory");
	fill_device(s->regs, 0x22);
	test(run_op(s->regs, DMAPROBE_WRITE, IOVA_RW, SMALL) == DMAPROBE_OK &&
	     is_all(p, 0x22, SMALL), "the device writes memory");
	write_reg64(s->regs, DMAPROBE_CAS_OLD, 0x2222222222222222);
	write_reg64(s->regs, DMAPROBE_CAS_NEW, 0x3333333333333333);
	test(run_op(s->regs, DMAPROBE_CAS, IOVA_RW + 8, 8) == DMAPROBE_OK &&
	     is_all(p, 0x22, 8) && is_all(p + 8, 0x33, 8) &&
	     is_all(p + 16, 0x22, SMALL - 16),
	     "the device compares and swaps");
	test(is_refused(s->regs, DMAPROBE_WRITE, IOVA_RW + SMALL,
			DMAPROBE_NOT_PRESENT) &&
	     is_refused(s->regs, DMAPROBE_WRITE, IOVA_RW - PAGE,
			DMAPROBE_NOT_PRESENT),
	     "it reaches neither the page before nor the one after");
}

static void test_read_only(struct session *s)
{
	uint8_t *p = new_memory(SMALL, 0x44);

	map_dma(s, p, IOVA_RO, SMALL, false);
	test(device_sees(s->regs, IOVA_RO, 0x44),
	     "the device reads a read-only mapping");
	fill_device(s->regs, 0x55);
	test(is_refused(s->regs, DMAPROBE_WRITE, IOVA_RO, DMAPROBE_WRITE_RO) &&
	     is_refused(s->regs, DMAPROBE_CAS, IOVA_RO + PAGE,
			DMAPROBE_WRITE_RO),
	     "it cannot write there");
	test(is_all(p, 0x44, SMALL), "read-only memory is unchanged");
}

static void test_huge(struct session *s)
{
	static const uint64_t at[] = { 0, HUGE_SIZE / 2, HUGE_SIZE - 64 };
	uint8_t *p = new_memory(HUGE_SIZE, 0x66);
	uint8_t *other = new_memory(HUGE_SIZE, 0x67);
	bool seen = true, dead = true;

	map_dma(s, p, IOVA_HUGE, HUGE_SIZE, true);
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++)
		seen &= device_sees(s->regs, IOVA_HUGE + at[i], 0x66);
	test(seen, "2 MiB, aligned: start, middle and end can be read");
	test(unmap_dma(s, IOVA_HUGE, HUGE_SIZE), "2 MiB are unmapped");
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++)
		dead &= is_refused(s->regs, DMAPROBE_WRITE, IOVA_HUGE + at[i],
				   DMAPROBE_NOT_PRESENT);
	test(dead && is_all(p, 0x66, HUGE_SIZE),
	     "and out of reach, start, middle and end");

	seen = true;
	map_dma(s, other, IOVA_HUGE, HUGE_SIZE, true);
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++)
		seen &= device_sees(s->regs, IOVA_HUGE + at[i], 0x67);
	test(seen, "other 2 MiB at the same address are seen");
	test(unmap_dma(s, IOVA_HUGE, HUGE_SIZE), "and unmapped");
}

static void test_remap(struct session *s)
{
	uint8_t *first = new_memory(PAGE, 0x77);
	uint8_t *second = new_memory(PAGE, 0x88);

	map_dma(s, first, IOVA_TWICE, PAGE, true);
	test(device_sees(s->regs, IOVA_TWICE, 0x77), "one page is mapped");
	test(unmap_dma(s, IOVA_TWICE, PAGE) &&
	     is_refused(s->regs, DMAPROBE_READ, IOVA_TWICE,
			DMAPROBE_NOT_PRESENT),
	     "after its unmap it is out of reach");
	map_dma(s, second, IOVA_TWICE, PAGE, true);
	test(device_sees(s->regs, IOVA_TWICE, 0x88),
	     "another page at the same address is the one that is read");
	fill_device(s->regs, 0x99);
	test(run_op(s->regs, DMAPROBE_WRITE, IOVA_TWICE, PAGE) ==
	     DMAPROBE_OK && is_all(second, 0x99, PAGE) &&
	     is_all(first, 0x77, PAGE), "and the one that is written");
	test(unmap_dma(s, IOVA_TWICE, PAGE), "it is unmapped");
}

static void test_interrupt(struct session *s)
{
	const size_t size = sizeof(struct vfio_irq_set) + sizeof(int32_t);
	struct vfio_irq_set *irq = calloc(1, size);
	int32_t fd = eventfd(0, EFD_CLOEXEC);
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (!irq || fd < 0)
		bail("no event to wait for");
	irq->argsz = size;
	irq->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	irq->index = VFIO_PCI_MSIX_IRQ_INDEX;
	irq->count = 1;
	memcpy(irq->data, &fd, sizeof(fd));
	if (ioctl(s->device, VFIO_DEVICE_SET_IRQS, irq))
		bail("VFIO_DEVICE_SET_IRQS");
	write_reg(s->regs, DMAPROBE_CTRL, DMAPROBE_CTRL_IRQ);
	fill_device(s->regs, 0);
	test(poll(&wait, 1, 5000) == 1, "the interrupt arrives");
	write_reg(s->regs, DMAPROBE_CTRL, 0);
	free(irq);
	close(fd);
}

static int run(const char *name)
{
	struct session s;

	open_session(&s, name);
	test_writable(&s);
	test_read_only(&s);
	test_huge(&s);
	test_remap(&s);
	test_interrupt(&s);
	test(unmap_dma(&s, IOVA_RW, SMALL) &&
	     unmap_dma(&s, IOVA_RO, SMALL) &&
	     is_refused(s.regs, DMAPROBE_READ, IOVA_RW,
			DMAPROBE_NOT_PRESENT) &&
	     is_refused(s.regs, DMAPROBE_READ, IOVA_RO, DMAPROBE_NOT_PRESENT),
	     "all is unmapped at the end");
	close(s.device);
	close(s.group);
	close(s.container);
	return finish();
}

/* ---- claim ---- */

static int open_sysfs(const char *name, const char *file)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", name, file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		bail("%s", path);
	return fd;
}

/*
 * VFIO gives no device out before the container has an I/O address space, so
 * the registers are reached through sysfs.
 */
static volatile uint8_t *wake_device(const char *name)
{
	int power = open_sysfs(name, "power/control");
	int config = open_sysfs(name, "config");
	int bar = open_sysfs(name, "resource0");
	uint16_t command;
	void *regs;

	if (write(power, "on", 2) != 2)
		bail("power/control");
	if (pread(config, &command, 2, PCI_COMMAND) != 2)
		bail("reading the command register");
	command |= htole16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (pwrite(config, &command, 2, PCI_COMMAND) != 2)
		bail("writing the command register");
	regs = mmap(NULL, DMAPROBE_BAR_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED, bar, 0);
	if (regs == MAP_FAILED)
		bail("mmap of resource0");
	close(power);
	close(config);
	close(bar);
	return regs;
}

static int claim(const char *name, uint64_t iova, uint64_t phys)
{
	struct session s;

	s.container = open_container();
	s.group = open_group(name);
	attach_group(&s);
	s.regs = wake_device(name);
	if (!test(read_reg(s.regs, DMAPROBE_ID) == DMAPROBE_ID_VALUE,
		  "it is a dmaprobe"))
		return finish();
	fill_device(s.regs, 0xaa);
	test(is_refused(s.regs, DMAPROBE_WRITE, iova, DMAPROBE_BLOCKED),
	     "a write to a former DMA address is blocked");
	test(is_refused(s.regs, DMAPROBE_READ, iova, DMAPROBE_BLOCKED),
	     "a read of it is blocked");
	test(is_refused(s.regs, DMAPROBE_WRITE, phys, DMAPROBE_BLOCKED),
	     "a write to physical memory is blocked");
	test(is_refused(s.regs, DMAPROBE_READ, phys, DMAPROBE_BLOCKED),
	     "a read of it is blocked");
	if (ioctl(s.group, VFIO_GROUP_UNSET_CONTAINER))
		bail("VFIO_GROUP_UNSET_CONTAINER");
	close(s.group);
	close(s.container);
	return finish();
}

/* ---- hold ---- */

static int hold(const char *name, const char *file)
{
	struct session s;
	int fd;

	s.container = open_container();
	s.group = open_group(name);
	attach_group(&s);
	fd = open(file, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		bail("%s", file);
	close(fd);
	while (!access(file, F_OK))
		usleep(20000);
	if (ioctl(s.group, VFIO_GROUP_UNSET_CONTAINER))
		bail("VFIO_GROUP_UNSET_CONTAINER");
	close(s.group);
	close(s.container);
	return finish();
}

/* A user who does not give the device back when asked to. */
static int use(const char *name, unsigned seconds)
{
	struct session s;

	open_session(&s, name);
	printf("ok - has it\n");
	sleep(seconds);
	close(s.device);
	close(s.group);
	close(s.container);
	return 0;
}

static uint64_t parse_number(const char *text)
{
	char *end;
	uint64_t val = strtoull(text, &end, 0);

	if (*text < '0' || *text > '9' || *end) {
		fprintf(stderr, "vfio-probe: '%s' is no number\n", text);
		exit(2);
	}
	return val;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "run"))
		return run(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "claim"))
		return claim(argv[2], parse_number(argv[3]),
			     parse_number(argv[4]));
	if (argc == 4 && !strcmp(argv[1], "hold"))
		return hold(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "use"))
		return use(argv[2], (unsigned)parse_number(argv[3]));
	fprintf(stderr, "usage: vfio-probe run PCINAME\n"
		"       vfio-probe claim PCINAME IOVA PHYS\n"
		"       vfio-probe hold PCINAME FILE\n"
		"       vfio-probe use PCINAME SECONDS\n");
	return 2;
}
