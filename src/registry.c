// SPDX-License-Identifier: GPL-2.0
/*
 * Logical device ids: which 32-bit prefix belongs to which PCI bus.
 *
 * Owns the list of (prefix, owner), one entry for each vPCI bus known: a
 * handful. The owner is compared, never dereferenced. One spinlock, taken in
 * process context only, held for a walk of the list and never in the
 * hypercall window, as it sleeps on PREEMPT_RT. hvp_registry_add() allocates
 * and may sleep, the others not.
 */
#include "registry.h"

struct registry_entry {
	struct registry_entry *next;
	const void *owner;
	unsigned int refs;
	u32 prefix;
};

static DEFINE_SPINLOCK(registry_lock);
static struct registry_entry *registry;		/* under registry_lock */
static unsigned int registry_nr;		/* under registry_lock */

/**
 * hvp_id_prefix() - prefix of a vPCI bus
 * @guid: instance GUID of its VMBus device, 16 bytes in wire order
 *
 * Bytes 5, 4, 7 and 6 from the top, without the low three bits, which are the
 * function's: the second and the third group of the GUID as it is printed.
 * Built unsigned, as a set top bit must not spread to bits 63:32.
 *
 * Source: the id that pci-hyperv uses to retarget interrupts;
 * Documentation/virt/hyperv/vpci.rst.
 *
 * Context: any.
 * Return: the prefix, with the low three bits zero.
 */
u32 hvp_id_prefix(const u8 guid[16])
{
	return (u32)guid[5] << 24 | (u32)guid[4] << 16 | (u32)guid[7] << 8 |
	       (guid[6] & 0xf8);
}

/**
 * hvp_id_make() - logical id of a PCI function as it goes over the wire
 * @prefix: of its bus
 * @fn: PCI function, 0..7
 *
 * Context: any.
 * Return: the id, zero-extended; type bits 63:62 zero mean "logical".
 */
u64 hvp_id_make(u32 prefix, unsigned int fn)
{
	return prefix | (fn & 7);
}

/* Under registry_lock. The link that points to the entry, or the last one. */
static struct registry_entry **find_owner(const void *owner)
{
	struct registry_entry **link;

	for (link = &registry; *link; link = &(*link)->next)
		if ((*link)->owner == owner)
			break;
	return link;
}

/* Under registry_lock. */
static bool prefix_is_taken(u32 prefix)
{
	struct registry_entry *entry;

	for (entry = registry; entry; entry = entry->next)
		if (entry->prefix == prefix)
			return true;
	return false;
}

/**
 * hvp_registry_add() - register a bus, or take one more reference
 * @owner: stands for the bus
 * @prefix: from hvp_id_prefix()
 *
 * Context: may sleep.
 * Return: 0, also if the very same pair is there (a reference is counted);
 * -EEXIST if the prefix belongs to another owner or the owner has another
 * prefix; -EINVAL if the low bits are set or @owner is NULL; -ENOMEM.
 */
int hvp_registry_add(const void *owner, u32 prefix)
{
	struct registry_entry **link, *new;
	int ret = 0;

	if (!owner || (prefix & 7))
		return -EINVAL;
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	new->owner = owner;
	new->prefix = prefix;
	new->refs = 1;

	spin_lock(&registry_lock);
	link = find_owner(owner);
	if (*link && (*link)->prefix == prefix) {
		(*link)->refs++;
	} else if (*link || prefix_is_taken(prefix)) {
		ret = -EEXIST;
	} else {
		*link = new;
		registry_nr++;
		new = NULL;
	}
	spin_unlock(&registry_lock);

	kfree(new);
	return ret;
}

/**
 * hvp_registry_del() - drop one reference, and the entry with the last
 * @owner: as registered; an unknown one is ignored
 *
 * Context: process, not in the hypercall window; does not sleep.
 */
void hvp_registry_del(const void *owner)
{
	struct registry_entry **link, *old = NULL;

	spin_lock(&registry_lock);
	link = find_owner(owner);
	if (*link && !--(*link)->refs) {
		old = *link;
		*link = old->next;
		registry_nr--;
	}
	spin_unlock(&registry_lock);

	kfree(old);
}

/**
 * hvp_registry_lookup() - prefix of a bus
 * @owner: as registered
 * @prefix: set on success; a copy, no entry escapes
 *
 * Context: process, not in the hypercall window; does not sleep.
 * Return: 0 or -ENOENT.
 */
int hvp_registry_lookup(const void *owner, u32 *prefix)
{
	struct registry_entry *entry;

	spin_lock(&registry_lock);
	entry = *find_owner(owner);
	if (entry)
		*prefix = entry->prefix;
	spin_unlock(&registry_lock);

	return entry ? 0 : -ENOENT;
}

/**
 * hvp_registry_count() - number of buses registered
 *
 * Context: process, not in the hypercall window; does not sleep.
 * Return: the number.
 */
unsigned int hvp_registry_count(void)
{
	unsigned int nr;

	spin_lock(&registry_lock);
	nr = registry_nr;
	spin_unlock(&registry_lock);

	return nr;
}

/**
 * hvp_registry_for_each() - look at all buses registered
 * @fn: called for each of them, with the lock held: it must not sleep, nor
 *	call anything else in here. @owner is registered, and stays so until
 *	@fn returns.
 * @arg: for @fn
 *
 * Context: process, not in the hypercall window; does not sleep.
 */
void hvp_registry_for_each(void (*fn)(const void *owner, u32 prefix,
				      unsigned int refs, void *arg),
			   void *arg)
{
	struct registry_entry *entry;

	spin_lock(&registry_lock);
	for (entry = registry; entry; entry = entry->next)
		fn(entry->owner, entry->prefix, entry->refs, arg);
	spin_unlock(&registry_lock);
}
