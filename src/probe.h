/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking a host what it has, without using any of it.
 */
#ifndef HVP_PROBE_H
#define HVP_PROBE_H

void hvp_probe_run(void);

#endif
