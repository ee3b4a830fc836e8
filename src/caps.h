/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the host's pvIOMMU can do, checked.
 */
#ifndef HVP_CAPS_H
#define HVP_CAPS_H

#include <linux/types.h>

/**
 * struct hvp_caps - capabilities in the terms of the module
 * @levels: of the page tables, 4 or 5
 * @iova_bits: size of the aperture
 * @pgsizes: leaf sizes: 4K, and 2M and 1G as the host offers them
 * @ats: the host serves translation requests of devices
 * @host_flags: HVP_CAP_* as the host has them
 * @host_iova_width: bits, as the host has it
 * @width_cut: the host offers more bits than tables of its levels reach
 */
struct hvp_caps {
	unsigned int levels;
	unsigned int iova_bits;
	u64 pgsizes;
	bool ats;
	u64 host_flags;
	unsigned int host_iova_width;
	bool width_cut;
};

int hvp_caps_query(struct hvp_caps *caps);
void hvp_caps_log(const struct hvp_caps *caps);

#endif
