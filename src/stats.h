/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters, for people to read. Nothing in the module depends on them.
 */
#ifndef HVP_STATS_H
#define HVP_STATS_H

#include <linux/types.h>

/* One for each of the calls, in the order they are shown. */
enum hvp_stats_call {
	HVP_STATS_GET_CAPABILITIES,
	HVP_STATS_GET_DEVICE_PROPERTY,
	HVP_STATS_CREATE_DOMAIN,
	HVP_STATS_DELETE_DOMAIN,
	HVP_STATS_CONFIGURE_DOMAIN,
	HVP_STATS_ATTACH_DOMAIN,
	HVP_STATS_DETACH_DOMAIN,
	HVP_STATS_FLUSH_DOMAIN,
	HVP_STATS_FLUSH_DOMAIN_LIST,
	HVP_STATS_NR_CALLS
};

/* Enough for 2 seconds; what takes longer goes with the last. */
#define HVP_STATS_BUCKETS	32

enum hvp_stats_outcome {
	HVP_STATS_DONE,
	HVP_STATS_EXPECTED,	/* not done, but nothing is wrong */
	HVP_STATS_ERROR,
};

/**
 * struct hvp_stats_call_sum - one hypercall since the module was loaded
 * @calls: how often; one that the host wanted to be continued counts once
 * @reps: elements done, of the rep call
 * @failures: calls that were not done
 * @errors: those of them that the log has as errors
 * @times: how many took less than 2^n ns, but not less than half of that
 */
struct hvp_stats_call_sum {
	u64 calls;
	u64 reps;
	u64 failures;
	u64 errors;
	u64 times[HVP_STATS_BUCKETS];
};

/**
 * struct hvp_stats_flush_sum - flushes of ranges since the module was loaded
 * @pages_requested: 4 KiB pages in ranges that were flushed by naming them
 * @pages_flushed: pages named for them
 *
 * Ranges for which all of a domain was flushed are not in here.
 */
struct hvp_stats_flush_sum {
	u64 pages_requested;
	u64 pages_flushed;
};

int hvp_stats_start(void);
void hvp_stats_stop(void);

void hvp_stats_count_call(enum hvp_stats_call call, u64 ns, unsigned int reps,
			  enum hvp_stats_outcome outcome);
void hvp_stats_count_flush(u64 requested, u64 flushed);

void hvp_stats_sum_call(enum hvp_stats_call call,
			struct hvp_stats_call_sum *sum);
void hvp_stats_sum_flush(struct hvp_stats_flush_sum *sum);

#endif
