// SPDX-License-Identifier: GPL-2.0
/*
 * Counters, for people to read.
 *
 * Owns them: one set for each CPU, so that nobody waits for anybody. No locks.
 * Each is added to by one instruction, which an interrupt cannot cut in two;
 * a sum is of what the sets hold while it is made. Sets of CPUs that have gone
 * offline keep counting in the sums.
 *
 * What is counted is a hypercall, or next to one. Map and unmap make none:
 * they count nothing, and are not traced either, so that to be watched costs
 * them nothing. What is mapped is in the page table, to be read from there.
 */
#include <linux/bitops.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include "stats.h"

struct counters {
	struct hvp_stats_call_sum call[HVP_STATS_NR_CALLS];
	struct hvp_stats_flush_sum flush;
};

/* Not static per-CPU data: the room that all modules share is small. */
static struct counters __percpu *counters;

/**
 * hvp_stats_start() - get ready to count
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvp_stats_start(void)
{
	counters = alloc_percpu(struct counters);
	return counters ? 0 : -ENOMEM;
}

/**
 * hvp_stats_stop() - undo hvp_stats_start(); nothing counts any more
 *
 * Context: may sleep.
 */
void hvp_stats_stop(void)
{
	free_percpu(counters);
}

/**
 * hvp_stats_count_call() - count a hypercall
 * @call: which
 * @ns: how long it took
 * @reps: elements done
 * @outcome: whether it was done
 *
 * Context: any but NMI.
 */
void hvp_stats_count_call(enum hvp_stats_call call, u64 ns, unsigned int reps,
			  enum hvp_stats_outcome outcome)
{
	unsigned int bucket = min(fls64(ns), HVP_STATS_BUCKETS - 1);

	this_cpu_inc(counters->call[call].calls);
	this_cpu_add(counters->call[call].reps, reps);
	if (outcome != HVP_STATS_DONE)
		this_cpu_inc(counters->call[call].failures);
	if (outcome == HVP_STATS_ERROR)
		this_cpu_inc(counters->call[call].errors);
	this_cpu_inc(counters->call[call].times[bucket]);
}

/**
 * hvp_stats_count_flush() - count a range that was flushed by naming it
 * @requested: pages in the range
 * @flushed: pages named
 *
 * Context: any but NMI.
 */
void hvp_stats_count_flush(u64 requested, u64 flushed)
{
	this_cpu_add(counters->flush.pages_requested, requested);
	this_cpu_add(counters->flush.pages_flushed, flushed);
}

/**
 * hvp_stats_sum_call() - read the counters of a hypercall
 * @call: which
 * @sum: filled in
 *
 * Context: any; does not sleep.
 */
void hvp_stats_sum_call(enum hvp_stats_call call,
			struct hvp_stats_call_sum *sum)
{
	unsigned int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct hvp_stats_call_sum *one =
			&per_cpu_ptr(counters, cpu)->call[call];

		sum->calls += READ_ONCE(one->calls);
		sum->reps += READ_ONCE(one->reps);
		sum->failures += READ_ONCE(one->failures);
		sum->errors += READ_ONCE(one->errors);
		for (i = 0; i < HVP_STATS_BUCKETS; i++)
			sum->times[i] += READ_ONCE(one->times[i]);
	}
}

/**
 * hvp_stats_sum_flush() - read the counters of flushed ranges
 * @sum: filled in
 *
 * Context: any; does not sleep.
 */
void hvp_stats_sum_flush(struct hvp_stats_flush_sum *sum)
{
	unsigned int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct hvp_stats_flush_sum *one =
			&per_cpu_ptr(counters, cpu)->flush;

		sum->pages_requested += READ_ONCE(one->pages_requested);
		sum->pages_flushed += READ_ONCE(one->pages_flushed);
	}
}
