// SPDX-License-Identifier: GPL-2.0
/*
 * PCI function model: owns configuration space (header, PCIe, MSI-X and ATS
 * capabilities), decoding of the BARs, the MSI-X table and pending bits, and
 * the gate every DMA goes through. Runs under vm->lock, never sleeps.
 *
 * Configuration space: PCIe capability at 0x40, MSI-X at 0x80 if there is
 * one. Of the extended ones only ATS at 0x100, if the function has it.
 */
#include <string.h>

#include "pci.h"
#include "vpci.h"

enum {
	CFG_VENDOR = 0x00,
	CFG_DEVICE = 0x02,
	CFG_COMMAND = 0x04,
	CFG_STATUS = 0x06,
	CFG_CLASS = 0x09,
	CFG_CACHE_LINE = 0x0c,
	CFG_BAR = 0x10,
	CFG_BAR_END = 0x28,
	CFG_SUBSYSTEM_VENDOR = 0x2c,
	CFG_SUBSYSTEM = 0x2e,
	CFG_CAPABILITIES = 0x34,
	CFG_INTERRUPT_LINE = 0x3c,

	CAP_PCIE = 0x40,
	PCIE_FLAGS = CAP_PCIE + 0x02,
	PCIE_DEVCAP = CAP_PCIE + 0x04,
	PCIE_DEVCTL = CAP_PCIE + 0x08,
	PCIE_LNKCAP = CAP_PCIE + 0x0c,
	PCIE_LNKCTL = CAP_PCIE + 0x10,
	PCIE_LNKSTA = CAP_PCIE + 0x12,

	CAP_MSIX = 0x80,
	MSIX_CONTROL = 0x02,	/* from the capability */
	MSIX_TABLE = 0x04,
	MSIX_PBA = 0x08,

	CAP_ATS = 0x100,
	ATS_CAPABILITY = 0x04,	/* from the capability */
	ATS_CONTROL = 0x06,
};

#define COMMAND_MEM 0x0002u
#define COMMAND_MASTER 0x0004u
/* Parity, SERR and INTx disable are kept, and mean nothing here. */
#define COMMAND_WRITABLE (COMMAND_MEM | COMMAND_MASTER | 0x0540u)

#define STATUS_CAPABILITIES 0x0010u
#define BAR_TYPE_64 0x4u

#define CAP_ID_PCIE 0x10
#define CAP_ID_MSIX 0x11
#define PCIE_VERSION_2_ENDPOINT 0x0002u
/* Role-based error reporting; function level reset. */
#define DEVCAP_VALUE 0x10008000u
/* Relaxed ordering, no snoop, 512 byte read requests. */
#define DEVCTL_DEFAULT 0x2810u
#define DEVCTL_FLR 0x8000u
/* 8 GT/s, four lanes. */
#define LINK_VALUE 0x43u

#define ATS_HEADER 0x0001000fu	/* version 1, the last one */
#define ATS_PAGE_ALIGNED 0x0020u
#define ATS_ENABLE 0x8000u
#define ATS_UNIT 0x001fu	/* smallest translation: 2^n pages */

#define MSIX_ENABLE 0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_ENTRY_SIZE 16u
#define MSIX_ENTRY_MASKED 1u

/* Physical addresses above this are never decoded. */
#define MAX_PHYSICAL (1ULL << 52)

/* Bits the guest may change, other than those of the BARs. */
static const struct {
	u16 off;
	u16 mask;
} writable[] = {
	{ CFG_COMMAND, COMMAND_WRITABLE },
	{ CFG_CACHE_LINE, 0x00ff },
	{ CFG_INTERRUPT_LINE, 0x00ff },
	{ PCIE_DEVCTL, 0x7fff },
	{ PCIE_LNKCTL, 0x01cb },
};

static u16 get16(const struct pci_func *f, u16 off)
{
	u16 val;

	memcpy(&val, f->cfg + off, sizeof(val));
	return val;
}

static u32 get32(const struct pci_func *f, u16 off)
{
	u32 val;

	memcpy(&val, f->cfg + off, sizeof(val));
	return val;
}

static void set16(struct pci_func *f, u16 off, u16 val)
{
	memcpy(f->cfg + off, &val, sizeof(val));
}

static void set32(struct pci_func *f, u16 off, u32 val)
{
	memcpy(f->cfg + off, &val, sizeof(val));
}

/* ---- MSI-X ---- */

static bool msix_on(const struct pci_func *f)
{
	return f->msix_bar >= 0 &&
	       get16(f, f->msix_cap + MSIX_CONTROL) & MSIX_ENABLE;
}

static bool msix_masked(const struct pci_func *f, unsigned vec)
{
	return get16(f, f->msix_cap + MSIX_CONTROL) & MSIX_MASK_ALL ||
	       f->msix[vec].ctrl & MSIX_ENTRY_MASKED;
}

void pci_msix_raise(struct pci_func *f, unsigned vec)
{
	if (vec >= f->nr_msix)
		die("%s: MSI-X vector %u of %u", f->name, vec, f->nr_msix);
	if (!msix_on(f) || !f->bus ||
	    !(get16(f, CFG_COMMAND) & COMMAND_MASTER))
		return;
	if (msix_masked(f, vec)) {
		f->msix_pending |= BIT_ULL(vec);
		return;
	}
	vpci_msi(f->bus, f->msix[vec].addr, f->msix[vec].data);
}

/* After any change of a mask: sends what has become unmasked. */
static void send_pending(struct pci_func *f)
{
	u64 pending = f->msix_pending;

	if (!msix_on(f))
		return;
	for (unsigned vec = 0; vec < f->nr_msix; vec++) {
		if (!(pending & BIT_ULL(vec)) || msix_masked(f, vec))
			continue;
		f->msix_pending &= ~BIT_ULL(vec);
		pci_msix_raise(f, vec);
	}
}

/* One aligned 32-bit word of the table. */
static u32 read_table_word(const struct pci_func *f, u64 off)
{
	const struct pci_msix_entry *e = &f->msix[off / MSIX_ENTRY_SIZE];

	switch (off % MSIX_ENTRY_SIZE) {
	case 0:
		return (u32)e->addr;
	case 4:
		return e->addr >> 32;
	case 8:
		return e->data;
	default:
		return e->ctrl;
	}
}

static void write_table_word(struct pci_func *f, u64 off, u32 val)
{
	struct pci_msix_entry *e = &f->msix[off / MSIX_ENTRY_SIZE];

	switch (off % MSIX_ENTRY_SIZE) {
	case 0:
		e->addr = (e->addr & ~0xffffffffULL) | (val & ~3u);
		break;
	case 4:
		e->addr = (u32)e->addr | (u64)val << 32;
		break;
	case 8:
		e->data = val;
		break;
	default:
		e->ctrl = val & MSIX_ENTRY_MASKED;
		send_pending(f);
		break;
	}
}

static u64 pba_size(const struct pci_func *f)
{
	return (f->nr_msix + 63) / 64 * 8;
}

static bool in_table(const struct pci_func *f, int bar, u64 off)
{
	return bar == f->msix_bar && off >= f->msix_table &&
	       off < f->msix_table + f->nr_msix * MSIX_ENTRY_SIZE;
}

static bool in_pba(const struct pci_func *f, int bar, u64 off)
{
	return bar == f->msix_bar && off >= f->msix_pba &&
	       off < f->msix_pba + pba_size(f);
}

/* The table takes aligned accesses of 4 or 8 bytes only. */
static bool table_access_ok(struct pci_func *f, u64 off, unsigned size)
{
	if ((size == 4 || size == 8) && off % size == 0)
		return true;
	violation("%s: MSI-X table access of %u bytes at 0x%llx", f->name,
		  size, (unsigned long long)off);
	return false;
}

static u64 all_ones(unsigned size)
{
	return size >= 8 ? ~0ULL : (1ULL << 8 * size) - 1;
}

/* ---- BARs ---- */

static u64 read_bar(void *opaque, u64 off, unsigned size)
{
	struct pci_bar_ref *ref = opaque;
	struct pci_func *f = ref->f;

	if (in_table(f, ref->bar, off)) {
		u64 val;

		off -= f->msix_table;
		if (!table_access_ok(f, off, size))
			return all_ones(size);
		val = read_table_word(f, off);
		if (size == 8)
			val |= (u64)read_table_word(f, off + 4) << 32;
		return val;
	}
	if (in_pba(f, ref->bar, off))
		return f->msix_pending >> 8 * (off - f->msix_pba) &
		       all_ones(size);
	return f->ops->bar_read(f, ref->bar, off, size);
}

static void write_bar(void *opaque, u64 off, unsigned size, u64 val)
{
	struct pci_bar_ref *ref = opaque;
	struct pci_func *f = ref->f;

	if (in_table(f, ref->bar, off)) {
		off -= f->msix_table;
		if (!table_access_ok(f, off, size))
			return;
		write_table_word(f, off, (u32)val);
		if (size == 8)
			write_table_word(f, off + 4, val >> 32);
		return;
	}
	/* Pending bits are read-only. */
	if (in_pba(f, ref->bar, off))
		return;
	f->ops->bar_write(f, ref->bar, off, size, val);
}

static const struct mmio_ops bar_ops = {
	.read = read_bar,
	.write = write_bar,
};

static u64 bar_address(const struct pci_func *f, int bar)
{
	u64 low = get32(f, CFG_BAR + 4 * bar);
	u64 high = get32(f, CFG_BAR + 4 * bar + 4);

	return (high << 32 | low) & ~(f->bar_size[bar] - 1);
}

/*
 * Where the BAR is to be decoded; 0 for nowhere. While a guest sizes a BAR or
 * has written one half of it only, the address makes no sense: that is not
 * decoded, as RAM would win against it anyway.
 */
static u64 decoded_address(const struct pci_func *f, int bar)
{
	u64 base;

	if (!f->bar_size[bar] || !(get16(f, CFG_COMMAND) & COMMAND_MEM))
		return 0;
	base = bar_address(f, bar);
	if (base < vm_mem(f->vm)->size ||
	    base > MAX_PHYSICAL - f->bar_size[bar])
		return 0;
	return base;
}

static void update_windows(struct pci_func *f)
{
	for (int bar = 0; bar < PCI_NR_BARS; bar++) {
		u64 base = decoded_address(f, bar);

		if (base == f->bar_base[bar])
			continue;
		if (f->bar_mapped[bar])
			vm_mmio_del(f->vm, f->bar_base[bar], &bar_ops,
				    &f->bar_ref[bar]);
		f->bar_base[bar] = base;
		f->bar_mapped[bar] = base;
		if (base)
			vm_mmio_add(f->vm, base, f->bar_size[bar], &bar_ops,
				    &f->bar_ref[bar]);
	}
}

/* The bits of configuration dword @off, inside the BARs, that are writable. */
static u32 bar_mask(const struct pci_func *f, u16 off)
{
	int bar = (off - CFG_BAR) / 4;

	if (f->bar_size[bar])
		return (u32)~(f->bar_size[bar] - 1);
	if (bar && f->bar_size[bar - 1])
		return ~(f->bar_size[bar - 1] - 1) >> 32;
	return 0;
}

/* ---- configuration space ---- */

/* The writable bits of one byte of configuration space. */
static u8 writable_bits(const struct pci_func *f, u16 off)
{
	if (off >= CFG_BAR && off < CFG_BAR_END)
		return bar_mask(f, off) >> 8 * (off % 4);
	if (f->msix_bar >= 0 && off == f->msix_cap + MSIX_CONTROL + 1)
		return (MSIX_ENABLE | MSIX_MASK_ALL) >> 8;
	if (f->ats_cap && (off & ~1) == f->ats_cap + ATS_CONTROL)
		return (ATS_ENABLE | ATS_UNIT) >> 8 * (off & 1);
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++)
		if (off == writable[i].off || off == writable[i].off + 1)
			return writable[i].mask >> 8 * (off - writable[i].off);
	return 0;
}

/* After any change of ATS control. The rules are in the IOMMU, but for one. */
static void update_ats(struct pci_func *f)
{
	u16 control;

	if (!f->ats_cap)
		return;
	control = get16(f, f->ats_cap + ATS_CONTROL);
	if (control & ATS_ENABLE && control & ATS_UNIT)
		violation("%s: ATS enabled for translations of at least %u pages",
			  f->name, 1u << (control & ATS_UNIT));
	iommu_device_set_ats(f->iommu, f->logical_id, control & ATS_ENABLE,
			     get16(f, f->ats_cap + ATS_CAPABILITY) &
			     ATS_PAGE_ALIGNED);
}

static bool cfg_access_ok(struct pci_func *f, u16 off, unsigned size)
{
	if ((size == 1 || size == 2 || size == 4) && off % size == 0 &&
	    off < sizeof(f->cfg))
		return true;
	violation("%s: configuration access of %u bytes at 0x%x", f->name,
		  size, off);
	return false;
}

u32 pci_cfg_read(struct pci_func *f, u16 off, unsigned size)
{
	u32 val = 0;

	if (!cfg_access_ok(f, off, size))
		return ~0u;
	memcpy(&val, f->cfg + off, size);
	return val;
}

void pci_cfg_write(struct pci_func *f, u16 off, unsigned size, u32 val)
{
	if (!cfg_access_ok(f, off, size))
		return;
	for (unsigned i = 0; i < size; i++) {
		u8 mask = writable_bits(f, off + i);
		u8 byte = val >> 8 * i;

		if (off + i == PCIE_DEVCTL + 1 && byte & DEVCTL_FLR >> 8) {
			log_debug("%s: function level reset", f->name);
			pci_func_reset(f);
			return;
		}
		f->cfg[off + i] = (f->cfg[off + i] & ~mask) | (byte & mask);
	}
	update_windows(f);
	send_pending(f);
	if (f->ats_cap && (off & ~3) == f->ats_cap + ATS_CAPABILITY)
		update_ats(f);
}

void pci_func_reset(struct pci_func *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++)
		set16(f, writable[i].off,
		      get16(f, writable[i].off) & ~writable[i].mask);
	set16(f, PCIE_DEVCTL, DEVCTL_DEFAULT);
	for (u16 off = CFG_BAR; off < CFG_BAR_END; off += 4)
		set32(f, off, get32(f, off) & ~bar_mask(f, off));
	update_windows(f);
	if (f->msix_bar >= 0)
		set16(f, f->msix_cap + MSIX_CONTROL, f->nr_msix - 1);
	f->msix_pending = 0;
	for (unsigned vec = 0; vec < f->nr_msix; vec++)
		f->msix[vec] = (struct pci_msix_entry) {
			.ctrl = MSIX_ENTRY_MASKED,
		};
	if (f->ats_cap)
		set16(f, f->ats_cap + ATS_CONTROL, 0);
	update_ats(f);
	f->ops->reset(f);
}

/* ---- DMA ---- */

enum iommu_fault pci_dma(struct pci_func *f, u64 iova, void *buf, size_t len,
			 enum iommu_op op, u64 *fault_iova)
{
	if (!f->bus || !(get16(f, CFG_COMMAND) & COMMAND_MASTER)) {
		if (fault_iova)
			*fault_iova = iova;
		return IOMMU_FAULT_NO_DEVICE;
	}
	return iommu_dma(f->iommu, f->logical_id, iova, buf, len, op,
			 fault_iova);
}

/* ---- construction ---- */

void pci_func_init(struct pci_func *f, struct vm *vm, struct iommu *iommu,
		   const char *name, const struct pci_ops *ops, void *opaque,
		   u16 vendor, u16 device, u32 class_code)
{
	memset(f, 0, sizeof(*f));
	f->vm = vm;
	f->iommu = iommu;
	f->ops = ops;
	f->opaque = opaque;
	f->msix_bar = -1;
	snprintf(f->name, sizeof(f->name), "%s", name);
	for (int bar = 0; bar < PCI_NR_BARS; bar++)
		f->bar_ref[bar] = (struct pci_bar_ref) { f, bar };

	set16(f, CFG_VENDOR, vendor);
	set16(f, CFG_DEVICE, device);
	set16(f, CFG_STATUS, STATUS_CAPABILITIES);
	f->cfg[CFG_CLASS] = class_code;
	f->cfg[CFG_CLASS + 1] = class_code >> 8;
	f->cfg[CFG_CLASS + 2] = class_code >> 16;
	set16(f, CFG_SUBSYSTEM_VENDOR, vendor);
	set16(f, CFG_SUBSYSTEM, device);
	f->cfg[CFG_CAPABILITIES] = CAP_PCIE;

	f->cfg[CAP_PCIE] = CAP_ID_PCIE;
	set16(f, PCIE_FLAGS, PCIE_VERSION_2_ENDPOINT);
	set32(f, PCIE_DEVCAP, DEVCAP_VALUE);
	set16(f, PCIE_DEVCTL, DEVCTL_DEFAULT);
	set32(f, PCIE_LNKCAP, LINK_VALUE);
	set16(f, PCIE_LNKSTA, LINK_VALUE);
}

void pci_add_bar64(struct pci_func *f, int bar, u64 size)
{
	if (bar < 0 || bar > 4 || bar % 2 || size < HV_PAGE_SIZE ||
	    size & (size - 1) || f->bar_size[bar])
		die("%s: bad BAR %d of 0x%llx bytes", f->name, bar,
		    (unsigned long long)size);
	f->bar_size[bar] = size;
	set32(f, CFG_BAR + 4 * bar, BAR_TYPE_64);
}

void pci_add_msix(struct pci_func *f, int bar, unsigned nr, u32 table_off,
		  u32 pba_off)
{
	u32 table_end = table_off + nr * MSIX_ENTRY_SIZE;

	if (bar < 0 || bar >= PCI_NR_BARS || !nr || nr > PCI_MAX_MSIX ||
	    f->msix_bar >= 0 || table_off % 8 || pba_off % 8 ||
	    table_end > f->bar_size[bar] || pba_off + 8 > f->bar_size[bar] ||
	    (pba_off < table_end && pba_off + 8 > table_off))
		die("%s: bad MSI-X: %u vectors in BAR %d, table at 0x%x, PBA at 0x%x",
		    f->name, nr, bar, table_off, pba_off);
	f->msix_bar = bar;
	f->msix_table = table_off;
	f->msix_pba = pba_off;
	f->msix_cap = CAP_MSIX;
	f->nr_msix = nr;
	for (unsigned vec = 0; vec < nr; vec++)
		f->msix[vec].ctrl = MSIX_ENTRY_MASKED;
	f->cfg[CAP_PCIE + 1] = CAP_MSIX;
	f->cfg[CAP_MSIX] = CAP_ID_MSIX;
	set16(f, CAP_MSIX + MSIX_CONTROL, nr - 1);
	set32(f, CAP_MSIX + MSIX_TABLE, table_off | bar);
	set32(f, CAP_MSIX + MSIX_PBA, pba_off | bar);
}

void pci_add_ats(struct pci_func *f, bool aligned)
{
	f->ats_cap = CAP_ATS;
	set32(f, CAP_ATS, ATS_HEADER);
	set16(f, CAP_ATS + ATS_CAPABILITY, aligned ? ATS_PAGE_ALIGNED : 0);
}
