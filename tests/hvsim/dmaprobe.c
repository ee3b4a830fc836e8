// SPDX-License-Identifier: GPL-2.0
/*
 * dmaprobe: a device that performs whatever DMA a test asks for, and reports
 * how it ended. dmaprobe_regs.h is its data sheet.
 *
 * Owns: registers and internal buffer of up to eight functions, each with one
 * MSI-X vector (table and PBA in BAR 2), and their beat: a counter that the
 * device keeps writing to an address, whatever becomes of its driver. That is
 * started from the control port; a function level reset or power-down ends it.
 *
 * Locking: everything runs under vm->lock, nothing waits. Commands execute
 * inside the register write, so that a test is deterministic; with DELAY they
 * execute later, on the worker thread.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dmaprobe_regs.h"
#include "pci.h"

#define DMAPROBE_CLASS	0xff0000
#define MSIX_BAR	2
#define MSIX_BAR_SIZE	0x2000
#define MSIX_PBA	0x1000
#define MAX_FUNCTIONS	8

/* REASON shows the IOMMU's own values. */
#define SAME(name) \
	_Static_assert(DMAPROBE_ ## name == (int)IOMMU_FAULT_ ## name, #name)
SAME(BLOCKED);
SAME(NOT_PRESENT);
SAME(WRITE_RO);
SAME(USER);
SAME(RESERVED);
SAME(RANGE);
SAME(OUTPUT);
SAME(MSI);
SAME(NO_DEVICE);
#undef SAME

/* One function. @regs is indexed by register offset / 4. */
struct dmaprobe {
	struct pci_func func;
	struct work work;
	u32 regs[DMAPROBE_CAS_PREV / 4 + 2];
	u8 buffer[DMAPROBE_BUFFER_SIZE];
	struct timer timer;
	struct {
		u64 iova;
		u64 written, refused;
		enum iommu_fault last;
	} beat;
};

static u64 get_reg64(const struct dmaprobe *d, unsigned reg)
{
	return (u64)d->regs[reg / 4 + 1] << 32 | d->regs[reg / 4];
}

static void set_reg64(struct dmaprobe *d, unsigned reg, u64 val)
{
	d->regs[reg / 4] = val;
	d->regs[reg / 4 + 1] = val >> 32;
}

static u32 do_dma(struct dmaprobe *d, void *buf, u32 len, enum iommu_op op)
{
	u64 iova = get_reg64(d, DMAPROBE_IOVA), fault_iova = iova;
	enum iommu_fault fault;

	fault = pci_dma(&d->func, iova, buf, len, op, &fault_iova);
	if (fault == IOMMU_OK)
		return DMAPROBE_OK;
	d->regs[DMAPROBE_REASON / 4] = fault;
	d->regs[DMAPROBE_NR_FAULTS / 4]++;
	set_reg64(d, DMAPROBE_FAULT_IOVA, fault_iova);
	return DMAPROBE_FAULT;
}

static u32 compare_and_swap(struct dmaprobe *d)
{
	/* see iommu_dma(): expected, new, and the place of the old value */
	u64 operands[3] = {
		get_reg64(d, DMAPROBE_CAS_OLD),
		get_reg64(d, DMAPROBE_CAS_NEW),
	};
	u32 status;

	if (get_reg64(d, DMAPROBE_IOVA) % 8)
		return DMAPROBE_BAD;
	status = do_dma(d, operands, 8, IOMMU_CAS);
	if (status == DMAPROBE_OK)
		set_reg64(d, DMAPROBE_CAS_PREV, operands[2]);
	return status;
}

static u32 execute(struct dmaprobe *d)
{
	u32 len = d->regs[DMAPROBE_LEN / 4];
	u32 off = d->regs[DMAPROBE_OFFSET / 4];
	u32 op = d->regs[DMAPROBE_COMMAND / 4] & DMAPROBE_OP_MASK;

	if (d->regs[DMAPROBE_COMMAND / 4] &
	    ~(DMAPROBE_OP_MASK | DMAPROBE_DELAY))
		return DMAPROBE_BAD;
	if (op == DMAPROBE_CAS)
		return compare_and_swap(d);
	if (!len || len > DMAPROBE_BUFFER_SIZE ||
	    off > DMAPROBE_BUFFER_SIZE - len)
		return DMAPROBE_BAD;
	switch (op) {
	case DMAPROBE_READ:
		return do_dma(d, d->buffer + off, len, IOMMU_READ);
	case DMAPROBE_WRITE:
		return do_dma(d, d->buffer + off, len, IOMMU_WRITE);
	case DMAPROBE_FILL:
		memset(d->buffer + off, d->regs[DMAPROBE_BYTE / 4], len);
		return DMAPROBE_OK;
	default:
		return DMAPROBE_BAD;
	}
}

static void complete_command(struct dmaprobe *d)
{
	d->regs[DMAPROBE_STATUS / 4] = execute(d);
	if (d->regs[DMAPROBE_CTRL / 4] & DMAPROBE_CTRL_IRQ)
		pci_msix_raise(&d->func, 0);
}

static void run_delayed(void *arg)
{
	struct dmaprobe *d = arg;

	/* A reset meanwhile has cancelled the command. */
	if (d->regs[DMAPROBE_STATUS / 4] == DMAPROBE_BUSY)
		complete_command(d);
}

static void start_command(struct dmaprobe *d, u32 command)
{
	d->regs[DMAPROBE_COMMAND / 4] = command;
	d->regs[DMAPROBE_REASON / 4] = 0;
	set_reg64(d, DMAPROBE_FAULT_IOVA, 0);
	set_reg64(d, DMAPROBE_CAS_PREV, 0);
	if (command & DMAPROBE_DELAY) {
		d->regs[DMAPROBE_STATUS / 4] = DMAPROBE_BUSY;
		vm_queue_work(d->func.vm, &d->work);
	} else {
		complete_command(d);
	}
}

static void write_reg(struct dmaprobe *d, u32 off, u32 val)
{
	if (off == DMAPROBE_CTRL) {
		d->regs[off / 4] = val & DMAPROBE_CTRL_IRQ;
		return;
	}
	if (d->regs[DMAPROBE_STATUS / 4] == DMAPROBE_BUSY)
		return;
	if (off == DMAPROBE_COMMAND)
		start_command(d, val);
	else if (off > DMAPROBE_CTRL && off < DMAPROBE_COMMAND)
		d->regs[off / 4] = val;
}

static u32 read_reg(const struct dmaprobe *d, u32 off)
{
	if (off == DMAPROBE_ID)
		return DMAPROBE_ID_VALUE;
	return off < sizeof(d->regs) ? d->regs[off / 4] : 0;
}

static u64 dmaprobe_bar_read(struct pci_func *f, int bar, u64 off,
			     unsigned size)
{
	const struct dmaprobe *d = f->opaque;
	u64 val = 0;

	if (bar)
		return 0;
	if (off >= DMAPROBE_BUFFER) {
		off -= DMAPROBE_BUFFER;
		if (off + size <= sizeof(d->buffer))
			memcpy(&val, d->buffer + off, size);
		return val;
	}
	val = read_reg(d, off & ~3U);
	if (off % 4 + size > 4)
		val |= (u64)read_reg(d, (off & ~3U) + 4) << 32;
	val >>= off % 4 * 8;
	return size < 8 ? val & (BIT_ULL(size * 8) - 1) : val;
}

static void dmaprobe_bar_write(struct pci_func *f, int bar, u64 off,
			       unsigned size, u64 val)
{
	struct dmaprobe *d = f->opaque;

	if (bar)
		return;
	if (off >= DMAPROBE_BUFFER) {
		off -= DMAPROBE_BUFFER;
		if (off + size <= sizeof(d->buffer))
			memcpy(d->buffer + off, &val, size);
		return;
	}
	/* An access that crosses a page arrives in pieces of any size. */
	if (off % 4 || (size != 4 && size != 8)) {
		log_info("%s: bad register write of %u bytes at 0x%" PRIx64,
			 f->name, size, off);
		return;
	}
	for (; size; size -= 4, off += 4, val >>= 32)
		write_reg(d, off, val);
}

/* ---- the beat ---- */

static void do_beat(void *arg)
{
	struct dmaprobe *d = arg;
	u64 count = d->beat.written + 1;

	d->beat.last = pci_dma(&d->func, d->beat.iova, &count, sizeof(count),
			       IOMMU_WRITE, NULL);
	if (d->beat.last == IOMMU_OK)
		d->beat.written++;
	else
		d->beat.refused++;
}

static void stop_beat(struct dmaprobe *d)
{
	if (d->timer.period_ns)
		vm_set_timer(d->func.vm, &d->timer, 0);
}

static bool parse_u64(const char *text, u64 *val)
{
	char *end;

	*val = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end;
}

int dmaprobe_ctl(void *opaque, int argc, char **argv, FILE *out)
{
	struct pci_func **f = opaque;
	struct dmaprobe *d;
	u64 ms, iova;

	while (*f && argc > 1 && strcmp((*f)->name, argv[1]))
		f++;
	d = *f ? (*f)->opaque : NULL;
	if (argc == 2 && d) {
		fprintf(out, "%s %" PRIu64 " %" PRIu64 " %s",
			d->timer.period_ns ? "on" : "off", d->beat.written,
			d->beat.refused, iommu_fault_name(d->beat.last));
		return 0;
	}
	if (argc == 3 && d && !strcmp(argv[2], "off")) {
		stop_beat(d);
		return 0;
	}
	if (argc == 4 && d && parse_u64(argv[2], &ms) && ms && ms <= 1000 &&
	    parse_u64(argv[3], &iova) && iova % 8 == 0) {
		d->beat.iova = iova;
		d->beat.written = 0;
		d->beat.refused = 0;
		d->beat.last = IOMMU_OK;
		vm_set_timer(d->func.vm, &d->timer, ms * 1000000);
		return 0;
	}
	fprintf(out, "usage: beat NAME [MS IOVA | off], NAME that of a dmaprobe, MS up to 1000, IOVA of 8 bytes");
	return -1;
}

static void dmaprobe_reset(struct pci_func *f)
{
	struct dmaprobe *d = f->opaque;

	stop_beat(d);
	memset(d->regs, 0, sizeof(d->regs));
	memset(d->buffer, 0, sizeof(d->buffer));
}

static const struct pci_ops dmaprobe_ops = {
	.bar_read = dmaprobe_bar_read,
	.bar_write = dmaprobe_bar_write,
	.reset = dmaprobe_reset,
};

/* What the options ask for. */
struct options {
	unsigned functions;
	bool ats, aligned;
};

static struct dmaprobe *new_function(struct vm *vm, struct iommu *iommu,
				     unsigned index, unsigned fn,
				     const struct options *o)
{
	struct dmaprobe *d = calloc(1, sizeof(*d));
	char name[sizeof(d->func.name)];

	if (!d)
		return NULL;
	d->work.fn = run_delayed;
	d->work.arg = d;
	d->timer.fn = do_beat;
	d->timer.arg = d;
	if (o->functions > 1)
		snprintf(name, sizeof(name), "dmaprobe%u.%u", index, fn);
	else
		snprintf(name, sizeof(name), "dmaprobe%u", index);
	pci_func_init(&d->func, vm, iommu, name, &dmaprobe_ops, d,
		      DMAPROBE_VENDOR, DMAPROBE_DEVICE, DMAPROBE_CLASS);
	d->func.fn = fn;
	pci_add_bar64(&d->func, 0, DMAPROBE_BAR_SIZE);
	pci_add_bar64(&d->func, MSIX_BAR, MSIX_BAR_SIZE);
	pci_add_msix(&d->func, MSIX_BAR, 1, 0, MSIX_PBA);
	if (o->ats)
		pci_add_ats(&d->func, o->aligned);
	return d;
}

/* False with @err filled. */
static bool parse_options(struct options *o, char *text, char *err,
			  size_t errlen)
{
	char *save = NULL, *word, *end;

	*o = (struct options) { .functions = 1 };
	for (word = text ? strtok_r(text, ",", &save) : NULL; word;
	     word = strtok_r(NULL, ",", &save)) {
		unsigned long nr;

		if (!strcmp(word, "ats") || !strcmp(word, "ats=unaligned")) {
			o->ats = true;
			o->aligned = !word[3];
			continue;
		}
		if (strncmp(word, "functions=", 10)) {
			snprintf(err, errlen, "dmaprobe: '%s' is no option",
				 word);
			return false;
		}
		nr = strtoul(word + 10, &end, 10);
		if (*end || !nr || nr > MAX_FUNCTIONS) {
			snprintf(err, errlen,
				 "dmaprobe: functions='%s' is not in 1..%d",
				 word + 10, MAX_FUNCTIONS);
			return false;
		}
		o->functions = nr;
	}
	return true;
}

int dmaprobe_create(struct vm *vm, struct iommu *iommu, unsigned index,
		    char *opts, struct pci_func *out[8], char *err,
		    size_t errlen)
{
	struct options o;
	struct dmaprobe *d;
	unsigned fn;

	if (!parse_options(&o, opts, err, errlen))
		return -1;
	for (fn = 0; fn < o.functions; fn++) {
		d = new_function(vm, iommu, index, fn, &o);
		if (!d)
			goto free_functions;
		out[fn] = &d->func;
	}
	return o.functions;

free_functions:
	snprintf(err, errlen, "dmaprobe: no memory for %u functions",
		 o.functions);
	while (fn--)
		free(out[fn]->opaque);
	return -1;
}
