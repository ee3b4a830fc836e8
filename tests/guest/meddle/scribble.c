// SPDX-License-Identifier: GPL-2.0
/*
 * An interrupt handler that uses the hypercall page of its CPU all the time, as
 * those of IPIs and TLB flushes do: it fills the page with ones. A timer on
 * each CPU runs it, in hard interrupt context.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/version.h>
#include <asm/mshyperv.h>

static unsigned int us = 1000;
module_param(us, uint, 0444);
MODULE_PARM_DESC(us, "microseconds from one interrupt to the next");

static DEFINE_PER_CPU(struct hrtimer, timers);
static atomic_long_t fired;

static enum hrtimer_restart scribble(struct hrtimer *timer)
{
	void *page = *this_cpu_ptr(hyperv_pcpu_input_arg);

	if (page)
		memset(page, 0xff, PAGE_SIZE);
	atomic_long_inc(&fired);
	hrtimer_forward_now(timer, ns_to_ktime((u64)us * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void start_timer(void *unused)
{
	struct hrtimer *timer = this_cpu_ptr(&timers);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, scribble, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = scribble;
#endif
	hrtimer_start(timer, ns_to_ktime((u64)us * NSEC_PER_USEC),
		      HRTIMER_MODE_REL_PINNED_HARD);
}

static int __init scribble_init(void)
{
	if (!us || !hyperv_pcpu_input_arg)
		return -EINVAL;
	on_each_cpu(start_timer, NULL, 1);
	return 0;
}
module_init(scribble_init);

static void __exit scribble_exit(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		hrtimer_cancel(per_cpu_ptr(&timers, cpu));
	pr_info("ran %ld times\n", atomic_long_read(&fired));
}
module_exit(scribble_exit);

MODULE_DESCRIPTION("Interrupt handlers that use the hypercall page");
MODULE_LICENSE("GPL");
