// SPDX-License-Identifier: GPL-2.0
/*
 * What the host's pvIOMMU can do, checked.
 *
 * Owns no state and no locks. Decides whether the module is of use on this
 * host, and says so: at info level where the host simply has no pvIOMMU, as
 * an error where it offers one that cannot translate. What only looks odd is
 * no reason to refuse: other guests are served by the same host.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/printk.h>

#include "caps.h"
#include "hypercall.h"

#define PGSIZES		(HVP_PGSIZE_4K | HVP_PGSIZE_2M | HVP_PGSIZE_1G)

/* What tables of four and five levels can address. */
#define WIDTH_4LEVEL	48
#define WIDTH_5LEVEL	57
/* A page and one bit: less is no address space. */
#define WIDTH_MIN	13

/*
 * A host may offer more than the levels that it offers reach. Then its tables
 * reach what they reach: the rest of the addresses is not used.
 */
static int check_width(struct hvp_caps *caps, const struct hvp_capabilities *in)
{
	unsigned int width = in->max_iova_width;
	unsigned int reach;

	if (width < WIDTH_MIN) {
		pr_err("host offers a pvIOMMU with %u-bit IOVA: not usable\n",
		       width);
		return -ENODEV;
	}

	caps->levels = 4;
	reach = WIDTH_4LEVEL;
	if (width > WIDTH_4LEVEL && in->iommu_cap & HVP_CAP_S1_5LVL) {
		caps->levels = 5;
		reach = WIDTH_5LEVEL;
	}
	caps->width_cut = width > reach;

	/*
	 * Only the lower half of the canonical addresses: for the upper one
	 * walkers of one vendor want the sign extended, the other's do not.
	 */
	caps->iova_bits = min(width, reach - 1);
	return 0;
}

/**
 * hvp_caps_query() - ask the host for its pvIOMMU, and check the answer
 * @caps: filled in on success
 *
 * Context: any; logs the reason of a refusal.
 * Return: 0, or -ENODEV if there is none to be used.
 */
int hvp_caps_query(struct hvp_caps *caps)
{
	struct hvp_capabilities in;
	int err;

	err = hvp_call_get_capabilities(&in);
	if (err) {
		if (err == -HVP_E_UNSUPPORTED)
			pr_info("this Hyper-V host has no pvIOMMU\n");
		return -ENODEV;
	}
	if (!(in.iommu_cap & HVP_CAP_PRESENT)) {
		pr_info("no pvIOMMU for this VM\n");
		return -ENODEV;
	}

	/* Nobody ever said what the field "size" means: it is not looked at. */
	if (!(in.iommu_cap & HVP_CAP_S1)) {
		pr_err("host offers a pvIOMMU without stage 1 translation (capabilities 0x%llx): not usable\n",
		       in.iommu_cap);
		return -ENODEV;
	}
	if (!(in.pgsize_bitmap & HVP_PGSIZE_4K)) {
		pr_err("host offers a pvIOMMU without 4 KiB pages (page sizes 0x%llx): not usable\n",
		       in.pgsize_bitmap);
		return -ENODEV;
	}
	err = check_width(caps, &in);
	if (err)
		return err;

	caps->pgsizes = in.pgsize_bitmap & PGSIZES;
	caps->ats = in.iommu_cap & HVP_CAP_ATS;
	caps->host_flags = in.iommu_cap;
	caps->host_iova_width = in.max_iova_width;
	return 0;
}

/**
 * hvp_caps_log() - say what of the host's pvIOMMU is used
 * @caps: as hvp_caps_query() filled it in
 *
 * Context: any.
 */
void hvp_caps_log(const struct hvp_caps *caps)
{
	char cut[64] = "";

	if (caps->width_cut)
		scnprintf(cut, sizeof(cut),
			  "; such tables do not reach the offered %u bits",
			  caps->host_iova_width);
	pr_info("Hyper-V pvIOMMU: %u-bit IOVA, %u-level, page sizes 4K%s%s%s\n",
		caps->iova_bits, caps->levels,
		caps->pgsizes & HVP_PGSIZE_2M ? " 2M" : "",
		caps->pgsizes & HVP_PGSIZE_1G ? " 1G" : "", cut);
}
