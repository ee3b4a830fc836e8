/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Logical device ids: which 32-bit prefix belongs to which PCI bus. The owner
 * is an opaque pointer (the vPCI hv_device), so that this compiles in user
 * space.
 */
#ifndef HVP_REGISTRY_H
#define HVP_REGISTRY_H

#include "kshim.h"

u32 hvp_id_prefix(const u8 guid[16]);
u64 hvp_id_make(u32 prefix, unsigned int fn);

int hvp_registry_add(const void *owner, u32 prefix);
void hvp_registry_del(const void *owner);
int hvp_registry_lookup(const void *owner, u32 *prefix);
unsigned int hvp_registry_count(void);
void hvp_registry_for_each(void (*fn)(const void *owner, u32 prefix,
				      unsigned int refs, void *arg),
			   void *arg);

#endif
