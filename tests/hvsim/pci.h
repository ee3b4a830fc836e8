/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One PCI function behind a vPCI bus: configuration space, BARs, MSI-X, and
 * DMA through the IOMMU. Device models (nvme.c, dmaprobe.c) sit on top of it,
 * vpci.c underneath.
 */
#ifndef HVSIM_PCI_H
#define HVSIM_PCI_H

#include "hvsim.h"
#include "iommu.h"

#define PCI_NR_BARS 6
#define PCI_MAX_MSIX 64

struct vpci_bus;
struct pci_func;

struct pci_ops {
	/*
	 * BAR access; @size is 1 to 8, odd ones when the guest's access crosses
	 * a page. MSI-X ranges never arrive here.
	 */
	u64 (*bar_read)(struct pci_func *f, int bar, u64 off, unsigned size);
	void (*bar_write)(struct pci_func *f, int bar, u64 off, unsigned size,
			  u64 val);
	/* D0 exit, channel close, rescind, reset: stop DMA and interrupts,
	 * back to the state after power-on (media contents stay). */
	void (*reset)(struct pci_func *f);
};

struct pci_msix_entry {
	u64 addr;
	u32 data;
	u32 ctrl;		/* bit 0: masked */
};

/* What a memory window knows about the BAR it shows. */
struct pci_bar_ref {
	struct pci_func *f;
	int bar;
};

struct pci_func {
	struct vm *vm;
	struct iommu *iommu;
	struct vpci_bus *bus;	/* NULL until plugged */
	u8 fn;			/* 0..7 */
	u32 logical_id;		/* set when offered */
	bool direct;		/* not behind the para-virtual IOMMU */
	char name[24];		/* "nvme0", "dmaprobe0.1" */
	const struct pci_ops *ops;
	void *opaque;		/* the device model's own */

	u8 cfg[4096];
	u64 bar_size[PCI_NR_BARS];	/* 64-bit BAR at i: i+1 has size 0 */
	u64 bar_base[PCI_NR_BARS];	/* as programmed and decoded, else 0 */
	bool bar_mapped[PCI_NR_BARS];
	struct pci_bar_ref bar_ref[PCI_NR_BARS];

	int msix_bar;			/* -1: no MSI-X */
	u32 msix_table, msix_pba;	/* offsets in that BAR */
	u16 msix_cap;			/* config offset of the capability */
	unsigned nr_msix;
	struct pci_msix_entry msix[PCI_MAX_MSIX];
	u64 msix_pending;

	u16 ats_cap;			/* config offset, 0: no ATS */
};

/* Identity as class code 0xBBSSPP (base, sub, prog-if). */
void pci_func_init(struct pci_func *f, struct vm *vm, struct iommu *iommu,
		   const char *name, const struct pci_ops *ops, void *opaque,
		   u16 vendor, u16 device, u32 class_code);
/* 64-bit memory BAR @bar (0, 2 or 4) of @size bytes (power of two, >= 4K). */
void pci_add_bar64(struct pci_func *f, int bar, u64 size);
/* MSI-X with @nr vectors, table and PBA inside BAR @bar at these offsets. */
void pci_add_msix(struct pci_func *f, int bar, unsigned nr, u32 table_off,
		  u32 pba_off);

/* ATS. @aligned: it says that all of its requests are page aligned. */
void pci_add_ats(struct pci_func *f, bool aligned);

/* Configuration space as vpci.c forwards it; @size 1, 2 or 4. */
u32 pci_cfg_read(struct pci_func *f, u16 off, unsigned size);
void pci_cfg_write(struct pci_func *f, u16 off, unsigned size, u32 val);
/* Power-on state: command, BARs and MSI-X cleared, ops->reset called. */
void pci_func_reset(struct pci_func *f);

/* Signals MSI-X entry @vec: masked ones go to the PBA. */
void pci_msix_raise(struct pci_func *f, unsigned vec);

/*
 * DMA by this function. Without bus mastering nothing happens and
 * IOMMU_FAULT_NO_DEVICE is returned. CAS: see iommu_dma().
 */
enum iommu_fault pci_dma(struct pci_func *f, u64 iova, void *buf, size_t len,
			 enum iommu_op op, u64 *fault_iova);

/*
 * Device models. They allocate, call pci_func_init() and so on, and return
 * the functions in out[]; the return value is how many (1..8), or -1 with a
 * message in @err. @opts is the text after "nvme," / "dmaprobe," in --device,
 * already without guid=; e.g. "size=64M,file=disk.img,queues=4".
 */
int nvme_create(struct vm *vm, struct iommu *iommu, unsigned index,
		char *opts, struct pci_func *out[8], char *err, size_t errlen);
int dmaprobe_create(struct vm *vm, struct iommu *iommu, unsigned index,
		    char *opts, struct pci_func *out[8], char *err,
		    size_t errlen);

/*
 * Control word "beat NAME [MS IOVA | off]": has a dmaprobe write a counter to
 * IOVA every MS milliseconds, whatever becomes of its driver; without more,
 * prints: on|off, how often it was written, how often not, and why the last
 * time. @opaque: array of the functions, ends with NULL.
 */
int dmaprobe_ctl(void *opaque, int argc, char **argv, FILE *out);

#endif
