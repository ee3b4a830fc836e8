/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vPCI: one VMBus channel per virtual PCI bus (guest side: pci-hyperv).
 */
#ifndef HVSIM_VPCI_H
#define HVSIM_VPCI_H

#include "hypercall.h"
#include "pci.h"
#include "vmbus.h"

struct vpci;			/* all buses of the machine */
struct vpci_bus;

/* @max_version: highest protocol offered, 0x10001..0x10004. */
struct vpci *vpci_new(struct vm *vm, struct vmbus *vmbus, struct iommu *iommu,
		      u32 max_version);

/* What becomes of the functions of a bus in D0 when its channel is closed. */
enum vpci_unclean {
	VPCI_RESET,	/* powered down (default) */
	VPCI_HELD,	/* go on; D0ENTRY is refused until D0EXIT */
	VPCI_RUNNING,	/* go on, also when D0 is entered again */
};
void vpci_set_unclean(struct vpci *v, enum vpci_unclean unclean);
/* Before any bus is added: how often the machine has been reset so far. */
void vpci_set_boots(struct vpci *v, unsigned long boots);
/*
 * A bus with its functions, named (for control commands) @name. @guid is the
 * instance GUID as 16 raw bytes in wire order. Offered at once when
 * @offered, else by the control command "offer NAME". Adds the functions to
 * the IOMMU as long as the bus is offered. Returns NULL with @err filled when
 * it is to be offered at once and the GUID's bytes 4-7 collide with another
 * bus (low 3 bits of byte 6 do not count). One that is offered later gets the
 * ids if they are free by then; else its functions are known to nobody.
 */
struct vpci_bus *vpci_add_bus(struct vpci *v, const char *name,
			      const u8 guid[16], struct pci_func **funcs,
			      unsigned nr_funcs, bool offered, char *err,
			      size_t errlen);
/*
 * After how many nanoseconds an eject that was not answered is done by force;
 * 0 for never.
 */
void vpci_set_eject_limit(struct vpci *v, u64 ns);
/* Logical device id of function @fn on a bus with this GUID. */
u32 vpci_logical_id(const u8 guid[16], u8 fn);

/* An MSI write of a device on @bus: finds the interrupt and injects it. */
void vpci_msi(struct vpci_bus *bus, u64 addr, u32 data);
/* HVCALL_RETARGET_INTERRUPT. */
u16 vpci_retarget(struct vpci *v, struct hcall *h);

/*
 * Control word "vpci ...": "list", "eject NAME", "rescind NAME",
 * "offer NAME", "state NAME" (prints absent|offered|open|d0|ejecting|
 * rescinded). eject waits for nothing: the script polls "state". "d0" is
 * printed once the guest has assigned the resources of every function, and
 * only then eject is accepted. After eject or rescind the state is "absent"
 * when the guest has released the channel, and only then offer is accepted.
 */
int vpci_ctl(void *opaque, int argc, char **argv, FILE *out);

#endif
