/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The newest series of kernels that the module was tried on: booted, with the
 * tests. A newer one builds, and says in the log that it was not tried.
 * dkms.conf and the README name it, too (tests/static/run compares).
 */
#ifndef HVP_KERNELS_H
#define HVP_KERNELS_H

#include <linux/stringify.h>

#define HVP_TRIED_VERSION	7
#define HVP_TRIED_PATCHLEVEL	3

#define HVP_NEWEST_KERNEL_TRIED \
	__stringify(HVP_TRIED_VERSION) "." __stringify(HVP_TRIED_PATCHLEVEL)

#endif
