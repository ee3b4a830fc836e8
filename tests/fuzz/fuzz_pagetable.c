// SPDX-License-Identifier: GPL-2.0
/*
 * Page table operations against a model: a flat set of slots, each a leaf or
 * a table, that is searched from the top for every single leaf. It predicts
 * every return value, every leaf and its size, which tables there are, which
 * are retired, and which allocation is the one that fails.
 */
/* LINK: ../../src/pagetable.c ../unit/shim/user_kshim.c */
#include "pagetable.h"
#include "fuzz.h"

#define K4	0x1000ULL
#define M2	0x200000ULL
#define G1	0x40000000ULL
#define RW	HVP_PT_PROT_WRITE

enum {
	MAX_STEPS = 60,
	MAX_LEAVES = 2100,	/* written by one operation */
	HASH_SIZE = 1 << 16,
	HASH_LIMIT = HASH_SIZE / 2,
	MAX_TABLES = 4096,
	NR_LISTS = 3,
};

enum kind { FREE, GONE, LEAF, TABLE };

/* What the entry for @iova at @level is; level 0 is that of 4 KiB leaves. */
struct slot {
	enum kind kind;
	unsigned int level;
	u64 iova, paddr;
	unsigned int prot;
};

static struct hvp_pt pt;

static struct slot hash[HASH_SIZE];
static unsigned int used[HASH_LIMIT], nr_used;
static struct slot *tables[MAX_TABLES];		/* some of them GONE */
static unsigned int nr_tables;
static unsigned int live_leaves, live_tables, pending;
static struct llist_node *list[NR_LISTS];	/* taken, not freed yet */
static unsigned int list_nr[NR_LISTS];

static u64 slot_size(unsigned int level)
{
	return 1ULL << (12 + 9 * level);
}

/* The slot, or the one where it would be. */
static struct slot *find(unsigned int level, u64 iova)
{
	u64 first = iova / slot_size(level) * slot_size(level);
	u64 at = (first / K4 * 8 + level) * 0x9e3779b97f4a7c15ULL >> 48;

	for (;; at = (at + 1) % HASH_SIZE) {
		struct slot *slot = &hash[at % HASH_SIZE];

		if (slot->kind == FREE ||
		    (slot->level == level && slot->iova == first))
			return slot;
	}
}

static struct slot *fill(unsigned int level, u64 iova, enum kind kind)
{
	struct slot *slot = find(level, iova);

	if (slot->kind == FREE) {
		expect(nr_used < HASH_LIMIT);
		used[nr_used++] = slot - hash;
	}
	slot->kind = kind;
	slot->level = level;
	slot->iova = iova / slot_size(level) * slot_size(level);
	return slot;
}

static void forget_all(void)
{
	unsigned int i;

	for (i = 0; i < nr_used; i++)
		hash[used[i]].kind = FREE;
	nr_used = nr_tables = live_leaves = live_tables = pending = 0;
	for (i = 0; i < NR_LISTS; i++)
		list[i] = NULL;
}

/* The leaf that @iova is in, or NULL. */
static struct slot *find_leaf(u64 iova)
{
	unsigned int level = pt.levels;

	while (level--) {
		struct slot *slot = find(level, iova);

		if (slot->kind == LEAF)
			return slot;
		if (slot->kind != TABLE)
			return NULL;
	}
	return NULL;
}

/* Is there room in the model for a mapping of so many leaves? */
static bool fits(u64 iova, u64 size, u64 pgsize, u64 count)
{
	u64 leaves = count, new_tables;
	unsigned int i;

	for (i = 0; i < nr_tables && leaves <= MAX_LEAVES; i++) {
		const struct slot *table = tables[i];

		if (table->kind != TABLE || table->iova < iova ||
		    table->iova >= iova + size || slot_size(table->level) >
		    pgsize)
			continue;
		/* whose place is taken by the leaves below it */
		leaves += 512;
		if (table->level == 2 && !(pt.pgsizes & M2))
			return false;
	}
	/* those of the leaves, and those above at either end */
	new_tables = leaves / 512 + 2 + 2 * 4;
	return leaves <= MAX_LEAVES &&
	       nr_used + leaves + new_tables < HASH_LIMIT &&
	       nr_tables + new_tables < MAX_TABLES;
}

static int model_map(u64 iova, u64 paddr, u64 pgsize, u64 size,
		     unsigned int prot, long budget, u64 *mapped)
{
	for (*mapped = 0; *mapped < size;) {
		u64 at = iova + *mapped;
		unsigned int level;

		for (level = pt.levels - 1;; level--) {
			struct slot *slot = find(level, at);

			if (slot->kind == LEAF)
				return -EADDRINUSE;
			if (slot->kind == TABLE)
				continue;
			if (slot_size(level) <= pgsize &&
			    (pt.pgsizes & slot_size(level)))
				break;
			if (!budget--)
				return -ENOMEM;
			expect(nr_tables < MAX_TABLES);
			tables[nr_tables++] = fill(level, at, TABLE);
			live_tables++;
		}
		struct slot *leaf = fill(level, at, LEAF);

		leaf->paddr = paddr + *mapped;
		leaf->prot = prot;
		live_leaves++;
		*mapped += slot_size(level);
	}
	return 0;
}

static u64 model_unmap(u64 iova, u64 size, bool *retired)
{
	u64 end, at = iova;
	unsigned int i;

	*retired = false;
	if (!size || iova % K4 || size % K4 || iova > pt.last)
		return 0;
	end = size > pt.last - iova ? pt.last : iova + size - 1;
	while (at <= end) {
		struct slot *leaf = find_leaf(at);

		if (!leaf)
			break;
		if (leaf->iova < iova)
			*retired = true;
		at = leaf->iova + slot_size(leaf->level);
		leaf->kind = GONE;
		live_leaves--;
	}
	for (i = 0; i < nr_tables; i++) {
		struct slot *table = tables[i];
		u64 last = table->iova + slot_size(table->level) - 1;

		if (table->kind != TABLE || table->iova < iova ||
		    last > end || last >= at)
			continue;
		table->kind = GONE;
		live_tables--;
		pending++;
		*retired = true;
	}
	return at - iova;
}

static void check_counts(void)
{
	long want = 1 + live_tables + pending;
	unsigned int i;

	for (i = 0; i < NR_LISTS; i++)
		want += list[i] ? list_nr[i] : 0;
	expect(atomic_long_read(&pt.nr_tables) == want);
	expect(shim_pages() == want);
}

static void check_lookup(u64 iova)
{
	const struct slot *leaf = iova > pt.last ? NULL : find_leaf(iova);
	unsigned int prot = 0x5a;
	size_t size = 0x5a;
	u64 paddr = hvp_pt_lookup(&pt, iova, &size, &prot);

	expect(paddr == (leaf ? leaf->paddr + (iova - leaf->iova) : 0));
	expect(size == (leaf ? slot_size(leaf->level) : 0));
	expect(prot == (leaf ? leaf->prot : 0));
	expect(hvp_pt_lookup(&pt, iova, NULL, NULL) == paddr);
}

static void check_around(u64 iova, u64 size)
{
	check_lookup(iova);
	check_lookup(iova - 1);
	check_lookup(iova + size - 1);
	check_lookup(iova + size);
	check_lookup(iova + size / 2);
}

/* As the host reads it: every entry, and nothing else. */
static void check_table(const u64 *table, unsigned int level, u64 iova,
			unsigned int *leaves, unsigned int *below)
{
	unsigned int i;

	for (i = 0; i < 512; i++, iova += slot_size(level)) {
		const struct slot *slot;
		u64 pte = table[i];

		if (!pte)
			continue;
		slot = find(level, iova);
		if (slot->kind == LEAF) {
			expect(pte == (slot->paddr | 0x25 |
				       (slot->prot == RW ? 0x42 : 0) |
				       (level ? 0x80 : 0)));
			++*leaves;
			continue;
		}
		expect(slot->kind == TABLE);
		expect((pte & ~0xffffffffff000ULL) == 0x27);
		++*below;
		check_table((u64 *)(uintptr_t)(pte & 0xffffffffff000ULL),
			    level - 1, iova, leaves, below);
	}
}

static u64 take_iova(struct input *in)
{
	static const u64 base[] = {
		0, G1, 1ULL << 32, 1ULL << 39, 1ULL << 45, 1ULL << 46,
		1ULL << 47, 1ULL << 48, 1ULL << 52, 1ULL << 55, 1ULL << 56, 0,
	};
	static const u64 unit[] = { K4, M2, G1, 0x9000, 1 };
	unsigned int at = take_below(in, 2 * ARRAY_SIZE(base));
	u64 from;

	if (at == 2 * ARRAY_SIZE(base) - 1)
		return take(in, 8);
	/* mostly the ends of the aperture */
	from = at < ARRAY_SIZE(base) ? base[at] :
	       at & 1 ? 0 : pt.last + 1;
	at = take_below(in, 16);
	return from + (int8_t)take(in, 1) *
		      unit[at < 8 ? 0 : at < 12 ? 1 : at < 14 ? 2 : at - 11];
}

static u64 take_size(struct input *in)
{
	u64 any;

	switch (take_below(in, 8)) {
	case 0:
		any = take(in, 8);
		/* anything, or so that sums wrap */
		return any & 1 ? any : -(any >> 48) * K4;
	case 1:
		return M2 * take_below(in, 8);
	case 2:
		return G1 * take_below(in, 3);
	case 3:
		return K4 * take_below(in, MAX_LEAVES);
	default:
		return K4 * take_below(in, 32);
	}
}

static u64 take_count(struct input *in)
{
	switch (take_below(in, 8)) {
	case 0:
		return take(in, 8);
	case 1:
		return take_below(in, MAX_LEAVES);
	case 2:
	case 3:		/* full tables */
		return 512 * take_below(in, 5);
	default:
		return take_below(in, 32);
	}
}

static void do_map(struct input *in)
{
	static const u64 sizes[] = { K4, K4, K4, M2, M2, G1 };
	unsigned int s = take_below(in, ARRAY_SIZE(sizes) + 1);
	unsigned int prot = take(in, 1) & 1 ? RW : 0;
	u64 pgsize = s < ARRAY_SIZE(sizes) ? sizes[s] : take(in, 4);
	u64 iova = take_iova(in), paddr = take(in, 7) >> 3, count, mapped = 0;
	long budget = take_below(in, 8) - 3;
	unsigned __int128 size;
	size_t is_mapped = 0x5a5a;
	int ret, want = 0;

	count = take_count(in);
	/* most of them aligned */
	if (pgsize && take_below(in, 8)) {
		iova -= iova % pgsize;
		paddr -= paddr % pgsize;
	}
	if (budget < 0)
		budget = -1;
	size = (unsigned __int128)pgsize * count;

	if (!pgsize || pgsize & (pgsize - 1) || !(pt.pgsizes & pgsize) ||
	    iova % pgsize || paddr % pgsize)
		want = -EINVAL;
	else if (count && (iova + size > (unsigned __int128)pt.last + 1 ||
			   paddr + size > 1ULL << 52))
		want = -ERANGE;
	else if (!fits(iova, size, pgsize, count))
		return;

	if (!want)
		want = model_map(iova, paddr, pgsize, size, prot, budget,
				 &mapped);
	shim_fail_after(budget);
	ret = hvp_pt_map(&pt, iova, paddr, pgsize, count, prot, GFP_ATOMIC,
			 &is_mapped);
	shim_fail_after(-1);
	expect(ret == want);
	expect(is_mapped == mapped);
	check_around(iova, mapped);
}

static void unmap(u64 iova, u64 size)
{
	bool retired, want_retired;
	u64 want;

	want = model_unmap(iova, size, &want_retired);
	retired = !want_retired;
	expect(hvp_pt_unmap(&pt, iova, size, &retired) == want);
	expect(retired == want_retired);
	check_around(iova, want);
}

static void do_unmap(struct input *in)
{
	u64 iova = take_iova(in);

	unmap(iova, take_size(in));
}

/* What is mapped: one leaf, or the tables that it may be in. */
static void do_unmap_leaf(struct input *in)
{
	const struct slot *leaf = nr_used ? &hash[used[take(in, 2) % nr_used]] :
				  NULL;
	unsigned int how = take_below(in, 4);
	u64 size;

	if (!leaf || leaf->kind != LEAF)
		return;
	size = how == 0 ? slot_size(leaf->level) : how == 1 ? M2 :
	       how == 2 ? 4 * M2 : G1;
	unmap(leaf->iova / size * size, size);
}

static void do_flush(struct input *in)
{
	unsigned int i = take_below(in, NR_LISTS), n = 0, entry;
	const struct llist_node *node;
	unsigned int op = take_below(in, 3);

	if (!list[i])
		op = 0;
	switch (op) {
	case 0:
		if (list[i])
			return;
		list[i] = hvp_pt_retired_take(&pt);
		for (node = list[i]; node; node = node->next, n++)
			for (entry = 0; entry < 512; entry++)
				expect(!((u64 *)page_address(hvp_node_page(
					(struct llist_node *)node)))[entry]);
		expect(n == pending);
		list_nr[i] = n;
		pending = 0;
		break;
	case 1:
		hvp_pt_retired_put_back(&pt, list[i]);
		pending += list[i] ? list_nr[i] : 0;
		list[i] = NULL;
		break;
	default:
		hvp_pt_retired_free(&pt, list[i]);
		list[i] = NULL;
		break;
	}
}

/* False if there is no table to work on, as it should be. */
static bool start(struct input *in)
{
	static const u64 sizes[] = { K4 | M2 | G1, K4 | M2, K4 | G1, K4 };
	unsigned int levels = 4 + (take(in, 1) & 1);
	unsigned int bits = levels == 4 ? 47 : 56;
	u64 pgsizes = sizes[take_below(in, ARRAY_SIZE(sizes))];
	bool fail, valid;
	int ret;

	switch (take_below(in, 8)) {
	case 0:		/* anything */
		levels = take(in, 1);
		bits = take(in, 1);
		pgsizes = take(in, 8);
		break;
	case 1:
		bits -= take_below(in, 40);
		break;
	}
	fail = take_below(in, 32) == 31;
	valid = (levels == 4 || levels == 5) && bits >= 13 &&
		bits <= (levels == 4 ? 47 : 56) && (pgsizes & K4);

	shim_fail_after(fail ? 0 : -1);
	ret = hvp_pt_init(&pt, levels, bits, pgsizes, NUMA_NO_NODE,
			  GFP_KERNEL);
	shim_fail_after(-1);
	expect(ret == (!valid ? -EINVAL : fail ? -ENOMEM : 0));
	if (ret) {
		hvp_pt_destroy(&pt);
		expect(!shim_pages());
		return false;
	}
	expect(pt.last == (1ULL << bits) - 1);
	expect(pt.pgsizes == (pgsizes & (K4 | M2 | G1)));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned int i, step, leaves = 0, below = 0;

	forget_all();
	if (!start(&in))
		return 0;
	for (step = 0; in.left && step < MAX_STEPS; step++) {
		switch (take_below(&in, 8)) {
		case 0:
		case 1:
		case 2:
			do_map(&in);
			break;
		case 3:
		case 4:
			do_unmap(&in);
			break;
		case 5:
			do_unmap_leaf(&in);
			break;
		case 6:
			do_flush(&in);
			break;
		default:
			check_lookup(take_iova(&in));
			break;
		}
		check_counts();
	}
	check_table(pt.root, pt.levels - 1, 0, &leaves, &below);
	expect(leaves == live_leaves);
	expect(below == live_tables);
	for (i = 0; i < NR_LISTS; i++)
		hvp_pt_retired_free(&pt, list[i]);
	hvp_pt_destroy(&pt);
	expect(!atomic_long_read(&pt.nr_tables));
	expect(!shim_pages());
	return 0;
}
