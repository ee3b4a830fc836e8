/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages that may come in numbers.
 *
 * The kernel's pr_*_ratelimited() say at warning level, under the name of a
 * function, that lines were left out. Ours say it in the name of the module,
 * at the level of the message: RATELIMIT_MSG_ON_RELEASE makes the kernel keep
 * quiet, and nothing releases these states.
 *
 * No locks but the kernel's own; any context.
 */
#ifndef HVP_RATELIMIT_H
#define HVP_RATELIMIT_H

#include <linux/atomic.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>

/*
 * Whether the line may be printed now. Sets @left_out to the number of lines
 * that were left out before it.
 */
static inline bool hvp_ratelimit(struct ratelimit_state *state,
				 atomic_t *missed, int *left_out)
{
	if (!__ratelimit(state)) {
		atomic_inc(missed);
		return false;
	}
	*left_out = atomic_xchg(missed, 0);
	return true;
}

#define hvp_printk_ratelimited(level, fmt, ...)				\
do {									\
	static struct ratelimit_state _state =				\
		RATELIMIT_STATE_INIT_FLAGS(_state,			\
					   DEFAULT_RATELIMIT_INTERVAL,	\
					   DEFAULT_RATELIMIT_BURST,	\
					   RATELIMIT_MSG_ON_RELEASE);	\
	static atomic_t _missed;					\
	int _left_out;							\
									\
	if (hvp_ratelimit(&_state, &_missed, &_left_out)) {		\
		if (_left_out)						\
			printk(level pr_fmt("%d lines like the next one were left out\n"), \
			       _left_out);				\
		printk(level pr_fmt(fmt), ##__VA_ARGS__);		\
	}								\
} while (0)

#define hvp_err_ratelimited(fmt, ...) \
	hvp_printk_ratelimited(KERN_ERR, fmt, ##__VA_ARGS__)
#define hvp_info_ratelimited(fmt, ...) \
	hvp_printk_ratelimited(KERN_INFO, fmt, ##__VA_ARGS__)

#endif
