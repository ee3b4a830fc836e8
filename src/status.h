/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the host answers: status codes, their names, and errnos for them.
 * Portable, so that it compiles in user space.
 */
#ifndef HVP_STATUS_H
#define HVP_STATUS_H

#include "kshim.h"

/* Errnos that callers tell apart; each means nothing else. */
#define HVP_E_UNSUPPORTED	EOPNOTSUPP	/* the host lacks the call */
#define HVP_E_IN_DOMAIN		EALREADY	/* device is in a domain */
#define HVP_E_STATE		EBADFD		/* device is not in the state for it */
#define HVP_E_EXISTS		EEXIST		/* domain id is in use */
#define HVP_E_GONE		ENODEV		/* host lost the device */

/**
 * struct hvp_status - one status of the host
 * @err: negative errno for it
 * @name: for messages
 */
struct hvp_status {
	int err;
	const char *name;
};

const struct hvp_status *hvp_status_find(u16 status);

#endif
