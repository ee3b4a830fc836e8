/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Logical device ids: which 32-bit prefix belongs to which PCI bus. The rules
 * are with the functions in registry.c.
 */
#ifndef HVP_REGISTRY_H
#define HVP_REGISTRY_H

#include "kshim.h"

u32 hvp_id_prefix(const u8 guid[16]);
u64 hvp_id_make(u32 prefix, unsigned int fn);

int hvp_registry_see(struct device *owner, u32 *prefix);
int hvp_registry_get(struct device *owner, u32 *prefix);
void hvp_registry_put(const struct device *owner);
int hvp_registry_register(struct device *owner, u32 prefix);
int hvp_registry_unregister(const struct device *owner);
void hvp_registry_forget(const struct device *owner);
int hvp_registry_answer(const struct device *owner, unsigned int fn);
void hvp_registry_set_answer(const struct device *owner, unsigned int fn,
			     int answer);
int hvp_registry_lookup(const struct device *owner, u32 *prefix);
void hvp_registry_stop(void);
void hvp_registry_for_each(void (*fn)(const struct device *owner, u32 prefix,
				      unsigned int users, bool registered,
				      void *arg),
			   void *arg);

#endif
