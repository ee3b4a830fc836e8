// SPDX-License-Identifier: GPL-2.0
/*
 * The nine hypercalls of the pvIOMMU.
 *
 * The only file that touches the per-CPU hypercall page. That page belongs to
 * the CPU and is also used from interrupt handlers (IPIs, TLB flushes), so
 * interrupts are off from the first store to it until the output has been
 * copied, and nothing else happens in between: inputs are built before on the
 * stack. Nothing sleeps, but to start.
 *
 * A CPU that goes offline loses its page (6.1: hv_common_cpu_die()) while it
 * still runs timers and interrupt handlers, and they unmap. A flush that does
 * not happen costs the devices their domain, so there is a page to spare, of
 * ours, under spare_lock: a raw one, as interrupts are off.
 *
 * Logs failures. The callers do not log them again. Keeps in mind which calls
 * the host refuses for good: atomic counts, no lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <asm/mshyperv.h>

#include "flush.h"
#include "hypercall.h"
#include "ratelimit.h"
#include "stats.h"
#include "status.h"
#include "trace.h"

static DEFINE_RAW_SPINLOCK(spare_lock);
static void *spare_page;		/* its content: under spare_lock */

/*
 * A call that a guest can do without. A host that serves other guests may have
 * no use for it, or refuse it to this one, for good: that is no error. So it is
 * said once, and after REFUSALS refusals, without a success since the module
 * was loaded, the host is not asked any more. One refusal of a single call is
 * not enough: that may have had a reason of its own.
 */
#define REFUSALS	2

struct optional {
	bool worked;
	atomic_t refusals;	/* before the first success */
};

static struct optional optional_delete, optional_delete_foreign;
static struct optional optional_detach, optional_several;
static unsigned long said_refused;	/* bits: enum hvp_stats_call */

/* What there is to know about a call, apart from its input and output. */
struct call {
	u16 code;
	const char *name;
	enum hvp_stats_call stats;
	const char *consequence;	/* of a failure; NULL: the caller knows */
	struct optional *optional;	/* NULL if we cannot do without it */
	int expected, expected_too;	/* errnos > 0 not worth a line */
	bool of_device;			/* names one that may have gone */
};

static const struct call call_get_capabilities = {
	.code = HVP_CALL_GET_CAPABILITIES,
	.name = "GET_CAPABILITIES",
	.stats = HVP_STATS_GET_CAPABILITIES,
	.consequence = "the pvIOMMU is not used",
	.expected = HVP_E_UNSUPPORTED,
};

static const struct call call_get_device_property = {
	.code = HVP_CALL_GET_DEVICE_PROPERTY,
	.name = "GET_DEVICE_PROPERTY",
	.stats = HVP_STATS_GET_DEVICE_PROPERTY,
	.consequence = "the device is left untranslated",
	.of_device = true,
};

static const struct call call_create_domain = {
	.code = HVP_CALL_CREATE_DOMAIN,
	.name = "CREATE_DOMAIN",
	.stats = HVP_STATS_CREATE_DOMAIN,
	.consequence = "no new domain",
	.expected = HVP_E_EXISTS,
};

static const struct call call_delete_domain = {
	.code = HVP_CALL_DELETE_DOMAIN,
	.name = "DELETE_DOMAIN",
	.stats = HVP_STATS_DELETE_DOMAIN,
	.optional = &optional_delete,
};

/* A host that does not delete these may delete ours all the same. */
static const struct call call_delete_foreign_domain = {
	.code = HVP_CALL_DELETE_DOMAIN,
	.name = "DELETE_DOMAIN",
	.stats = HVP_STATS_DELETE_DOMAIN,
	.optional = &optional_delete_foreign,
	.expected = HVP_E_EXISTS,
};

static const struct call call_configure_domain = {
	.code = HVP_CALL_CONFIGURE_DOMAIN,
	.name = "CONFIGURE_DOMAIN",
	.stats = HVP_STATS_CONFIGURE_DOMAIN,
	.consequence = "no new domain",
};

static const struct call call_attach_domain = {
	.code = HVP_CALL_ATTACH_DOMAIN,
	.name = "ATTACH_DOMAIN",
	.stats = HVP_STATS_ATTACH_DOMAIN,
	.consequence = "the device stays where it was",
	.of_device = true,
	.expected = HVP_E_IN_DOMAIN,
	.expected_too = HVP_E_STATE,
};

static const struct call call_detach_domain = {
	.code = HVP_CALL_DETACH_DOMAIN,
	.name = "DETACH_DOMAIN",
	.stats = HVP_STATS_DETACH_DOMAIN,
	.consequence = "the device stays where it was",
	.optional = &optional_detach,
	.of_device = true,
};

/* Of a device that may be in no domain at all. */
static const struct call call_detach_leftover = {
	.code = HVP_CALL_DETACH_DOMAIN,
	.name = "DETACH_DOMAIN",
	.stats = HVP_STATS_DETACH_DOMAIN,
	.consequence = "the device stays where it was",
	.optional = &optional_detach,
	.of_device = true,
	.expected = HVP_E_STATE,
};

static const struct call call_flush_domain = {
	.code = HVP_CALL_FLUSH_DOMAIN,
	.name = "FLUSH_DOMAIN",
	.stats = HVP_STATS_FLUSH_DOMAIN,
	.consequence = "the devices of the domain are going to be blocked",
};

static const struct call call_flush_domain_list = {
	.code = HVP_CALL_FLUSH_DOMAIN_LIST,
	.name = "FLUSH_DOMAIN_LIST",
	.stats = HVP_STATS_FLUSH_DOMAIN_LIST,
	.consequence = "the whole domain is flushed instead",
	.expected = HVP_E_UNSUPPORTED,
};

/* The same with several entries. */
static const struct call call_flush_several = {
	.code = HVP_CALL_FLUSH_DOMAIN_LIST,
	.name = "FLUSH_DOMAIN_LIST",
	.stats = HVP_STATS_FLUSH_DOMAIN_LIST,
	.consequence = "more is flushed instead",
	.optional = &optional_several,
};

static const struct call *const calls[HVP_STATS_NR_CALLS] = {
	[HVP_STATS_GET_CAPABILITIES] = &call_get_capabilities,
	[HVP_STATS_GET_DEVICE_PROPERTY] = &call_get_device_property,
	[HVP_STATS_CREATE_DOMAIN] = &call_create_domain,
	[HVP_STATS_DELETE_DOMAIN] = &call_delete_domain,
	[HVP_STATS_CONFIGURE_DOMAIN] = &call_configure_domain,
	[HVP_STATS_ATTACH_DOMAIN] = &call_attach_domain,
	[HVP_STATS_DETACH_DOMAIN] = &call_detach_domain,
	[HVP_STATS_FLUSH_DOMAIN] = &call_flush_domain,
	[HVP_STATS_FLUSH_DOMAIN_LIST] = &call_flush_domain_list,
};

/**
 * hvp_call_name() - name of a call, as in messages
 * @call: which
 *
 * Context: any.
 * Return: the name, constant.
 */
const char *hvp_call_name(enum hvp_stats_call call)
{
	return calls[call]->name;
}

static bool is_expected(const struct call *call, int err)
{
	return err == -call->expected || err == -call->expected_too;
}

/* Rescinded: nobody's fault, and nothing left to protect. */
static bool is_gone(const struct call *call, int err)
{
	return call->of_device && err == -HVP_E_GONE;
}

/* The host does not want the call as such, as far as one can tell. */
static bool is_refusal(const struct call *call, int err)
{
	return call->optional && !READ_ONCE(call->optional->worked) &&
	       (err == -HVP_E_UNSUPPORTED || err == -EACCES || err == -EINVAL);
}

/* Whether the call is not to be made any more. */
static bool is_given_up(const struct call *call)
{
	return call->optional && !READ_ONCE(call->optional->worked) &&
	       atomic_read(&call->optional->refusals) >= REFUSALS;
}

/*
 * What does not exist is tried no second time. Returns whether it is the first
 * refusal of the call since the module was loaded.
 */
static bool note_refusal(const struct call *call, int err)
{
	int n = err == -HVP_E_UNSUPPORTED ? REFUSALS : 1;

	atomic_add(n, &call->optional->refusals);
	return !test_and_set_bit(call->stats, &said_refused);
}

static void note_success(const struct call *call)
{
	if (!call->optional || READ_ONCE(call->optional->worked))
		return;
	WRITE_ONCE(call->optional->worked, true);
	atomic_set(&call->optional->refusals, 0);
}

static int report_failure(const struct call *call, u64 id, u16 status,
			  const char *consequence)
{
	const struct hvp_status *info = hvp_status_find(status);

	if (is_expected(call, info->err)) {
		pr_debug("%s 0x%llx: status 0x%x (%s)\n", call->name, id,
			 status, info->name);
	} else if (is_gone(call, info->err)) {
		hvp_info_ratelimited("%s 0x%llx: the host has no such device (any more)\n",
				     call->name, id);
	} else if (is_refusal(call, info->err)) {
		if (note_refusal(call, info->err))
			pr_info("%s 0x%llx failed with status 0x%x (%s): %s\n",
				call->name, id, status, info->name,
				consequence);
	} else {
		hvp_err_ratelimited("%s 0x%llx failed with status 0x%x (%s): %s\n",
				    call->name, id, status, info->name,
				    consequence);
	}
	return info->err;
}

/* What no error is logged for is none. */
static enum hvp_stats_outcome outcome_of(const struct call *call, u64 result)
{
	int err;

	if (hv_result_success(result))
		return HVP_STATS_DONE;
	err = hvp_status_find(hv_result(result))->err;
	if (is_expected(call, err) || is_gone(call, err) ||
	    is_refusal(call, err))
		return HVP_STATS_EXPECTED;
	return HVP_STATS_ERROR;
}

/*
 * One hypercall, in a page that nobody else uses meanwhile. Interrupts are
 * off. Returns its result; @done counts reps.
 */
static u64 run_in_page(void *page, u16 code, const void *in, size_t in_len,
		       void *out, size_t out_len, unsigned int reps,
		       unsigned int *done)
{
	u64 control = code, result;

	memcpy(page, in, in_len);
	control |= (u64)reps << HV_HYPERCALL_REP_COMP_OFFSET;
	control |= (u64)*done << HV_HYPERCALL_REP_START_OFFSET;
	result = hv_do_hypercall(control, page, out ? page + in_len : NULL);
	if (!hv_result_success(result))
		return result;

	*done = max(*done, hv_repcomp(result));
	if (out)
		memcpy(out, page + in_len, out_len);
	return result;
}

static u64 run_once(const struct call *call, u64 id, const void *in,
		    size_t in_len, void *out, size_t out_len,
		    unsigned int reps, unsigned int *done)
{
	unsigned int before = *done;
	unsigned long flags;
	u64 result, time;
	void *page;

	local_irq_save(flags);
	/* This clock may be read at any time, also while the others sleep. */
	time = ktime_get_mono_fast_ns();
	page = *this_cpu_ptr(hyperv_pcpu_input_arg);
	if (page) {
		result = run_in_page(page, call->code, in, in_len, out,
				     out_len, reps, done);
	} else {
		raw_spin_lock(&spare_lock);
		result = run_in_page(spare_page, call->code, in, in_len, out,
				     out_len, reps, done);
		raw_spin_unlock(&spare_lock);
	}
	time = ktime_get_mono_fast_ns() - time;
	local_irq_restore(flags);

	trace_hvp_hypercall(call->code, id, reps, *done, hv_result(result),
			    time);
	hvp_stats_count_call(call->stats, time, *done - before,
			     outcome_of(call, result));
	return result;
}

/*
 * Runs a call: a simple one if @reps is 0. @id is the domain or device that
 * messages name. Input and output lengths are multiples of 8, as the host
 * reads whole words; the output goes right behind the input, and fits in the
 * page with it.
 *
 * The host may stop a rep call early, with success, to be called again for
 * the rest. Every call should get on by one entry at least; twice as many
 * calls as entries are enough for a host that does, and an end for another.
 * One that says to have done more than there is is not to be believed.
 *
 * @consequence is for the message about a failure. A call that is given up is
 * one that does not exist.
 */
static int run_call_with(const struct call *call, u64 id, const void *in,
			 size_t in_len, void *out, size_t out_len,
			 unsigned int reps, const char *consequence)
{
	unsigned int tries = max(2 * reps, 1U);
	unsigned int done = 0;
	u64 result;

	if (is_given_up(call))
		return -HVP_E_UNSUPPORTED;

	do {
		result = run_once(call, id, in, in_len, out, out_len, reps,
				  &done);
		if (!hv_result_success(result))
			return report_failure(call, id, hv_result(result),
					      consequence);
	} while (done < reps && --tries);

	if (reps && done != reps) {
		hvp_err_ratelimited("%s 0x%llx: the host has done %u of %u entries: %s\n",
				    call->name, id, done, reps, consequence);
		return -EIO;
	}
	note_success(call);
	return 0;
}

static int run_call(const struct call *call, u64 id, const void *in,
		    size_t in_len, void *out, size_t out_len, unsigned int reps)
{
	return run_call_with(call, id, in, in_len, out, out_len, reps,
			     call->consequence);
}

/**
 * hvp_call_start() - get ready for hypercalls
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM; -ENODEV, logged, if this kernel has none to offer.
 */
int hvp_call_start(void)
{
	if (!hyperv_pcpu_input_arg) {
		pr_err("this kernel has no hypercall pages\n");
		return -ENODEV;
	}
	spare_page = (void *)__get_free_page(GFP_KERNEL);
	return spare_page ? 0 : -ENOMEM;
}

/**
 * hvp_call_stop() - undo hvp_call_start(); no hypercalls after it
 *
 * Context: process; does not sleep.
 */
void hvp_call_stop(void)
{
	free_page((unsigned long)spare_page);
}

/**
 * hvp_call_get_capabilities() - what the pvIOMMU can do
 * @caps: filled in on success only
 *
 * Context: any but NMI.
 * Return: 0; -HVP_E_UNSUPPORTED, not logged, from a host without the feature;
 * another errno.
 */
int hvp_call_get_capabilities(struct hvp_capabilities *caps)
{
	const struct hvp_get_capabilities in = {
		.partition_id = HVP_PARTITION_ID_SELF,
	};

	return run_call(&call_get_capabilities, 0, &in, sizeof(in), caps,
			sizeof(*caps), 0);
}

/**
 * hvp_call_get_device_property() - ask for a property of a logical device
 * @device_id: logical device id
 * @code: HVP_PROPERTY_*
 * @value: set on success only
 *
 * Context: any but NMI.
 * Return: 0; -HVP_E_GONE for a device the host does not know; another errno.
 */
int hvp_call_get_device_property(u64 device_id, u32 code, u64 *value)
{
	const struct hvp_get_device_property in = {
		.partition_id = HVP_PARTITION_ID_SELF,
		.device_id = device_id,
		.code = code,
	};
	struct hvp_device_property out;
	int err;

	err = run_call(&call_get_device_property, device_id, &in, sizeof(in),
		       &out, sizeof(out), 0);
	if (!err)
		*value = out.device_iommu;
	return err;
}

/**
 * hvp_call_create_domain() - create a domain
 * @domain: with an id of our choice
 *
 * Context: any but NMI.
 * Return: 0; -HVP_E_EXISTS, not logged, if the id is in use; another errno.
 */
int hvp_call_create_domain(const struct hvp_device_domain *domain)
{
	const struct hvp_create_domain in = {
		.domain = *domain,
		.flags = HVP_CREATE_FORWARD_PROGRESS,
	};

	return run_call(&call_create_domain, domain->id, &in, sizeof(in), NULL,
			0, 0);
}

static int delete_domain(const struct call *call,
			 const struct hvp_device_domain *domain,
			 const char *consequence)
{
	const struct hvp_delete_domain in = {
		.domain = *domain,
	};

	return run_call_with(call, domain->id, &in, sizeof(in), NULL, 0, 0,
			     consequence);
}

/**
 * hvp_call_delete_domain() - delete a domain, with all that is cached of it
 * @domain: no device may be attached to it
 * @consequence: for the message, if the host does not
 *
 * Context: any but NMI.
 * Return: 0 or an errno, and then the domain may live on in the host;
 * -HVP_E_UNSUPPORTED from a host that deletes nothing.
 */
int hvp_call_delete_domain(const struct hvp_device_domain *domain,
			   const char *consequence)
{
	return delete_domain(&call_delete_domain, domain, consequence);
}

/**
 * hvp_call_delete_foreign_domain() - delete a domain that may have devices
 * @domain: not of our making, or with devices that the host did not detach
 * @consequence: for the message, if the host does not for another reason
 *
 * Context: any but NMI.
 * Return: 0; -HVP_E_EXISTS, not logged, if devices are attached; another
 * errno.
 */
int hvp_call_delete_foreign_domain(const struct hvp_device_domain *domain,
				   const char *consequence)
{
	return delete_domain(&call_delete_foreign_domain, domain, consequence);
}

/**
 * hvp_call_configure_domain() - say what a domain does
 * @domain: as created
 * @flags: HVP_CONFIGURE_*
 * @root: guest physical address of the top table, 0 if there is none
 *
 * Context: any but NMI.
 * Return: 0 or an errno.
 */
int hvp_call_configure_domain(const struct hvp_device_domain *domain,
			      u64 flags, u64 root)
{
	const struct hvp_configure_domain in = {
		.domain = *domain,
		.flags = flags,
		.page_table_root = root,
	};

	return run_call(&call_configure_domain, domain->id, &in, sizeof(in), NULL,
			0, 0);
}

/**
 * hvp_call_attach_domain() - move a device to a domain
 * @domain: configured
 * @device_id: logical device id
 *
 * Replaces the attachment there is, at once, unless the host wants a device to
 * be detached first.
 *
 * Context: any but NMI.
 * Return: 0; -HVP_E_IN_DOMAIN, not logged, if the host says that the device
 * is there already; -HVP_E_STATE, not logged, if it must be detached first, as
 * far as we know; -HVP_E_GONE for a device the host does not know (any
 * more); another errno.
 */
int hvp_call_attach_domain(const struct hvp_device_domain *domain,
			   u64 device_id)
{
	const struct hvp_attach_domain in = {
		.domain = *domain,
		.device_id = device_id,
	};

	return run_call(&call_attach_domain, device_id, &in, sizeof(in), NULL,
			0, 0);
}

static int detach_domain(const struct call *call, u64 device_id)
{
	const struct hvp_detach_domain in = {
		.partition_id = HVP_PARTITION_ID_SELF,
		.device_id = device_id,
	};

	return run_call(call, device_id, &in, sizeof(in), NULL, 0, 0);
}

/**
 * hvp_call_detach_domain() - take a device out of its domain
 * @device_id: logical device id
 *
 * Its DMA is blocked then, as the authors of the host interface understand
 * it.
 *
 * Context: any but NMI.
 * Return: 0; -HVP_E_GONE for a device the host does not know (any more);
 * -HVP_E_UNSUPPORTED from a host that detaches none; another errno.
 */
int hvp_call_detach_domain(u64 device_id)
{
	return detach_domain(&call_detach_domain, device_id);
}

/**
 * hvp_call_detach_leftover() - take a device out of a domain of another kernel
 * @device_id: logical device id
 *
 * As hvp_call_detach_domain(), but it is not logged if the device is in none.
 *
 * Context: any but NMI.
 * Return: 0 or an errno.
 */
int hvp_call_detach_leftover(u64 device_id)
{
	return detach_domain(&call_detach_leftover, device_id);
}

/**
 * hvp_call_flush_domain() - drop all that is cached of a domain
 * @domain: as created
 *
 * Leaves, paging structures and the translation caches of devices; complete
 * on return.
 *
 * Context: any but NMI.
 * Return: 0 or an errno, and then anything may still be cached.
 */
int hvp_call_flush_domain(const struct hvp_device_domain *domain)
{
	const struct hvp_flush_domain in = {
		.domain = *domain,
	};

	return run_call(&call_flush_domain, domain->id, &in, sizeof(in), NULL,
			0, 0);
}

/**
 * hvp_call_flush_domain_list() - drop what is cached of parts of a domain
 * @domain: as created
 * @entry: blocks as hvp_flush_entry() makes them
 * @nr: their number, 1 to HVP_FLUSH_MAX_EXACT
 *
 * Context: any but NMI.
 * Return: 0; -HVP_E_UNSUPPORTED, not logged, from a host without the call, or
 * that takes no list of several entries; another errno. After an error
 * anything may still be cached.
 */
int hvp_call_flush_domain_list(const struct hvp_device_domain *domain,
			       const u64 *entry, unsigned int nr)
{
	u64 buf[sizeof(struct hvp_flush_domain_list) / sizeof(u64) +
		HVP_FLUSH_MAX_EXACT];
	struct hvp_flush_domain_list *in = (void *)buf;

	if (!nr || nr > HVP_FLUSH_MAX_EXACT)
		return -EINVAL;

	*in = (struct hvp_flush_domain_list){
		.domain = *domain,
		.flags = HVP_FLUSH_IOMMU_FORMAT,
	};
	memcpy(&buf[sizeof(*in) / sizeof(u64)], entry, nr * sizeof(*entry));

	return run_call(nr > 1 ? &call_flush_several : &call_flush_domain_list,
			domain->id, in, sizeof(*in) + nr * sizeof(*entry),
			NULL, 0, nr);
}

/**
 * hvp_call_flushes_several() - whether lists of several entries are of use
 *
 * Context: any.
 * Return: false once the host has refused them for good.
 */
bool hvp_call_flushes_several(void)
{
	return !is_given_up(&call_flush_several);
}
