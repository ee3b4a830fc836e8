/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a device model of hvsim stands on, faked for tests: guest memory with
 * pages that fault, queued work that runs when the test says so, and counted
 * interrupts. Include it once per program.
 */
#ifndef FAKE_PCI_H
#define FAKE_PCI_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pci.h"

#define FAKE_RAM (8U << 20)
#define FAKE_PAGES (FAKE_RAM / 4096)

static u8 fake_ram[FAKE_RAM] __attribute__((aligned(4096)));
static enum iommu_fault fake_fault[FAKE_PAGES];
static struct work *fake_queue[8];
static unsigned fake_nr_queued;
static struct timer *fake_timer __attribute__((unused));
static unsigned fake_raised[PCI_MAX_MSIX];
static u8 *fake_kept;

void log_debug(const char *fmt, ...)
{
	(void)fmt;
}

void log_info(const char *fmt, ...)
{
	(void)fmt;
}

const char *iommu_fault_name(enum iommu_fault f)
{
	(void)f;
	return "fake fault";
}

void vm_queue_work(struct vm *vm, struct work *w)
{
	(void)vm;
	if (w->queued)
		return;
	if (fake_nr_queued == ARRAY_SIZE(fake_queue))
		abort();
	w->queued = true;
	fake_queue[fake_nr_queued++] = w;
}

/* The test runs its function as often as it likes. */
void vm_set_timer(struct vm *vm, struct timer *t, u64 period_ns)
{
	(void)vm;
	t->period_ns = period_ns;
	fake_timer = period_ns ? t : NULL;
}

/* Runs what is queued at this moment; returns how many that were. */
static inline unsigned fake_run_once(void)
{
	struct work *now[ARRAY_SIZE(fake_queue)];
	unsigned nr = fake_nr_queued;

	memcpy(now, fake_queue, sizeof(now));
	fake_nr_queued = 0;
	for (unsigned i = 0; i < nr; i++) {
		now[i]->queued = false;
		now[i]->fn(now[i]->arg);
	}
	return nr;
}

/* Runs until nothing is queued any more; returns the number of rounds. */
static inline unsigned fake_run(void)
{
	unsigned rounds = 0;

	while (fake_run_once())
		if (++rounds == 1000)
			abort();
	return rounds;
}

void *vm_keep_mem(struct vm *vm, const char *name, u64 size)
{
	(void)vm;
	(void)name;
	free(fake_kept);
	fake_kept = calloc(1, size);
	return fake_kept;
}

void pci_func_init(struct pci_func *f, struct vm *vm, struct iommu *iommu,
		   const char *name, const struct pci_ops *ops, void *opaque,
		   u16 vendor, u16 device, u32 class_code)
{
	memset(f, 0, sizeof(*f));
	f->vm = vm;
	f->iommu = iommu;
	f->ops = ops;
	f->opaque = opaque;
	snprintf(f->name, sizeof(f->name), "%s", name);
	memcpy(f->cfg, &vendor, 2);
	memcpy(f->cfg + 2, &device, 2);
	memcpy(f->cfg + 9, &class_code, 3);
}

void pci_add_bar64(struct pci_func *f, int bar, u64 size)
{
	f->bar_size[bar] = size;
}

void pci_add_msix(struct pci_func *f, int bar, unsigned nr, u32 table_off,
		  u32 pba_off)
{
	f->msix_bar = bar;
	f->nr_msix = nr;
	f->msix_table = table_off;
	f->msix_pba = pba_off;
}

/* 1: aligned, 2: not. */
void pci_add_ats(struct pci_func *f, bool aligned)
{
	f->ats_cap = aligned ? 1 : 2;
}

void pci_msix_raise(struct pci_func *f, unsigned vec)
{
	if (vec >= f->nr_msix)
		abort();
	fake_raised[vec]++;
}

enum iommu_fault pci_dma(struct pci_func *f, u64 iova, void *buf, size_t len,
			 enum iommu_op op, u64 *fault_iova)
{
	u64 *operands = buf;
	u8 *at = buf;

	(void)f;
	for (; len; len--, iova++, at++) {
		enum iommu_fault fault = iova < FAKE_RAM ?
			fake_fault[iova / 4096] : IOMMU_FAULT_NOT_PRESENT;

		if (fault) {
			if (fault_iova)
				*fault_iova = iova;
			return fault;
		}
		if (op == IOMMU_READ) {
			*at = fake_ram[iova];
		} else if (op == IOMMU_WRITE) {
			fake_ram[iova] = *at;
		} else {
			memcpy(&operands[2], fake_ram + iova, 8);
			if (operands[2] == operands[0])
				memcpy(fake_ram + iova, &operands[1], 8);
			break;
		}
	}
	return IOMMU_OK;
}

static inline void fake_clear(void)
{
	memset(fake_ram, 0, sizeof(fake_ram));
	memset(fake_fault, 0, sizeof(fake_fault));
	memset(fake_raised, 0, sizeof(fake_raised));
	fake_nr_queued = 0;
}

#endif
