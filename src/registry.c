// SPDX-License-Identifier: GPL-2.0
/*
 * Logical device ids: which 32-bit prefix belongs to which PCI bus.
 *
 * Owns the list of (prefix, owner), one entry for each vPCI bus known: a
 * handful. The owner is the device of the host bridge. An entry has a
 * reference to it, so that its address is no other bus's as long as the entry
 * is there; it is compared, and nothing is read.
 * The entry goes with the last function of the bus: nobody can ask for it any
 * more, and its prefix may be another bus's soon.
 *
 * Not the VMBus device, though that is what has the prefix: a reference to it
 * would keep the kernel from telling the host that a device is gone. Nor may
 * one to the host bridge outlive the bus: newer kernels give the number of its
 * PCI domain to a device that comes back only once the bridge is freed.
 *
 * One spinlock, taken in process context only, held for a walk of the list
 * and never in the hypercall window, as it sleeps on PREEMPT_RT. References
 * are given back without it. What allocates or may drop an entry may sleep.
 */
#include "registry.h"

struct registry_entry {
	struct registry_entry *next;
	struct device *owner;		/* with a reference */
	u32 prefix;
	unsigned int users;		/* functions translated */
	bool seen;			/* found by ourselves: it has functions */
	bool registered;		/* by another module */
	u8 asked;			/* functions the host has told of */
	u8 behind;			/* those of them behind the pvIOMMU */
};

static DEFINE_SPINLOCK(registry_lock);
static struct registry_entry *registry;		/* under registry_lock */

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
static struct registry_entry **find_owner(const struct device *owner)
{
	struct registry_entry **link;

	for (link = &registry; *link; link = &(*link)->next)
		if ((*link)->owner == owner)
			break;
	return link;
}

/* Under registry_lock. The same for a prefix. */
static struct registry_entry **find_prefix(u32 prefix)
{
	struct registry_entry **link;

	for (link = &registry; *link; link = &(*link)->next)
		if ((*link)->prefix == prefix)
			break;
	return link;
}

/* Under registry_lock. Moves the entry of *@link to the list @dropped. */
static void unlink_entry(struct registry_entry **link,
			 struct registry_entry **dropped)
{
	struct registry_entry *entry = *link;

	*link = entry->next;
	entry->next = *dropped;
	*dropped = entry;
}

/* Without registry_lock. */
static void free_entries(struct registry_entry *list)
{
	struct registry_entry *next;

	for (; list; list = next) {
		next = list->next;
		put_device(list->owner);
		kfree(list);
	}
}

enum claim { CLAIM_SEEN, CLAIM_USED, CLAIM_REGISTERED };

/*
 * Under registry_lock. Whether a bus without an entry may have a prefix. One
 * that is there but not translated makes room for one that is going to be: it
 * may have lost its functions already, and be about to go.
 */
static bool make_room(u32 prefix, enum claim claim,
		      struct registry_entry **dropped)
{
	struct registry_entry **link = find_prefix(prefix);

	if (!*link)
		return true;
	if (claim != CLAIM_USED || (*link)->users || (*link)->registered)
		return false;
	unlink_entry(link, dropped);
	return true;
}

/* Finds the entry of a bus or makes one, and marks it. */
static int note_bus(struct device *owner, u32 *prefix, enum claim claim)
{
	struct registry_entry **link, *entry, *new, *dropped = NULL;
	int ret = -EEXIST;

	if (!owner || (*prefix & 7))
		return -EINVAL;
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;

	spin_lock(&registry_lock);
	link = find_owner(owner);
	if (!*link && make_room(*prefix, claim, &dropped)) {
		new->owner = get_device(owner);
		new->prefix = *prefix;
		new->next = registry;
		registry = new;
		new = NULL;
		link = &registry;
	}
	entry = *link;
	if (!entry)
		goto out_unlock;
	if (claim == CLAIM_REGISTERED) {
		if (entry->registered || entry->prefix != *prefix)
			goto out_unlock;
		entry->registered = true;
	} else {
		entry->seen = true;
		entry->users += claim == CLAIM_USED;
		*prefix = entry->prefix;
	}
	ret = 0;
out_unlock:
	spin_unlock(&registry_lock);

	free_entries(dropped);
	kfree(new);
	return ret;
}

/**
 * hvp_registry_see() - note a bus that is there
 * @owner: device of its host bridge
 * @prefix: from hvp_id_prefix(); replaced by what the bus was registered with
 *
 * From now on the entry stays until hvp_registry_forget().
 *
 * Context: may sleep. The bus cannot go meanwhile.
 * Return: 0; -EEXIST if the prefix belongs to another bus; -EINVAL if its low
 * bits are set or @owner is NULL; -ENOMEM.
 */
int hvp_registry_see(struct device *owner, u32 *prefix)
{
	return note_bus(owner, prefix, CLAIM_SEEN);
}

/**
 * hvp_registry_get() - note a bus that is there, for a function to translate
 * @owner: device of its host bridge
 * @prefix: as for hvp_registry_see()
 *
 * The entry stays at least until hvp_registry_put(). Another bus with the
 * same prefix loses it, unless it is in use or registered.
 *
 * Context: may sleep. The bus cannot go meanwhile.
 * Return: as of hvp_registry_see().
 */
int hvp_registry_get(struct device *owner, u32 *prefix)
{
	return note_bus(owner, prefix, CLAIM_USED);
}

/**
 * hvp_registry_register() - note what another module says of a bus
 * @owner: device of its host bridge, which need not have been added yet
 * @prefix: of the ids of its functions
 *
 * Context: may sleep. The caller has a reference to @owner.
 * Return: 0; -EEXIST if the bus is registered already, or has been seen with
 * another prefix, or the prefix belongs to another bus; -EINVAL if its low
 * bits are set or @owner is NULL; -ENOMEM.
 */
int hvp_registry_register(struct device *owner, u32 prefix)
{
	return note_bus(owner, &prefix, CLAIM_REGISTERED);
}

/**
 * hvp_registry_unregister() - undo hvp_registry_register()
 * @owner: as registered; compared only
 *
 * A bus that has been seen meanwhile keeps its prefix.
 *
 * Context: may sleep.
 * Return: 0; -ENOENT if it is not registered, or was forgotten since.
 */
int hvp_registry_unregister(const struct device *owner)
{
	struct registry_entry **link, *dropped = NULL;
	int ret = -ENOENT;

	spin_lock(&registry_lock);
	link = find_owner(owner);
	if (*link && (*link)->registered) {
		(*link)->registered = false;
		if (!(*link)->seen)
			unlink_entry(link, &dropped);
		ret = 0;
	}
	spin_unlock(&registry_lock);

	free_entries(dropped);
	return ret;
}

/**
 * hvp_registry_forget() - drop the entry of a bus whose functions have gone
 * @owner: device of the host bridge; compared only
 *
 * Nothing happens if a function has come meanwhile that is translated.
 *
 * Context: may sleep.
 */
void hvp_registry_forget(const struct device *owner)
{
	struct registry_entry **link, *dropped = NULL;

	spin_lock(&registry_lock);
	link = find_owner(owner);
	if (*link && !(*link)->users)
		unlink_entry(link, &dropped);
	spin_unlock(&registry_lock);

	free_entries(dropped);
}

/**
 * hvp_registry_put() - undo one hvp_registry_get() that worked
 * @owner: device of the host bridge
 *
 * Context: process, not in the hypercall window; does not sleep.
 */
void hvp_registry_put(const struct device *owner)
{
	spin_lock(&registry_lock);
	(*find_owner(owner))->users--;
	spin_unlock(&registry_lock);
}

/**
 * hvp_registry_lookup() - prefix of a bus
 * @owner: device of the host bridge; compared only
 * @prefix: set on success; a copy, no entry escapes
 *
 * Context: process, not in the hypercall window; does not sleep.
 * Return: 0 or -ENOENT.
 */
int hvp_registry_lookup(const struct device *owner, u32 *prefix)
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
 * hvp_registry_answer() - what the host said of a function
 * @owner: device of the host bridge; compared only
 * @fn: PCI function, 0..7
 *
 * Context: process, not in the hypercall window; does not sleep.
 * Return: 1 if it is behind the pvIOMMU, 0 if not, -ENOENT if not known.
 */
int hvp_registry_answer(const struct device *owner, unsigned int fn)
{
	struct registry_entry *entry;
	int ret = -ENOENT;

	spin_lock(&registry_lock);
	entry = *find_owner(owner);
	if (entry && entry->asked & 1 << (fn & 7))
		ret = !!(entry->behind & 1 << (fn & 7));
	spin_unlock(&registry_lock);
	return ret;
}

/**
 * hvp_registry_set_answer() - keep what the host said of a function
 * @owner: device of the host bridge; compared only
 * @fn: PCI function, 0..7
 * @answer: what hvp_registry_answer() is to return; negative to forget it
 *
 * Nothing happens if the bus is not known. With the bus, all are forgotten.
 *
 * Context: process, not in the hypercall window; does not sleep.
 */
void hvp_registry_set_answer(const struct device *owner, unsigned int fn,
			     int answer)
{
	u8 bit = 1 << (fn & 7);
	struct registry_entry *entry;

	spin_lock(&registry_lock);
	entry = *find_owner(owner);
	if (entry) {
		entry->asked &= ~bit;
		entry->behind &= ~bit;
		if (answer >= 0)
			entry->asked |= bit;
		if (answer > 0)
			entry->behind |= bit;
	}
	spin_unlock(&registry_lock);
}

/**
 * hvp_registry_for_each() - look at all buses known
 * @fn: called for each of them, with the lock held: it must not sleep, nor
 *	call anything else in here. @owner may have gone, but is in memory
 *	until @fn returns.
 * @arg: for @fn
 *
 * Context: process, not in the hypercall window; does not sleep.
 */
void hvp_registry_for_each(void (*fn)(const struct device *owner, u32 prefix,
				      unsigned int users, bool registered,
				      void *arg),
			   void *arg)
{
	struct registry_entry *entry;

	spin_lock(&registry_lock);
	for (entry = registry; entry; entry = entry->next)
		fn(entry->owner, entry->prefix, entry->users,
		   entry->registered, arg);
	spin_unlock(&registry_lock);
}

/**
 * hvp_registry_stop() - drop all entries
 *
 * No function is translated any more, and no other module calls.
 *
 * Context: may sleep.
 */
void hvp_registry_stop(void)
{
	struct registry_entry *dropped;

	spin_lock(&registry_lock);
	dropped = registry;
	registry = NULL;
	spin_unlock(&registry_lock);

	free_entries(dropped);
}

