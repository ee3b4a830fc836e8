// SPDX-License-Identifier: GPL-2.0
/*
 * The pvIOMMU model of hvsim and its referee: page tables built by hand in a
 * fake guest memory, hypercalls written byte by byte.
 */
/* LINK: ../hvsim/iommu.c */
/* LINK: ../hvsim/iommu_atc.c */
/* LINK: ../hvsim/iommu_call.c */
/* LINK: ../hvsim/iommu_ctl.c */
/* LINK: ../hvsim/iommu_domain.c */
/* LINK: ../hvsim/iommu_tlb.c */
/* LINK: ../hvsim/iommu_walk.c */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <cmocka.h>

#include "iommu.h"
#include "test_hvsim_log.h"

#define CREATE 0xb1
#define ATTACH 0xb2
#define DETACH 0xc4
#define DELETE 0xc5
#define CONFIGURE 0xce
#define FLUSH 0xd0
#define FLUSH_LIST 0xd1
#define CAPS 0x125
#define PROPERTY 0x127

#define K4 0x1000ULL
#define M2 0x200000ULL
#define G1 0x40000000ULL

#define RAM_SIZE (2 * G1)
#define IN_GPA 0x1000ULL
#define OUT_GPA 0x1800ULL
#define TABLES_GPA 0x100000ULL
#define DATA_GPA 0x2000000ULL

#define P 0x1ULL
#define W 0x2ULL
#define U 0x4ULL
#define A 0x20ULL
#define D 0x40ULL
#define PS 0x80ULL
#define RO (P | U | A | D)
#define RW (RO | W)
#define ADDR 0x000ffffffffff000ULL

#define DEV0 0xabcd0000u
#define DEV1 0xabcd0001u
#define DEV_DIRECT 0x11110000u
#define DEV_NEVER 0x22220000u

static struct guest_mem mem;
static bool flip_end;
static struct iommu *mmu;
static u64 next_table;
static struct hcall h;
static u8 in[4096];

static void expect_none(void)
{
	if (violations)
		fail_msg("unexpected violation '%s'", last_violation);
}

/* ---- hypercalls ---- */

static void put32(unsigned off, u32 v)
{
	memcpy(in + off, &v, sizeof(v));
}

static void put64(unsigned off, u64 v)
{
	memcpy(in + off, &v, sizeof(v));
}

static void begin_call(u16 code)
{
	memset(in, 0, sizeof(in));
	memset(&h, 0, sizeof(h));
	h.code = code;
	h.control = code;
	h.in = IN_GPA;
	if (code == CAPS || code == PROPERTY)
		h.out = OUT_GPA;
	put64(0, ~0ULL);
}

static void begin_domain_call(u16 code, u32 id)
{
	begin_call(code);
	put32(0x10, 1);
	put32(0x14, id);
}

static u16 do_call(void)
{
	/* The output, if any, is in the same page. */
	memcpy(mem.ram + IN_GPA, in, h.out ? OUT_GPA - IN_GPA : HV_PAGE_SIZE);
	return iommu_hypercall(mmu, &h);
}

static u16 create(u32 id)
{
	begin_domain_call(CREATE, id);
	put32(0x18, 1);
	return do_call();
}

static u16 delete(u32 id)
{
	begin_domain_call(DELETE, id);
	return do_call();
}

static u16 configure(u32 id, u64 flags, u64 root)
{
	begin_domain_call(CONFIGURE, id);
	put64(0x18, flags);
	put64(0x20, root);
	return do_call();
}

static u16 attach(u32 id, u64 dev)
{
	begin_domain_call(ATTACH, id);
	put64(0x18, dev);
	return do_call();
}

static u16 detach(u64 dev)
{
	begin_call(DETACH);
	put64(8, dev);
	return do_call();
}

static u16 flush(u32 id)
{
	begin_domain_call(FLUSH, id);
	return do_call();
}

static void begin_list(u32 id, unsigned n)
{
	begin_domain_call(FLUSH_LIST, id);
	put32(0x18, 1);
	h.rep_count = n;
}

static u16 flush_one(u32 id, u64 iova, unsigned shift)
{
	begin_list(id, 1);
	put64(0x20, (iova & ~0xfffULL) | shift);
	return do_call();
}

static u16 property(u64 dev)
{
	begin_call(PROPERTY);
	put64(8, dev);
	put32(0x10, 10);
	return do_call();
}

static u64 out64(unsigned off)
{
	u64 v;

	memcpy(&v, mem.ram + OUT_GPA + off, sizeof(v));
	return v;
}

/* ---- page tables ---- */

static u64 new_table(void)
{
	u64 gpa = next_table;

	next_table += K4;
	return gpa;
}

static u64 *entry_at(u64 root, unsigned levels, u64 iova, unsigned level)
{
	u64 table = root;
	unsigned l;
	u64 *e;

	for (l = levels;; l--) {
		unsigned index = iova >> (12 + 9 * (l - 1)) & 511;

		e = (u64 *)(mem.ram + table) + index;
		if (l == level)
			return e;
		if (!*e)
			*e = new_table() | RW;
		table = *e & ADDR;
	}
}

static void map(u64 root, u64 iova, u64 pa, u64 flags)
{
	*entry_at(root, 4, iova, 1) = pa | flags;
}

/* A 4-level paging domain; returns its root. */
static u64 paging_domain(u32 id)
{
	u64 root = new_table();

	assert_int_equal(create(id), 0);
	assert_int_equal(configure(id, 1, root), 0);
	return root;
}

static enum iommu_fault dma(u32 dev, u64 iova, enum iommu_op op, u64 *val)
{
	return iommu_dma(mmu, dev, iova, val, 8, op, NULL);
}

static u64 dma_read(u32 dev, u64 iova)
{
	u64 v = 0;

	assert_int_equal(dma(dev, iova, IOMMU_READ, &v), IOMMU_OK);
	return v;
}

static enum iommu_fault try_read(u32 dev, u64 iova)
{
	u64 v;

	return dma(dev, iova, IOMMU_READ, &v);
}

static enum iommu_fault try_write(u32 dev, u64 iova)
{
	u64 v = 0x1122334455667788ULL;

	return dma(dev, iova, IOMMU_WRITE, &v);
}

static u64 *data(u64 gpa)
{
	return (u64 *)(mem.ram + gpa);
}

/* ---- control words ---- */

static char answer[16384];

static int ctl(const char *line)
{
	char copy[256], *argv[16], *save, *p;
	FILE *out = fmemopen(answer, sizeof(answer), "w");
	int argc = 0, ret;

	snprintf(copy, sizeof(copy), "iommu %s", line);
	for (p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	answer[0] = '\0';
	ret = iommu_ctl(mmu, argc, argv, out);
	fclose(out);
	return ret;
}

static u64 ctl_number(const char *line)
{
	assert_int_equal(ctl(line), 0);
	return strtoull(answer, NULL, 10);
}

static void start_with(const char *options)
{
	struct iommu_config c;
	char err[160];

	iommu_config_default(&c);
	if (options && iommu_parse_option(&c, options, err, sizeof(err)))
		fail_msg("%s", err);
	if (mmu)
		iommu_free(mmu);
	mmu = iommu_new(&mem, &c);
	iommu_device_add(mmu, DEV0, "nvme0", true);
	iommu_device_add(mmu, DEV1, "dmaprobe0", true);
	iommu_device_add(mmu, DEV_DIRECT, "direct0", false);
	next_table = TABLES_GPA;
	violations = 0;
}

static int setup(void **state)
{
	(void)state;
	mem.size = RAM_SIZE;
	mem.ram = mmap(NULL, mem.size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem.ram == MAP_FAILED)
		return -1;
	start_with(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	iommu_free(mmu);
	mmu = NULL;
	return munmap(mem.ram, mem.size);
}

/* ---- walks ---- */

static void test_walk_sizes(void **state)
{
	u64 root = paging_domain(5);
	u64 v = 0x4242;

	(void)state;
	*entry_at(root, 4, 0x7000, 1) = DATA_GPA | RW;
	*entry_at(root, 4, M2, 2) = 0x4000000 | RW | PS;
	*entry_at(root, 4, 3 * G1, 3) = G1 | RW | PS;
	assert_int_equal(attach(5, DEV0), 0);
	*data(DATA_GPA + 0x10) = 1;
	*data(0x4000000 + 0x123450) = 2;
	*data(G1 + 0x3456788) = 3;
	assert_int_equal(dma_read(DEV0, 0x7010), 1);
	assert_int_equal(dma_read(DEV0, M2 + 0x123450), 2);
	assert_int_equal(dma_read(DEV0, 3 * G1 + 0x3456788), 3);
	/* And again from the IOTLB, elsewhere in the same pages. */
	assert_int_equal(dma_read(DEV0, 0x7010), 1);
	assert_int_equal(dma(DEV0, M2 + 0x8, IOMMU_WRITE, &v), IOMMU_OK);
	assert_int_equal(*data(0x4000000 + 8), 0x4242);
	assert_int_equal(dma(DEV0, 3 * G1 + 0x20, IOMMU_WRITE, &v), IOMMU_OK);
	assert_int_equal(*data(G1 + 0x20), 0x4242);
	assert_int_equal(ctl_number("dma nvme0"), 6);
	expect_none();
}

static void test_walk_5_levels(void **state)
{
	const u64 iova = 0x0080000000003000ULL;	/* bit 55 */
	u64 root;

	(void)state;
	start_with("5lvl,width=57");
	root = new_table();
	assert_int_equal(create(7), 0);
	assert_int_equal(configure(7, 5, root), 0);
	*entry_at(root, 5, iova, 1) = DATA_GPA | RW;
	*entry_at(root, 5, iova ^ BIT_ULL(50), 2) = 0x4000000 | RW | PS;
	assert_int_equal(attach(7, DEV0), 0);
	*data(DATA_GPA) = 77;
	*data(0x4000000 + 0x3000) = 78;
	assert_int_equal(dma_read(DEV0, iova), 77);
	assert_int_equal(dma_read(DEV0, iova ^ BIT_ULL(50)), 78);
	assert_int_equal(try_read(DEV0, iova | BIT_ULL(48)),
			 IOMMU_FAULT_NOT_PRESENT);
	assert_int_equal(try_read(DEV0, BIT_ULL(56)), IOMMU_FAULT_RANGE);
	expect_none();
}

static void test_page_crossing(void **state)
{
	u64 root = paging_domain(5);
	u64 at = 0;
	u8 buf[0x2000];
	unsigned i;

	(void)state;
	map(root, 0x10000, DATA_GPA + 0x5000, RW);
	map(root, 0x11000, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = i * 7 + (i >> 8);
	assert_int_equal(iommu_dma(mmu, DEV0, 0x10801, buf, 0x1001,
				   IOMMU_WRITE, NULL), IOMMU_OK);
	assert_memory_equal(mem.ram + DATA_GPA + 0x5801, buf, 0x7ff);
	assert_memory_equal(mem.ram + DATA_GPA, buf + 0x7ff, 0x802);
	assert_int_equal(mem.ram[DATA_GPA + 0x802], 0);
	/* The second page faults: the first has been transferred. */
	memset(mem.ram + DATA_GPA, 0, K4);
	assert_int_equal(iommu_dma(mmu, DEV0, 0x11ff0, buf, 0x20, IOMMU_WRITE,
				   &at), IOMMU_FAULT_NOT_PRESENT);
	assert_int_equal(at, 0x12000);
	assert_memory_equal(mem.ram + DATA_GPA + 0xff0, buf, 0x10);
	expect_none();
}

static void test_small_writes(void **state)
{
	u8 buf[80], *dst;
	unsigned i, len, off;

	(void)state;
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = i + 1;
	dst = mem.ram + DATA_GPA;
	for (off = 0; off < 9; off++)
		for (len = 0; len <= sizeof(buf); len++) {
			memset(dst, 0, 128);
			assert_int_equal(iommu_dma(mmu, DEV0, DATA_GPA + off,
						   buf, len, IOMMU_WRITE,
						   NULL), IOMMU_OK);
			assert_memory_equal(dst + off, buf, len);
			for (i = off + len; i < 128; i++)
				assert_int_equal(dst[i], 0);
		}
}

static void test_atomics(void **state)
{
	u64 root = paging_domain(5);
	u64 cas[3] = { 10, 20, 0 };

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	map(root, 0x2000, DATA_GPA, RO);
	assert_int_equal(attach(5, DEV0), 0);
	*data(DATA_GPA + 8) = 10;
	assert_int_equal(dma(DEV0, 0x1008, IOMMU_CAS, cas), IOMMU_OK);
	assert_int_equal(*data(DATA_GPA + 8), 20);
	assert_int_equal(cas[2], 10);
	assert_int_equal(dma(DEV0, 0x1008, IOMMU_CAS, cas), IOMMU_OK);
	assert_int_equal(*data(DATA_GPA + 8), 20);
	assert_int_equal(cas[2], 20);
	assert_int_equal(dma(DEV0, 0x2008, IOMMU_CAS, cas),
			 IOMMU_FAULT_WRITE_RO);
	assert_int_equal(ctl("fault-last"), 0);
	assert_string_equal(answer, "nvme0 0x2008 write-ro cas\n");
	expect_none();
}

static void test_faults(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0x1000, DATA_GPA, RO);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 0);
	assert_int_equal(try_write(DEV0, 0x1000), IOMMU_FAULT_WRITE_RO);
	/* The right is that of the whole path. */
	map(root, G1, DATA_GPA, RW);
	*entry_at(root, 4, G1, 3) &= ~W;
	assert_int_equal(dma_read(DEV0, G1), 0);
	assert_int_equal(try_write(DEV0, G1), IOMMU_FAULT_WRITE_RO);
	assert_int_equal(try_read(DEV0, 0x2000), IOMMU_FAULT_NOT_PRESENT);
	assert_int_equal(try_read(DEV0, 0x923456789000),
			 IOMMU_FAULT_RANGE);
	assert_int_equal(try_read(DEV0, BIT_ULL(47)), IOMMU_FAULT_RANGE);
	assert_int_equal(try_read(DEV0, BIT_ULL(47) - 8),
			 IOMMU_FAULT_NOT_PRESENT);
	assert_int_equal(try_write(DEV0, 0xfee00000), IOMMU_FAULT_MSI);
	assert_int_equal(try_write(DEV0, 0xfeeffff8), IOMMU_FAULT_MSI);
	assert_int_equal(try_write(DEV0, 0xfedffff8),
			 IOMMU_FAULT_NOT_PRESENT);
	assert_int_equal(try_write(DEV0, 0xfef00000),
			 IOMMU_FAULT_NOT_PRESENT);
	assert_int_equal(try_read(DEV_NEVER, 0), IOMMU_FAULT_NO_DEVICE);
	assert_int_equal(ctl_number("faults"), 11);
	assert_int_equal(ctl_number("blocked-dma"), 0);
	expect_none();
}

static void test_width(void **state)
{
	u64 root;

	(void)state;
	start_with("width=39,canonical=0");
	root = paging_domain(5);
	map(root, BIT_ULL(39) - K4, DATA_GPA, RW);
	map(root, BIT_ULL(39), DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, BIT_ULL(39) - K4), IOMMU_OK);
	assert_int_equal(try_read(DEV0, BIT_ULL(39)), IOMMU_FAULT_RANGE);
	expect_none();

	/* Without the canonical rule the 48th bit decodes. */
	start_with("width=48,canonical=0");
	memset(mem.ram + TABLES_GPA, 0, M2);
	root = paging_domain(5);
	map(root, BIT_ULL(47), DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, BIT_ULL(47)), IOMMU_OK);
	assert_int_equal(try_read(DEV0, BIT_ULL(48)), IOMMU_FAULT_RANGE);

	/* A width beyond what four levels decode adds nothing. */
	start_with("width=57,canonical=0");
	memset(mem.ram + TABLES_GPA, 0, M2);
	paging_domain(5);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, BIT_ULL(48)), IOMMU_FAULT_RANGE);
	expect_none();
}

/* Entries that no correct guest writes: a fault and a violation each. */
static void test_bad_entries(void **state)
{
	static const struct {
		unsigned level;
		u64 entry;
		enum iommu_fault fault;
		const char *why;
	} bad[] = {
		{ 1, DATA_GPA | RW | BIT_ULL(63), IOMMU_FAULT_RESERVED,
		  "bit 63" },
		{ 4, DATA_GPA | RW | PS, IOMMU_FAULT_RESERVED,
		  "above level 3" },
		{ 3, G1 | RW | PS, IOMMU_FAULT_RESERVED, "does not offer" },
		{ 2, (0x4000000 + K4) | RW | PS, IOMMU_FAULT_RESERVED,
		  "not aligned" },
		{ 1, DATA_GPA | (RW & ~U), IOMMU_FAULT_USER, "user bit" },
		{ 3, DATA_GPA | (RW & ~U), IOMMU_FAULT_USER, "user bit" },
		{ 1, RAM_SIZE | RW, IOMMU_FAULT_OUTPUT, "outside guest" },
		{ 2, RAM_SIZE | RW | PS, IOMMU_FAULT_OUTPUT,
		  "outside guest" },
		{ 2, RAM_SIZE | RW, IOMMU_FAULT_OUTPUT, "outside guest" },
		{ 1, 0xaaaaaaaaaaaaaaaaULL, IOMMU_FAULT_NOT_PRESENT,
		  "not present but not zero" },
		{ 1, DATA_GPA | RW | PS, IOMMU_OK, "bit 7" },
		{ 1, DATA_GPA | RW | BIT_ULL(9), IOMMU_OK, "no entry uses" },
		{ 1, DATA_GPA | RW | BIT_ULL(52), IOMMU_OK, "no entry uses" },
		{ 1, DATA_GPA | RW | 0x18, IOMMU_OK, "no entry uses" },
	};
	u64 root, *e, iova;
	size_t i;

	(void)state;
	start_with("pgsizes=4k+2m");
	root = paging_domain(5);
	assert_int_equal(attach(5, DEV0), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		iova = (i + 1) << 39;
		e = entry_at(root, 4, iova, bad[i].level);
		*e = bad[i].entry;
		assert_int_equal(try_read(DEV0, iova), bad[i].fault);
		expect_violation(bad[i].why);
		/* DELETE and FLUSH_LIST see it as well. */
		assert_int_equal(flush_one(5, iova, 0), 0);
		expect_violation(bad[i].why);
		if (i + 1 == ARRAY_SIZE(bad))
			break;
		*e = 0;
		assert_int_equal(flush(5), 0);
		expect_none();
	}
	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(delete(5), 0);
	expect_violation("holds garbage while the domain exists");
}

static void test_root_garbage(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	*(u64 *)(mem.ram + root + 511 * 8) = 0x10;
	assert_int_equal(flush(5), 0);
	expect_violation("entry 511 is 0x10");
	assert_int_equal(configure(5, 1, root), 0);
	expect_violation("entry 511 is 0x10");
}

static void test_msi_mapping(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0xfedff000, DATA_GPA, RW);
	map(root, 0xfef00000, DATA_GPA, RW);
	assert_int_equal(delete(5), 0);
	expect_none();
	root = paging_domain(6);
	map(root, 0xfeeff000, DATA_GPA, RW);
	assert_int_equal(delete(6), 0);
	expect_violation("MSI window");
	root = paging_domain(7);
	*entry_at(root, 4, 0xfee00000, 2) = 0x4000000 | RW | PS;
	assert_int_equal(delete(7), 0);
	expect_violation("MSI window");
}

static void test_ad_missing(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	map(root, 0x2000, DATA_GPA, RW & ~A);
	map(root, 0x3000, DATA_GPA, RW & ~D);
	map(root, 0x4000, DATA_GPA, RW & ~D);
	assert_int_equal(attach(5, DEV0), 0);
	try_read(DEV0, 0x1000);
	try_read(DEV0, 0x2000);
	try_write(DEV0, 0x3000);
	try_read(DEV0, 0x4000);
	ctl("counts");
	assert_non_null(strstr(answer,
			       "leaves used with A or D clear               2"));
	expect_none();
}

/* ---- caches ---- */

static void test_stale_changed(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	*data(DATA_GPA) = 1;
	*data(DATA_GPA + K4) = 2;
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);

	map(root, 0x1000, DATA_GPA + K4, RW);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_violation("stale IOTLB entry used: device nvme0 domain 5");
	assert_int_equal(flush_one(5, 0x1000, 0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 2);
	expect_none();

	/* Fewer rights, then more. */
	map(root, 0x1000, DATA_GPA + K4, RO);
	assert_int_equal(try_write(DEV0, 0x1000), IOMMU_OK);
	expect_violation("(rw), in memory");
	assert_int_equal(flush(5), 0);
	assert_int_equal(try_write(DEV0, 0x1000), IOMMU_FAULT_WRITE_RO);
	expect_none();
	map(root, 0x1000, DATA_GPA + K4, RW);
	assert_int_equal(try_write(DEV0, 0x1000), IOMMU_FAULT_WRITE_RO);
	expect_violation("(ro), in memory");

	/* The entry became unusable rather than absent. */
	assert_int_equal(flush(5), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	map(root, 0x1000, DATA_GPA + K4, RW & ~U);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	assert_int_equal(violations, 2);
	assert_non_null(strstr(last_violation, "now faults (user)"));
	violations = 0;
}

static void test_stale_same_translation(void **state)
{
	u64 root = paging_domain(5);
	u64 *large = entry_at(root, 4, M2, 2);
	u64 table, i;

	(void)state;
	*large = 0x4000000 | RW | PS;
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, M2 + 0x3000), IOMMU_OK);
	/* Split into small pages that say the same: nothing is stale. */
	table = new_table();
	for (i = 0; i < 512; i++)
		data(table)[i] = (0x4000000 + i * K4) | RW;
	*large = table | RW;
	assert_int_equal(try_read(DEV0, M2 + 0x3000), IOMMU_OK);
	expect_none();
	data(table)[3] = DATA_GPA | RW;
	assert_int_equal(try_read(DEV0, M2 + 0x3000), IOMMU_OK);
	expect_violation("stale IOTLB entry used");
}

static void test_stale_unmapped(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	*data(DATA_GPA) = 1;
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	*entry_at(root, 4, 0x1000, 1) = 0;
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_violation("stale window: device nvme0 used IOVA 0x1000");
	assert_int_equal(ctl("stale ok"), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_none();
	assert_int_equal(ctl_number("stale-hits"), 2);
	assert_int_equal(ctl("stale violation"), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_violation("stale window");
	assert_int_equal(flush(5), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_FAULT_NOT_PRESENT);
	/* Mapping afresh needs no flush. */
	map(root, 0x1000, DATA_GPA, RW);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_none();
}

static void test_stale_table(void **state)
{
	u64 root = paging_domain(5);
	u64 *link = entry_at(root, 4, 0x1000, 2);
	u64 old, new;

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	map(root, 0x2000, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	old = *link & ADDR;

	/* Replaced without a flush: 0x2000 is not in the IOTLB. */
	new = new_table();
	data(new)[2] = (DATA_GPA + K4) | RW;
	*link = new | RW;
	*data(DATA_GPA) = 1;
	*data(DATA_GPA + K4) = 2;
	assert_int_equal(dma_read(DEV0, 0x2000), 1);
	expect_violation("stale page-walk cache entry used");
	/* A flush of one page does not cover the table, one of 2M does. */
	assert_int_equal(flush_one(5, 0x2000, 0), 0);
	dma_read(DEV0, 0x2000);
	expect_violation("stale page-walk cache entry used");
	assert_int_equal(flush_one(5, 0, 9), 0);
	assert_int_equal(dma_read(DEV0, 0x2000), 2);
	expect_none();

	/* A large page in the place of the table. */
	*link = 0x4000000 | RW | PS;
	assert_int_equal(try_read(DEV0, 0x5000), IOMMU_FAULT_NOT_PRESENT);
	expect_violation("stale page-walk cache entry used");
	assert_int_equal(flush(5), 0);
	assert_int_equal(try_read(DEV0, 0x5000), IOMMU_OK);
	*link = old | RW;
	assert_int_equal(flush(5), 0);

	/* Rights of the path taken away. */
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	*link &= ~W;
	assert_int_equal(try_read(DEV0, 0x2000), IOMMU_OK);
	expect_violation("stale page-walk cache entry used");
	assert_int_equal(flush(5), 0);

	/* A large page above the cached table, seen from two levels up. */
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	*entry_at(root, 4, 0, 3) = G1 | RW | PS;
	try_read(DEV0, 0x9000);
	assert_int_equal(violations, 2);
	assert_non_null(strstr(last_violation, "level 3 table"));
	violations = 0;
}

static void test_unlinked_table(void **state)
{
	u64 root = paging_domain(5);
	u64 *link = entry_at(root, 4, 0x1000, 2);
	u64 old;

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	map(root, 0x2000, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	old = *link & ADDR;

	/* Unlinked with its leaves left: they still translate. */
	*link = 0;
	assert_int_equal(try_read(DEV0, 0x2000), IOMMU_OK);
	expect_violation("through the page-walk cache");
	/* Unlinked and emptied, but kept until the flush: only a fault. */
	assert_int_equal(flush_one(5, 0x2000, 0), 0);
	memset(data(old), 0, K4);
	assert_int_equal(try_read(DEV0, 0x2000), IOMMU_FAULT_NOT_PRESENT);
	expect_none();
	/* Freed and reused before the flush, not where the access looks. */
	data(old)[300] = 0xaaaaaaaaaaaaaaaaULL;
	assert_int_equal(try_read(DEV0, 0x2000), IOMMU_FAULT_NOT_PRESENT);
	expect_violation("holds garbage while the domain exists");
	/* After the flush nobody looks there. */
	assert_int_equal(flush(5), 0);
	assert_int_equal(try_read(DEV0, 0x2000), IOMMU_FAULT_NOT_PRESENT);
	expect_none();
}

static void test_delete_checks_tree(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0x12345000, DATA_GPA, RW);
	*(entry_at(root, 4, 0x12345000, 1) + 7) = 0x1000;
	assert_int_equal(delete(5), 0);
	expect_violation("(level 1) holds garbage");
}

static void *flip_entry(void *arg)
{
	u64 *e = arg, good = *e;

	while (!__atomic_load_n(&flip_end, __ATOMIC_RELAXED)) {
		__atomic_store_n(e, RAM_SIZE * 4 | RW, __ATOMIC_RELAXED);
		__atomic_store_n(e, good, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Another processor puts an address outside memory into a checked table. */
static void test_delete_races(void **state)
{
	u64 root = new_table();
	pthread_t thread;
	unsigned i;

	(void)state;
	map(root, 0x12345000, DATA_GPA, RW);
	flip_end = false;
	assert_int_equal(pthread_create(&thread, NULL, flip_entry,
					entry_at(root, 4, 0x12345000, 2)), 0);
	for (i = 0; i < 20000; i++) {
		assert_int_equal(create(5), 0);
		assert_int_equal(configure(5, 1, root), 0);
		assert_int_equal(delete(5), 0);
	}
	__atomic_store_n(&flip_end, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	violations = 0;
}

static void test_flush_coverage(void **state)
{
	static const struct {
		u64 iova;
		unsigned shift;
		bool small, large;	/* dropped? */
	} cases[] = {
		{ 0x600000, 0, true, false },
		{ 0x601000, 0, false, false },
		{ 0x5ff000, 0, false, false },
		{ 0x600000, 9, true, false },
		{ 0x400000, 9, false, true },
		{ 0x400000, 8, false, false },
		{ 0x400000, 10, true, true },
		{ 0x000000, 10, false, false },
		{ 0x000000, 11, true, true },
		{ 0x800000, 11, false, false },
		{ 0x000000, 35, true, true },
		{ 0x000000, 52, true, true },
		{ 0x40000000, 18, false, false },
	};
	u64 root = paging_domain(5);
	u64 *small, *large, v;
	size_t i, crowd;

	(void)state;
	small = entry_at(root, 4, 0x600000, 1);
	large = entry_at(root, 4, 0x400000, 2);
	for (i = 0; i < 300; i++)
		map(root, 8 * G1 + i * K4, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(ctl("stale ok"), 0);
	/*
	 * With few and with many entries cached: both ways to find them. The
	 * table of the small page is cached, too.
	 */
	for (crowd = 0; crowd < 2; crowd++)
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			size_t k;

			assert_int_equal(flush(5), 0);
			*small = DATA_GPA | RW;
			*large = 0x4000000 | RW | PS;
			for (k = 0; crowd && k < 300; k++)
				dma_read(DEV0, 8 * G1 + k * K4);
			dma_read(DEV0, 0x600000);
			dma_read(DEV0, 0x400000);
			*small = 0;
			*large = 0;
			assert_int_equal(flush_one(5, cases[i].iova,
						   cases[i].shift), 0);
			v = 0;
			assert_int_equal(dma(DEV0, 0x600000, IOMMU_READ, &v),
					 cases[i].small ?
					 IOMMU_FAULT_NOT_PRESENT : IOMMU_OK);
			assert_int_equal(dma(DEV0, 0x400000, IOMMU_READ, &v),
					 cases[i].large ?
					 IOMMU_FAULT_NOT_PRESENT : IOMMU_OK);
		}
	expect_none();
}

/*
 * A host whose list flush leaves the walk caches alone: only a flush of the
 * whole domain makes it forget a table that was replaced.
 */
static void test_flush_keeps_tables(void **state)
{
	u64 root = paging_domain(5);
	u64 *slot, first, second;

	(void)state;
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(ctl("config listwalk=0"), 0);
	map(root, 0x600000, DATA_GPA, RW);
	map(root, 0x800000, DATA_GPA, RW);
	slot = entry_at(root, 4, 0x600000, 2);
	first = *slot;
	second = *entry_at(root, 4, 0x800000, 2);

	dma_read(DEV0, 0x600000);
	*slot = second;
	assert_int_equal(flush(5), 0);
	dma_read(DEV0, 0x600000);
	expect_none();

	*slot = first;
	assert_int_equal(flush_one(5, 0x600000, 9), 0);
	dma_read(DEV0, 0x600000);
	expect_violation("stale page-walk cache entry used");
}

static void test_flush_other_domain(void **state)
{
	u64 root5 = paging_domain(5), root6 = paging_domain(6);

	(void)state;
	map(root5, 0x1000, DATA_GPA, RW);
	map(root6, 0x1000, DATA_GPA + K4, RW);
	*data(DATA_GPA) = 1;
	*data(DATA_GPA + K4) = 2;
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(attach(6, DEV1), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	assert_int_equal(dma_read(DEV1, 0x1000), 2);
	*entry_at(root5, 4, 0x1000, 1) = 0;
	assert_int_equal(flush(6), 0);
	assert_int_equal(flush_one(6, 0, 52), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	expect_violation("stale window");
	/* Coming back does not help either: the entry is the domain's. */
	assert_int_equal(attach(6, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 2);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	expect_violation("stale window");
	/* Delete and create anew drops it. */
	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(delete(5), 0);
	assert_int_equal(create(5), 0);
	assert_int_equal(configure(5, 1, root5), 0);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_FAULT_NOT_PRESENT);
	expect_none();
}

/* The same page in many domains: some of the entries share a bucket. */
static void test_many_domains(void **state)
{
	u64 i;

	(void)state;
	start_with("domains=400");
	for (i = 1; i <= 400; i++) {
		map(paging_domain(i), 0x1000, DATA_GPA + i * K4, RW);
		*data(DATA_GPA + i * K4) = i;
		assert_int_equal(attach(i, DEV0), 0);
		assert_int_equal(dma_read(DEV0, 0x1000), i);
	}
	expect_none();
}

static void test_many_entries(void **state)
{
	u64 root = paging_domain(5);
	u64 i, n = 5000;

	(void)state;
	for (i = 0; i < n; i++) {
		map(root, i * K4, DATA_GPA + i * K4, RW);
		*data(DATA_GPA + i * K4) = i;
	}
	assert_int_equal(attach(5, DEV0), 0);
	for (i = 0; i < n; i++)
		assert_int_equal(dma_read(DEV0, i * K4), i);
	for (i = 0; i < n; i++)
		assert_int_equal(dma_read(DEV0, i * K4), i);
	/* Half of them go. */
	assert_int_equal(flush_one(5, 0, 11), 0);
	assert_int_equal(ctl("stale ok"), 0);
	for (i = 0; i < n; i++)
		*entry_at(root, 4, i * K4, 1) = 0;
	for (i = 0; i < n; i++)
		assert_int_equal(try_read(DEV0, i * K4),
				 i < 2048 ? IOMMU_FAULT_NOT_PRESENT :
				 IOMMU_OK);
	expect_none();
}

static void test_negative_caching(void **state)
{
	u64 root;

	(void)state;
	start_with("neg=1");
	root = paging_domain(5);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_FAULT_NOT_PRESENT);
	map(root, 0x1000, DATA_GPA, RW);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_FAULT_NOT_PRESENT);
	assert_int_equal(flush_one(5, 0x1000, 0), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	expect_none();
}

static void test_flush_counts(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	map(root, 0x2000, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	dma_read(DEV0, 0x1000);
	dma_read(DEV0, 0x2000);
	begin_list(5, 3);
	put64(0x20, 0x1000);
	put64(0x28, 0x2000 | 1);
	put64(0x30, 0x8000 | 3);		/* nothing there */
	assert_int_equal(do_call(), 0);
	assert_int_equal(h.reps_done, 3);
	assert_int_equal(ctl("domains"), 0);
	assert_string_equal(answer,
			    "5 paging 4 nvme0 flushes=1 entries=3 pages=11 full=0 redundant=1\n");
	assert_int_equal(flush(5), 0);		/* three tables are cached */
	assert_int_equal(flush(5), 0);
	assert_int_equal(flush_one(5, 0, 35), 0);
	assert_int_equal(ctl("domains"), 0);
	assert_non_null(strstr(answer,
			       "flushes=4 entries=4 pages=34359738379 full=3 redundant=3"));
	assert_int_equal(ctl("counts"), 0);
	assert_non_null(strstr(answer,
			       "cached entries dropped by flushes           5\n"));
	assert_int_equal(ctl("reset-counts"), 0);
	assert_int_equal(ctl("domains"), 0);
	assert_non_null(strstr(answer, "flushes=0 entries=0 pages=0"));
	expect_none();
}

/* ---- domains and devices ---- */

static void test_life_cycle(void **state)
{
	u64 root = new_table();

	(void)state;
	/* Not there: a host simply refuses. */
	assert_int_equal(delete(9), HVS_INVALID_PARAMETER);
	assert_int_equal(configure(9, 1, root), HVS_INVALID_PARAMETER);
	assert_int_equal(attach(9, DEV0), HVS_INVALID_PARAMETER);
	assert_int_equal(flush(9), HVS_INVALID_PARAMETER);
	assert_int_equal(flush_one(9, 0, 0), HVS_INVALID_PARAMETER);
	/* Not configured. */
	assert_int_equal(create(9), 0);
	assert_int_equal(create(9), HVS_KEY_ALREADY_EXISTS);
	assert_int_equal(attach(9, DEV0), HVS_OPERATION_DENIED);
	assert_int_equal(flush(9), HVS_OPERATION_DENIED);
	assert_int_equal(flush_one(9, 0, 0), HVS_OPERATION_DENIED);
	assert_int_equal(delete(9), 0);
	assert_int_equal(delete(9), HVS_INVALID_PARAMETER);
	/* In use. */
	assert_int_equal(create(9), 0);
	assert_int_equal(configure(9, 1, root), 0);
	assert_int_equal(configure(9, 1, root), 0);
	assert_int_equal(attach(9, DEV0), 0);
	assert_int_equal(delete(9), HVS_OBJECT_IN_USE);
	assert_int_equal(configure(9, 1, root), HVS_OBJECT_IN_USE);
	assert_int_equal(ctl_number("domain-count"), 1);
	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(delete(9), 0);
	assert_int_equal(ctl_number("domain-count"), 0);
	/* Ids that share a bucket are different domains. */
	assert_int_equal(create(9), 0);
	assert_int_equal(create(9 + 256), 0);
	assert_int_equal(create(0xfffffffe), 0);
	assert_int_equal(delete(9), 0);
	assert_int_equal(delete(9), HVS_INVALID_PARAMETER);
	assert_int_equal(delete(9 + 256), 0);
	expect_none();
}

static void test_domain_limit(void **state)
{
	(void)state;
	start_with("domains=2");
	assert_int_equal(create(1), 0);
	assert_int_equal(create(2), 0);
	assert_int_equal(create(3), HVS_INSUFFICIENT_DEVICE_DOMAINS);
	assert_int_equal(delete(1), 0);
	assert_int_equal(create(3), 0);
	expect_none();
}

static void test_static_domains(void **state)
{
	(void)state;
	assert_int_equal(create(1), 0);
	assert_int_equal(configure(1, 0, 0), 0);
	assert_int_equal(create(2), 0);
	assert_int_equal(configure(2, 3, 0), 0);
	*data(DATA_GPA) = 5;

	/* Never attached: memory as it is. */
	assert_int_equal(dma_read(DEV0, DATA_GPA), 5);
	assert_int_equal(try_read(DEV0, RAM_SIZE), IOMMU_FAULT_OUTPUT);
	assert_int_equal(try_write(DEV0, 0xfee00000), IOMMU_FAULT_MSI);
	assert_int_equal(ctl("device nvme0"), 0);
	assert_string_equal(answer, "0 unattached\n");

	assert_int_equal(attach(1, DEV0), 0);
	assert_int_equal(dma_read(DEV0, DATA_GPA), 5);
	assert_int_equal(ctl("device nvme0"), 0);
	assert_string_equal(answer, "1 identity\n");
	assert_int_equal(ctl("dma"), 0);
	assert_non_null(strstr(answer, "nvme0 0 3\n"));

	assert_int_equal(ctl("faults-clear"), 0);
	assert_int_equal(attach(2, DEV0), 0);
	assert_int_equal(try_read(DEV0, DATA_GPA), IOMMU_FAULT_BLOCKED);
	assert_int_equal(try_write(DEV0, 0xfee00000), IOMMU_FAULT_BLOCKED);
	assert_int_equal(ctl_number("blocked-dma"), 2);
	assert_int_equal(ctl_number("faults"), 0);
	assert_int_equal(ctl("fault-last"), 0);
	assert_string_equal(answer, "none\n");

	/* Flushing them is odd but harmless. */
	assert_int_equal(flush(1), 0);
	assert_int_equal(flush_one(2, 0, 0), 0);
	assert_int_equal(h.reps_done, 1);
	assert_int_equal(ctl("domains"), 0);
	assert_non_null(strstr(answer, "1 identity 0 - "));
	assert_non_null(strstr(answer, "2 blocked 0 nvme0 "));
	expect_none();
}

static void test_attach(void **state)
{
	u64 root5 = paging_domain(5), root6 = paging_domain(6);

	(void)state;
	map(root5, 0x1000, DATA_GPA, RW);
	map(root6, 0x1000, DATA_GPA + K4, RW);
	*data(DATA_GPA) = 1;
	*data(DATA_GPA + K4) = 2;
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(attach(5, DEV0), HVS_DEVICE_ALREADY_IN_DOMAIN);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	assert_int_equal(attach(6, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 2);
	assert_int_equal(attach(6, DEV1), 0);
	assert_int_equal(ctl("domains"), 0);
	assert_non_null(strstr(answer, "6 paging 4 nvme0,dmaprobe0 "));
	assert_int_equal(delete(5), 0);

	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_FAULT_BLOCKED);
	assert_int_equal(ctl("device nvme0"), 0);
	assert_string_equal(answer, "0 detached\n");
	assert_int_equal(detach(DEV0), HVS_INVALID_DEVICE_STATE);
	assert_int_equal(delete(6), HVS_OBJECT_IN_USE);
	assert_int_equal(attach(6, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 2);
	expect_none();
}

static void test_attach_variants(void **state)
{
	u64 root5 = paging_domain(5), root6 = paging_domain(6);

	(void)state;
	map(root5, 0x1000, DATA_GPA, RW);
	map(root6, 0x1000, DATA_GPA + K4, RW);
	*data(DATA_GPA) = 1;
	*data(DATA_GPA + K4) = 2;

	assert_int_equal(ctl("config inuse=any"), 0);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(attach(5, DEV0), HVS_DEVICE_ALREADY_IN_DOMAIN);
	assert_int_equal(attach(6, DEV0), HVS_DEVICE_ALREADY_IN_DOMAIN);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(attach(6, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 2);

	assert_int_equal(ctl("config inuse=same,attach=detach-first"), 0);
	assert_int_equal(attach(6, DEV0), HVS_DEVICE_ALREADY_IN_DOMAIN);
	assert_int_equal(attach(5, DEV0), HVS_INVALID_DEVICE_STATE);
	assert_int_equal(dma_read(DEV0, 0x1000), 2);
	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	assert_int_equal(ctl("config attach=replace"), 0);
	assert_int_equal(attach(6, DEV0), 0);
	expect_none();
}

/* Caches that lose entries at random change nothing but the misses. */
static void test_eviction(void **state)
{
	u64 root = paging_domain(5), misses = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 8; i++) {
		map(root, i * K4, DATA_GPA + i * K4, RW);
		*data(DATA_GPA + i * K4) = i;
	}
	*entry_at(root, 4, G1, 2) = 0x4000000 | RW | PS;
	assert_int_equal(attach(5, DEV0), 0);
	for (i = 0; i < 2000; i++) {
		if (i == 1000) {
			assert_int_equal(ctl("counts"), 0);
			misses = strtoull(strstr(answer, "IOTLB misses") + 12,
					  NULL, 10);
			assert_int_equal(misses, 9);
			assert_int_equal(ctl("config evict=5"), 0);
		}
		assert_int_equal(dma_read(DEV0, i % 8 * K4), i % 8);
		dma_read(DEV0, G1 + i * 64);
	}
	assert_int_equal(ctl("counts"), 0);
	misses = strtoull(strstr(answer, "IOTLB misses") + 12, NULL, 10);
	assert_in_range(misses, 200, 1900);
	expect_none();
}

static void ats(u32 dev, bool on)
{
	iommu_device_set_ats(mmu, dev, on, true);
}

static void expect_ats(const char *text)
{
	assert_int_equal(ctl("ats nvme0"), 0);
	assert_string_equal(answer, text);
}

static void test_ats_rules(void **state)
{
	(void)state;
	paging_domain(5);
	assert_int_equal(create(6), 0);
	assert_int_equal(configure(6, 3, 0), 0);
	assert_int_equal(create(7), 0);
	assert_int_equal(configure(7, 0, 0), 0);

	assert_int_equal(attach(5, DEV0), 0);
	ats(DEV0, true);
	expect_violation("does not offer");
	start_with("ats");
	map(paging_domain(5), 0x1000, DATA_GPA, RW);
	assert_int_equal(create(6), 0);
	assert_int_equal(configure(6, 3, 0), 0);
	assert_int_equal(create(7), 0);
	assert_int_equal(configure(7, 0, 0), 0);

	/* Before something translates, and when nothing does any more. */
	ats(DEV0, true);
	expect_violation("unattached");
	ats(DEV0, false);
	assert_int_equal(attach(6, DEV0), 0);
	ats(DEV0, true);
	expect_violation("(blocked)");
	assert_int_equal(attach(6, DEV0), HVS_DEVICE_ALREADY_IN_DOMAIN);
	expect_violation("still enabled");
	ats(DEV0, false);
	assert_int_equal(detach(DEV0), 0);
	ats(DEV0, true);
	expect_violation("(detached)");
	ats(DEV0, false);

	assert_int_equal(attach(7, DEV0), 0);
	ats(DEV0, true);
	assert_int_equal(attach(5, DEV0), 0);
	expect_ats("on 0 0\n");
	ats(DEV0, true);
	expect_none();
	assert_int_equal(attach(6, DEV0), 0);
	expect_violation("ATTACH_DEVICE_DOMAIN: ATS of nvme0 is still enabled");
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(detach(DEV0), 0);
	expect_violation("DETACH_DEVICE_DOMAIN: ATS of nvme0 is still enabled");

	ats(DEV0, false);
	assert_int_equal(attach(5, DEV0), 0);
	ats(DEV0, true);
	ats(DEV0, false);
	assert_int_equal(attach(6, DEV0), 0);
	assert_int_equal(detach(DEV0), 0);
	/* Gone, or never there: nobody to report about. */
	assert_int_equal(attach(5, DEV0), 0);
	ats(DEV0, true);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	expect_ats("on 1 0\n");
	iommu_device_remove(mmu, DEV0);
	ats(DEV0, true);
	ats(DEV_NEVER, true);
	iommu_device_add(mmu, DEV0, "nvme0", true);
	expect_ats("off 0 0\n");
	expect_none();
}

static void test_atc(void **state)
{
	u64 root;

	(void)state;
	start_with("ats,attach-atc=keep");
	root = paging_domain(5);
	map(root, 0x1000, DATA_GPA, RW);
	map(root, 0x2000, DATA_GPA + K4, RO);
	*entry_at(root, 4, M2, 2) = 0x4000000 | RW | PS;
	*data(DATA_GPA + 8) = 1;
	*data(0x4000000 + 0x5008) = 2;
	assert_int_equal(attach(5, DEV0), 0);
	/* Without ATS nothing is kept. */
	assert_int_equal(dma_read(DEV0, 0x1008), 1);
	assert_int_equal(dma_read(DEV0, 0x1008), 1);
	expect_ats("off 0 0\n");

	ats(DEV0, true);
	assert_int_equal(dma_read(DEV0, 0x1008), 1);
	expect_ats("on 1 0\n");
	assert_int_equal(dma_read(DEV0, 0x1008), 1);
	/* The first was read, but may be written as well. */
	assert_int_equal(try_write(DEV0, 0x1010), IOMMU_OK);
	expect_ats("on 1 2\n");
	/* Lacking rights, the device asks, and hears no. */
	assert_int_equal(try_read(DEV0, 0x2000), IOMMU_OK);
	assert_int_equal(try_write(DEV0, 0x2000), IOMMU_FAULT_WRITE_RO);
	expect_ats("on 2 2\n");
	/* One page of a large one. */
	assert_int_equal(dma_read(DEV0, M2 + 0x5008), 2);
	assert_int_equal(dma_read(DEV0, M2 + 0x5008), 2);
	assert_int_equal(try_read(DEV0, M2), IOMMU_OK);
	expect_ats("on 4 3\n");
	assert_int_equal(try_read(DEV0, 0x7000), IOMMU_FAULT_NOT_PRESENT);
	expect_ats("on 4 3\n");
	assert_int_equal(try_read(DEV0, 0xfee00000), IOMMU_FAULT_MSI);
	/* Each device has its own. */
	assert_int_equal(attach(5, DEV1), 0);
	assert_int_equal(dma_read(DEV1, 0x1008), 1);
	expect_ats("on 4 3\n");
	ats(DEV0, false);
	ats(DEV0, true);
	expect_ats("on 0 3\n");
	expect_none();
}

static void test_atc_flushes(void **state)
{
	u64 root, root6;
	unsigned i;

	(void)state;
	start_with("ats,attach-atc=keep");
	root = paging_domain(5);
	root6 = paging_domain(6);
	for (i = 0; i < 16; i++)
		map(root, i * K4, DATA_GPA + i * K4, RW);
	map(root6, 0, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(attach(6, DEV1), 0);
	ats(DEV0, true);
	ats(DEV1, true);
	for (i = 0; i < 16; i++)
		try_read(DEV0, i * K4);
	try_read(DEV1, 0);
	expect_ats("on 16 0\n");
	assert_int_equal(flush_one(5, 4 * K4, 2), 0);
	expect_ats("on 12 0\n");
	assert_int_equal(flush_one(5, 15 * K4, 0), 0);
	expect_ats("on 11 0\n");
	assert_int_equal(flush_one(5, 4 * K4, 2), 0);
	assert_int_equal(flush_one(6, 0, 4), 0);
	assert_int_equal(flush(6), 0);
	expect_ats("on 11 0\n");
	assert_int_equal(ctl("ats dmaprobe0"), 0);
	assert_string_equal(answer, "on 0 0\n");
	assert_int_equal(flush_one(5, 0, 52), 0);
	expect_ats("on 0 0\n");
	try_read(DEV0, 0);
	assert_int_equal(flush(5), 0);
	expect_ats("on 0 0\n");
	/* A flush that fails reaches no device. */
	try_read(DEV0, 0);
	assert_int_equal(ctl("fail flush INSUFFICIENT_MEMORY"), 0);
	assert_int_equal(flush(5), HVS_INSUFFICIENT_MEMORY);
	expect_ats("on 1 0\n");
	expect_none();
}

static void test_atc_judged(void **state)
{
	u64 root5, root6;

	(void)state;
	start_with("ats,attach-atc=keep");
	root5 = paging_domain(5);
	root6 = paging_domain(6);
	map(root5, 0x1000, DATA_GPA, RW);
	map(root6, 0x1000, DATA_GPA + K4, RW);
	*data(DATA_GPA) = 1;
	*data(DATA_GPA + K4) = 2;
	assert_int_equal(attach(5, DEV0), 0);
	ats(DEV0, true);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);

	/* Unmapped, changed, taken away: as the IOTLB, but past the host. */
	map(root5, 0x1000, 0, 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_violation("through the ATC");
	assert_int_equal(ctl_number("stale-hits"), 1);
	map(root5, 0x1000, DATA_GPA + K4, RW);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_violation("stale ATC entry");
	map(root5, 0x1000, DATA_GPA, RO);
	assert_int_equal(try_write(DEV0, 0x1000), IOMMU_OK);
	expect_violation("stale ATC entry");
	map(root5, 0x1000, DATA_GPA, RW);
	*data(DATA_GPA) = 1;

	/* It survives an attach, a block and a detach. */
	assert_int_equal(attach(6, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_violation("cached in domain 5, used in domain 6 (paging)");
	assert_int_equal(flush(5), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_violation("cached in domain 5, used in domain 6 (paging)");
	assert_int_equal(detach(DEV0), 0);
	expect_violation("still enabled");
	assert_int_equal(dma_read(DEV0, 0x1000), 1);
	expect_violation("cached in domain 5, used in domain 0 (none)");

	/* Off, it asks again, and on again it knows nothing. */
	ats(DEV0, false);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_FAULT_BLOCKED);
	assert_int_equal(attach(6, DEV0), 0);
	ats(DEV0, true);
	assert_int_equal(dma_read(DEV0, 0x1000), 2);
	expect_none();

	/* A new domain of the same id is another one. */
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(delete(6), 0);
	root6 = paging_domain(6);
	map(root6, 0x1000, DATA_GPA + K4, RW);
	assert_int_equal(attach(6, DEV0), 0);
	dma_read(DEV0, 0x1000);
	expect_violation("cached in domain 6, used in domain 6 (paging)");
}

static void test_devices(void **state)
{
	(void)state;
	assert_int_equal(property(DEV0), 0);
	assert_int_equal(out64(0), 1);
	assert_int_equal(out64(8), 0);
	assert_int_equal(property(DEV_DIRECT), 0);
	assert_int_equal(out64(0), 0);
	expect_none();

	paging_domain(5);
	assert_int_equal(attach(5, DEV_NEVER), HVS_INVALID_DEVICE_ID);
	expect_violation("device id at offset 0x18 is 0x22220000");
	assert_int_equal(detach(DEV_NEVER), HVS_INVALID_DEVICE_ID);
	expect_violation("device id at offset 0x8 is 0x22220000");
	assert_int_equal(property(DEV_NEVER), HVS_INVALID_DEVICE_ID);
	expect_violation("no device ever had it");
	assert_int_equal(attach(5, DEV_DIRECT), HVS_INVALID_DEVICE_STATE);
	expect_violation("direct0 is not behind the pvIOMMU");

	/* Taken away: the guest may not know yet. */
	assert_int_equal(attach(5, DEV0), 0);
	iommu_device_remove(mmu, DEV0);
	assert_int_equal(attach(5, DEV0), HVS_INVALID_DEVICE_ID);
	assert_int_equal(detach(DEV0), HVS_INVALID_DEVICE_ID);
	assert_int_equal(property(DEV0), HVS_INVALID_DEVICE_ID);
	assert_int_equal(try_read(DEV0, 0), IOMMU_FAULT_NO_DEVICE);
	assert_int_equal(ctl("device nvme0"), -1);
	assert_int_equal(delete(5), 0);
	/* And back, as another device, not attached. */
	iommu_device_add(mmu, DEV0, "other", true);
	assert_int_equal(property(DEV0), 0);
	assert_int_equal(try_read(DEV0, DATA_GPA), IOMMU_OK);
	assert_int_equal(ctl("device other"), 0);
	assert_string_equal(answer, "0 unattached\n");
	expect_none();
}

static void test_unload(void **state)
{
	(void)state;
	paging_domain(5);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(attach(5, DEV1), 0);
	assert_int_equal(detach(DEV1), 0);
	iommu_unload(mmu);
	assert_int_equal(ctl_number("domain-count"), 1);
	assert_int_equal(ctl("device nvme0"), 0);
	assert_string_equal(answer, "5 paging\n");

	assert_int_equal(ctl("config unload=drop"), 0);
	iommu_unload(mmu);
	assert_int_equal(ctl_number("domain-count"), 0);
	assert_int_equal(ctl("device nvme0"), 0);
	assert_string_equal(answer, "0 unattached\n");
	assert_int_equal(ctl("device dmaprobe0"), 0);
	assert_string_equal(answer, "0 unattached\n");
	paging_domain(5);
	expect_none();
}

/* The tables of a kernel that is gone hold anything, and are used as such. */
static void test_forgive(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	map(root, 0x2000, DATA_GPA, RW);
	map(root, M2, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(attach(5, DEV1), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 0);
	assert_int_equal(ctl_number("forgiven-dma nvme0"), 0);
	assert_int_equal(ctl("forgive"), 0);

	/* unmapped, changed, garbage, another table */
	*entry_at(root, 4, 0x1000, 1) = 0;
	assert_int_equal(dma_read(DEV0, 0x1000), 0);
	*entry_at(root, 4, 0x1000, 1) = (DATA_GPA + K4) | RO;
	assert_int_equal(dma_read(DEV0, 0x1000), 0);
	*entry_at(root, 4, 0x2000, 1) = 0xfff;
	assert_int_equal(try_read(DEV0, 0x2000), IOMMU_OK);
	*entry_at(root, 4, M2, 2) = 0x1234;
	assert_int_equal(try_read(DEV0, M2), IOMMU_FAULT_NOT_PRESENT);
	*entry_at(root, 4, 0, 3) = new_table() | RW;
	assert_int_equal(dma_read(DEV0, 0x1000), 0);
	assert_int_equal(flush(5), 0);
	assert_int_equal(ctl_number("forgiven-dma nvme0"), 4);
	assert_int_equal(ctl_number("forgiven-dma dmaprobe0"), 0);
	assert_int_equal(ctl("forgiven-dma nobody"), -1);
	expect_none();

	/* a new domain under the same id is not */
	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(detach(DEV1), 0);
	assert_int_equal(delete(5), 0);
	expect_none();
	root = paging_domain(5);
	map(root, 0x1000, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(dma_read(DEV0, 0x1000), 0);
	*entry_at(root, 4, 0x1000, 1) = 0;
	try_read(DEV0, 0x1000);
	expect_violation("stale window");

	/* nor one that is configured again */
	assert_int_equal(ctl("forgive"), 0);
	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(configure(5, 1, root), 0);
	*entry_at(root, 4, 0x1000, 1) = 0x10;
	assert_int_equal(delete(5), 0);
	expect_violation("holds garbage");
}

static void test_watch(void **state)
{
	u64 root = paging_domain(5);
	char line[64];

	(void)state;
	map(root, 0x1000, DATA_GPA, RW);
	map(root, 0x2000, DATA_GPA + K4, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_write(DEV0, 0x1000), IOMMU_OK);
	assert_int_equal(ctl_number("watched nvme0"), 0);
	snprintf(line, sizeof(line), "watch 0x%llx 0x%llx",
		 (unsigned long long)DATA_GPA + 0x100,
		 (unsigned long long)DATA_GPA + K4);
	assert_int_equal(ctl(line), 0);
	assert_int_equal(try_write(DEV0, 0x1000), IOMMU_OK);
	assert_int_equal(try_write(DEV0, 0x1000 + 0xf8), IOMMU_OK);
	assert_int_equal(try_write(DEV0, 0x2000), IOMMU_OK);
	assert_int_equal(ctl_number("watched nvme0"), 0);
	assert_int_equal(try_write(DEV0, 0x1000 + 0xfc), IOMMU_OK);
	assert_int_equal(try_read(DEV0, 0x1ff8), IOMMU_OK);
	/* identity and untranslated are accesses as well */
	assert_int_equal(try_write(DEV1, DATA_GPA + 0x200), IOMMU_OK);
	assert_int_equal(ctl_number("watched nvme0"), 2);
	assert_int_equal(ctl_number("watched dmaprobe0"), 1);
	assert_int_equal(ctl("watch 0 0"), 0);
	assert_int_equal(try_write(DEV0, 0x1100), IOMMU_OK);
	assert_int_equal(ctl_number("watched nvme0"), 0);
	assert_int_equal(ctl("watch 2 1"), -1);
	assert_int_equal(ctl("watch 1 x"), -1);
	assert_int_equal(ctl("watched nobody"), -1);
	expect_none();
}

static void test_leftovers(void **state)
{
	char text[512];
	FILE *out;

	(void)state;
	assert_int_equal(iommu_leftovers(mmu, stderr), 0);
	paging_domain(5);
	paging_domain(6);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(attach(5, DEV1), 0);
	assert_int_equal(detach(DEV1), 0);
	out = fmemopen(text, sizeof(text), "w");
	assert_int_equal(iommu_leftovers(mmu, out), 3);
	fclose(out);
	assert_string_equal(text,
			    "domain 5 (paging) left\n"
			    "domain 6 (paging) left\n"
			    "device nvme0 left in domain 5\n");
	assert_int_equal(delete(6), 0);
	iommu_device_remove(mmu, DEV0);
	iommu_device_remove(mmu, DEV1);
	out = fmemopen(text, sizeof(text), "w");
	assert_int_equal(iommu_leftovers(mmu, out), 1);
	fclose(out);
	expect_none();
}

/* ---- the referee of the wire ---- */

static void begin_create(void)
{
	begin_domain_call(CREATE, 50);
	put32(0x18, 1);
}

static void begin_delete(void)
{
	begin_domain_call(DELETE, 5);
}

static void begin_configure(void)
{
	begin_domain_call(CONFIGURE, 6);
	put64(0x18, 1);
	put64(0x20, TABLES_GPA);
}

static void begin_attach(void)
{
	begin_domain_call(ATTACH, 6);
	put64(0x18, DEV1);
}

static void begin_detach(void)
{
	begin_call(DETACH);
	put64(8, DEV0);
}

static void begin_flush(void)
{
	begin_domain_call(FLUSH, 6);
}

static void begin_flush_list(void)
{
	begin_list(6, 1);
}

static void begin_caps(void)
{
	begin_call(CAPS);
}

static void begin_property(void)
{
	begin_call(PROPERTY);
	put64(8, DEV0);
	put32(0x10, 10);
}

static void (*const begin_any[])(void) = {
	begin_create, begin_configure, begin_attach, begin_detach, begin_flush,
	begin_flush_list, begin_caps, begin_property, begin_delete,
};
static const unsigned in_size[] = { 32, 40, 32, 16, 32, 40, 16, 24, 24 };

static void prepare_domains(void)
{
	assert_int_equal(create(5), 0);
	paging_domain(6);
	paging_domain(7);
	assert_int_equal(attach(7, DEV0), 0);
}

/*
 * Every single bit of every input: flipping one either is refused with a
 * violation, or is one of the few that a host takes or only refuses.
 */
static void test_every_input_bit(void **state)
{
	static const struct {
		u16 code;
		unsigned first, last;	/* bytes whose bits are values */
	} values[] = {
		{ CREATE, 0x14, 0x17 }, { DELETE, 0x14, 0x17 },
		{ CONFIGURE, 0x14, 0x17 }, { ATTACH, 0x14, 0x17 },
		{ FLUSH, 0x14, 0x17 }, { FLUSH_LIST, 0x14, 0x17 },
		{ FLUSH_LIST, 0x20, 0x27 }, { CREATE, 0x18, 0x18 },
		{ CONFIGURE, 0x18, 0x18 }, { CONFIGURE, 0x20, 0x27 },
		{ ATTACH, 0x18, 0x1b }, { DETACH, 0x08, 0x0b },
		{ PROPERTY, 0x08, 0x0b },
	};
	unsigned call, bit, tested = 0;
	size_t i;

	(void)state;
	for (call = 0; call < ARRAY_SIZE(begin_any); call++)
		for (bit = 0; bit < in_size[call] * 8; bit++) {
			bool value = false;

			begin_any[call]();
			for (i = 0; i < ARRAY_SIZE(values); i++)
				value |= values[i].code == h.code &&
					 bit / 8 >= values[i].first &&
					 bit / 8 <= values[i].last;
			if (value)
				continue;
			start_with(NULL);
			prepare_domains();
			begin_any[call]();
			in[bit / 8] ^= 1 << (bit % 8);
			if (do_call() == 0 || violations != 1)
				fail_msg("call 0x%x, byte 0x%x bit %u: %lu violations",
					 h.code, bit / 8, bit % 8, violations);
			tested++;
		}
	assert_int_equal(tested, 8 * (256 - 54));
}

static void test_valid_calls(void **state)
{
	unsigned call;

	(void)state;
	prepare_domains();
	for (call = 0; call < ARRAY_SIZE(begin_any); call++) {
		begin_any[call]();
		assert_int_equal(do_call(), 0);
		assert_true(iommu_owns_call(h.code));
		assert_non_null(h.name);
	}
	expect_none();
	assert_false(iommu_owns_call(0xb3));
	assert_false(iommu_owns_call(0x5c));
}

static void test_header_fields(void **state)
{
	(void)state;
	assert_int_equal(create(0), HVS_INVALID_PARAMETER);
	expect_violation("domain id at offset 0x14 is 0x0");
	assert_int_equal(delete(0xffffffff), HVS_INVALID_PARAMETER);
	expect_violation("domain id at offset 0x14 is 0xffffffff");
	begin_create();
	put64(0, 1);
	assert_int_equal(do_call(), HVS_ACCESS_DENIED);
	expect_violation("CREATE_DEVICE_DOMAIN: partition id at offset 0x0 is 0x1");
	begin_create();
	in[8] = 0x10;
	assert_int_equal(do_call(), HVS_ACCESS_DENIED);
	expect_violation("owner VTL");
	begin_create();
	in[0xf] = 1;
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("padding at offset 0xf is 0x1");
	begin_create();
	put32(0x10, 0);
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("must be 1 (stage 1)");
	begin_create();
	put32(0x10, 0x11);
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("reserved bits");
}

static void test_create_fields(void **state)
{
	(void)state;
	begin_create();
	put32(0x18, 3);
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("only bit 0");
	begin_create();
	in[31] = 0x80;
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("tail bytes at offset 0x1c is 0x80000000");
	begin_create();
	put32(0x18, 0);
	assert_int_equal(do_call(), 0);
	expect_none();
}

static void test_configure_fields(void **state)
{
	static const struct {
		u64 flags, root;
		const char *why;
	} bad[] = {
		{ 9, TABLES_GPA, "reserved bits" },
		{ 1 | BIT_ULL(63), TABLES_GPA, "reserved bits" },
		{ 2, 0, "blocked without translation" },
		{ 7, 0, "without a table" },
		{ 4, 0, "without a table" },
		{ 0, TABLES_GPA, "must be 0 for a domain" },
		{ 3, TABLES_GPA, "must be 0 for a domain" },
		{ 5, TABLES_GPA, "5-level" },
		{ 1, 0, "missing" },
		{ 1, TABLES_GPA + 8, "not page aligned" },
		{ 1, RAM_SIZE, "outside guest memory" },
		{ 1, BIT_ULL(52) | TABLES_GPA, "outside guest memory" },
	};
	size_t i;

	(void)state;
	assert_int_equal(create(5), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(configure(5, bad[i].flags, bad[i].root),
				 HVS_INVALID_PARAMETER);
		expect_violation(bad[i].why);
	}
	/* Nothing of it took effect. */
	assert_int_equal(flush(5), HVS_OPERATION_DENIED);
	expect_none();
}

static void test_device_id_fields(void **state)
{
	(void)state;
	prepare_domains();
	assert_int_equal(attach(6, BIT_ULL(32) | DEV0), HVS_INVALID_PARAMETER);
	expect_violation("zero-extended");
	assert_int_equal(detach(BIT_ULL(63) | DEV0), HVS_INVALID_PARAMETER);
	expect_violation("zero-extended");
	assert_int_equal(property(BIT_ULL(62) | DEV0), HVS_INVALID_PARAMETER);
	expect_violation("zero-extended");
	begin_property();
	put32(0x10, 11);
	assert_int_equal(do_call(), HVS_UNKNOWN_PROPERTY);
	expect_violation("property code at offset 0x10 is 0xb");
	begin_property();
	put32(0x14, 1);
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("reserved at offset 0x14");
}

static void test_control_word(void **state)
{
	unsigned call;

	(void)state;
	prepare_domains();
	for (call = 0; call < ARRAY_SIZE(begin_any); call++) {
		begin_any[call]();
		h.reserved_bits = true;
		assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_INPUT);
		expect_violation("reserved bits");
		begin_any[call]();
		h.fast = true;
		assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_INPUT);
		expect_violation("fast");
		begin_any[call]();
		h.var_hdr = 1;
		assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_INPUT);
		expect_violation("variable header");
		begin_any[call]();
		if (h.code == FLUSH_LIST)
			continue;
		h.rep_count = 1;
		assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_INPUT);
		expect_violation("rep fields");
		begin_any[call]();
		h.rep_start = 1;
		assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_INPUT);
		expect_violation("rep fields");
	}
	begin_list(6, 0);
	assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_INPUT);
	expect_violation("rep count 0");
	begin_list(6, 509);
	assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_INPUT);
	expect_violation("rep count 509");
	begin_list(6, 2);
	h.rep_start = 2;
	assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_INPUT);
	expect_violation("rep start 2");
	begin_list(6, 508);
	assert_int_equal(do_call(), 0);
	assert_int_equal(h.reps_done, 508);
	expect_none();
}

static void test_interrupts_on(void **state)
{
	(void)state;
	begin_create();
	h.irqs_on = true;
	h.vp = 3;
	assert_int_equal(do_call(), 0);
	expect_violation("CREATE_DEVICE_DOMAIN: called on vCPU 3 with interrupts enabled");
}

static void test_placement(void **state)
{
	(void)state;
	prepare_domains();
	begin_create();
	h.in = IN_GPA + 4;
	assert_int_equal(do_call(), HVS_INVALID_ALIGNMENT);
	expect_violation("not 8-byte aligned");
	begin_create();
	h.in = IN_GPA + K4 - 24;
	assert_int_equal(do_call(), HVS_INVALID_ALIGNMENT);
	expect_violation("input of 32 bytes at 0x1fe8 crosses a page");
	begin_create();
	h.in = RAM_SIZE;
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("outside guest memory");
	/* The rep count decides how long a list is. */
	begin_list(6, 508);
	h.in = IN_GPA + 8;
	assert_int_equal(do_call(), HVS_INVALID_ALIGNMENT);
	expect_violation("input of 4096 bytes");

	begin_caps();
	h.out = OUT_GPA + 1;
	assert_int_equal(do_call(), HVS_INVALID_ALIGNMENT);
	expect_violation("output address");
	begin_caps();
	h.out = IN_GPA + K4 - 16;
	assert_int_equal(do_call(), HVS_INVALID_ALIGNMENT);
	expect_violation("output of 24 bytes");
	begin_caps();
	h.out = RAM_SIZE;
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("output address");
	begin_caps();
	h.out = IN_GPA + 8;
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("overlaps");
	begin_caps();
	h.in = IN_GPA + 16;
	h.out = IN_GPA;
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("overlaps");
	/* Right behind the input is fine. */
	begin_caps();
	h.out = IN_GPA + 16;
	memcpy(mem.ram + IN_GPA, in, 16);
	assert_int_equal(iommu_hypercall(mmu, &h), 0);
	expect_none();
}

static void test_list_entries(void **state)
{
	static const struct {
		u64 entry;
		const char *why;
	} bad[] = {
		{ 0x1000 | BIT_ULL(6), "bits 11:6" },
		{ 0x1000 | BIT_ULL(11), "bits 11:6" },
		{ 53, "shift above 52" },
		{ 63, "shift above 52" },
		{ 0x1000 | 1, "not aligned" },
		{ 0x100000 | 9, "not aligned" },
		{ BIT_ULL(48), "beyond" },
		{ BIT_ULL(63), "beyond" },
	};
	size_t i;

	(void)state;
	paging_domain(6);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		begin_list(6, 2);
		put64(0x28, bad[i].entry);
		assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
		expect_violation(bad[i].why);
		assert_non_null(strstr(last_violation, "offset 0x28"));
	}
	assert_int_equal(flush_one(6, 0, 52), 0);
	assert_int_equal(flush_one(6, M2, 9), 0);
	begin_list(6, 1);
	put32(0x18, 0);
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	expect_violation("IOMMU format");
	/* Elements before the start are none of the call's business. */
	begin_list(6, 2);
	put64(0x20, 53);
	h.rep_start = 1;
	assert_int_equal(do_call(), 0);
	assert_int_equal(h.reps_done, 2);
	expect_none();
}

static void test_output(void **state)
{
	unsigned i;

	(void)state;
	start_with("width=39,pgsizes=4k+2m,caps=0x25,size=17");
	memset(mem.ram + OUT_GPA, 0x77, 64);
	begin_caps();
	assert_int_equal(do_call(), 0);
	assert_int_equal(out64(0), 17 | 39ULL << 48);
	assert_int_equal(out64(8), 0x25);
	assert_int_equal(out64(16), K4 | M2);
	for (i = 24; i < 64; i++)
		assert_int_equal(mem.ram[OUT_GPA + i], 0x77);

	/* A failure leaves poison, not what was there before. */
	iommu_device_remove(mmu, DEV0);
	memset(mem.ram + OUT_GPA, 0x77, 64);
	assert_int_equal(property(DEV0), HVS_INVALID_DEVICE_ID);
	for (i = 0; i < 16; i++)
		assert_int_equal(mem.ram[OUT_GPA + i], 0xdb);
	assert_int_equal(mem.ram[OUT_GPA + 16], 0x77);
	expect_none();
}

static void test_scribble(void **state)
{
	unsigned i;

	(void)state;
	memset(mem.ram + IN_GPA, 0x77, 64);
	assert_int_equal(create(5), 0);
	for (i = 0; i < 32; i++)
		assert_int_equal(mem.ram[IN_GPA + i], 0x5c);
	assert_int_equal(mem.ram[IN_GPA + 32], 0);

	assert_int_equal(ctl("config scribble=0"), 0);
	assert_int_equal(create(6), 0);
	assert_memory_equal(mem.ram + IN_GPA, in, 64);
	iommu_device_remove(mmu, DEV0);
	memset(mem.ram + OUT_GPA, 0x77, 16);
	assert_int_equal(property(DEV0), HVS_INVALID_DEVICE_ID);
	assert_int_equal(mem.ram[OUT_GPA], 0x77);
}

/* ---- what a test can ask for ---- */

static void test_partial(void **state)
{
	u64 root = paging_domain(5);
	u64 i;

	(void)state;
	begin_list(5, 5);
	for (i = 0; i < 5; i++) {
		map(root, i * K4, DATA_GPA, RW);
		put64(0x20 + i * 8, i * K4);
	}
	assert_int_equal(ctl("partial 2"), 0);
	memcpy(mem.ram + IN_GPA, in, 0x48);
	assert_int_equal(iommu_hypercall(mmu, &h), 0);
	assert_int_equal(h.reps_done, 2);
	/* To be continued: the input is still the guest's. */
	assert_memory_equal(mem.ram + IN_GPA, in, 0x48);
	h.rep_start = 2;
	assert_int_equal(iommu_hypercall(mmu, &h), 0);
	assert_int_equal(h.reps_done, 4);
	h.rep_start = 4;
	assert_int_equal(iommu_hypercall(mmu, &h), 0);
	assert_int_equal(h.reps_done, 5);
	assert_int_equal(mem.ram[IN_GPA], 0x5c);
	assert_int_equal(ctl("domains"), 0);
	assert_non_null(strstr(answer, "flushes=3 entries=5 pages=5"));
	assert_int_equal(ctl("partial 0"), 0);
	begin_list(5, 5);
	assert_int_equal(do_call(), 0);
	assert_int_equal(h.reps_done, 5);
	expect_none();
}

static char events[256];

static void note_event(void *opaque, const char *line)
{
	assert_ptr_equal(opaque, events);
	strcat(events, line);
	strcat(events, ";");
	/* In the middle of a call. */
	if (!strcmp(line, "gone"))
		iommu_device_remove(mmu, DEV0);
}

static void test_events(void **state)
{
	(void)state;
	assert_int_equal(ctl("on create 1 before x"), -1);
	iommu_set_event(mmu, note_event, events);
	assert_int_equal(ctl("on create 2 before some words"), 0);
	assert_int_equal(ctl("on create 1 after other"), 0);
	assert_int_equal(ctl_number("on waiting"), 2);
	assert_int_equal(create(1), 0);
	assert_string_equal(events, "other;");
	assert_int_equal(create(1), HVS_KEY_ALREADY_EXISTS);
	assert_string_equal(events, "other;some words;");
	assert_int_equal(create(2), 0);
	assert_string_equal(events, "other;some words;");
	assert_int_equal(ctl_number("on waiting"), 0);
	/* The call sees what came before it. */
	assert_int_equal(configure(1, 0, 0), 0);
	assert_int_equal(ctl("on attach 1 before gone"), 0);
	assert_int_equal(attach(1, DEV0), HVS_INVALID_DEVICE_ID);
	assert_int_equal(ctl("on flush 1 before x"), 0);
	assert_int_equal(ctl("on clear"), 0);
	assert_int_equal(flush(1), 0);
	assert_string_equal(events, "other;some words;gone;");
	assert_int_equal(ctl("on"), -1);
	assert_int_equal(ctl("on create"), -1);
	assert_int_equal(ctl("on create 0 before x"), -1);
	assert_int_equal(ctl("on create 1 during x"), -1);
	assert_int_equal(ctl("on nothing 1 before x"), -1);
	assert_int_equal(ctl("on create 1 before 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"),
			 -1);
}

/* A host that does not do what a guest can do without. */
static void test_minimal(void **state)
{
	(void)state;
	start_with("minimal");
	assert_int_equal(create(1), 0);
	assert_int_equal(configure(1, 0, 0), 0);
	paging_domain(2);
	assert_int_equal(attach(2, DEV0), 0);
	assert_int_equal(detach(DEV0), HVS_INVALID_HYPERCALL_CODE);
	assert_int_equal(ctl("device nvme0"), 0);
	assert_string_equal(answer, "2 paging\n");
	begin_list(2, 2);
	assert_int_equal(do_call(), HVS_INVALID_PARAMETER);
	begin_list(2, 1);
	assert_int_equal(do_call(), 0);
	assert_int_equal(attach(1, DEV0), 0);
	assert_int_equal(delete(2), 0);
	assert_int_equal(attach(1, DEV1), 0);
	assert_int_equal(delete(1), HVS_OBJECT_IN_USE);
	iommu_device_remove(mmu, DEV0);
	iommu_device_remove(mmu, DEV1);
	assert_int_equal(delete(1), HVS_ACCESS_DENIED);
	expect_none();
	/* Each of it by itself; what is in the host stays there. */
	assert_int_equal(ctl("config detach=1,several=1,delete-idle=1"), 0);
	assert_int_equal(delete(1), 0);
	assert_int_equal(ctl_number("domain-count"), 0);
}

static void test_ats_options(void **state)
{
	(void)state;
	/* Requests that are not page aligned. */
	start_with("ats,ats-requests=aligned");
	map(paging_domain(5), 0x1000, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	iommu_device_set_ats(mmu, DEV0, true, true);
	iommu_device_set_ats(mmu, DEV0, false, true);
	expect_none();
	iommu_device_set_ats(mmu, DEV0, true, false);
	expect_violation("not page aligned");
	start_with("ats");
	map(paging_domain(5), 0x1000, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	iommu_device_set_ats(mmu, DEV0, true, false);
	/* A move empties the cache, unless the host is told not to. */
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	expect_ats("on 1 0\n");
	paging_domain(6);
	assert_int_equal(attach(6, DEV0), 0);
	expect_ats("on 0 0\n");
	expect_none();
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, 0x1000), IOMMU_OK);
	assert_int_equal(ctl("config attach-atc=keep"), 0);
	assert_int_equal(attach(6, DEV0), 0);
	expect_ats("on 1 0\n");
	expect_none();
}

static void test_fail_always(void **state)
{
	(void)state;
	paging_domain(1);
	/* Lists of several entries only, and all of those. */
	assert_int_equal(ctl("fail flush-list ACCESS_DENIED several always"), 0);
	begin_list(1, 2);
	assert_int_equal(do_call(), HVS_ACCESS_DENIED);
	begin_list(1, 1);
	assert_int_equal(do_call(), 0);
	begin_list(1, 3);
	assert_int_equal(do_call(), HVS_ACCESS_DENIED);
	assert_int_equal(ctl("fail flush-list ACCESS_DENIED several 2"), 0);
	begin_list(1, 2);
	assert_int_equal(do_call(), 0);
	begin_list(1, 1);
	assert_int_equal(do_call(), 0);
	begin_list(1, 2);
	assert_int_equal(do_call(), HVS_ACCESS_DENIED);
	begin_list(1, 2);
	assert_int_equal(do_call(), 0);
	/* Without the word, whatever the entries. */
	assert_int_equal(ctl("fail flush-list 8 always"), 0);
	begin_list(1, 1);
	assert_int_equal(do_call(), HVS_OPERATION_DENIED);
	assert_int_equal(ctl("fail detach 2 always"), 0);
	assert_int_equal(attach(1, DEV0), 0);
	assert_int_equal(detach(DEV0), 2);
	assert_int_equal(detach(DEV0), 2);
	assert_int_equal(ctl("fail clear"), 0);
	assert_int_equal(detach(DEV0), 0);
	assert_int_equal(ctl("fail detach 2 alway"), -1);
	expect_none();
}

static void test_fail(void **state)
{
	(void)state;
	/* The next one, by number. */
	assert_int_equal(ctl("fail create 0x0b"), 0);
	assert_int_equal(ctl_number("injected"), 0);
	assert_int_equal(create(1), HVS_INSUFFICIENT_MEMORY);
	assert_int_equal(ctl_number("injected"), 1);
	assert_int_equal(ctl_number("domain-count"), 0);
	assert_int_equal(create(1), 0);
	/* The third and fourth, by name. */
	assert_int_equal(ctl("fail flush INVALID_PARAMETER 3 2"), 0);
	assert_int_equal(configure(1, 0, 0), 0);
	assert_int_equal(flush(1), 0);
	assert_int_equal(flush(1), 0);
	assert_int_equal(flush(1), HVS_INVALID_PARAMETER);
	assert_int_equal(flush(1), HVS_INVALID_PARAMETER);
	assert_int_equal(flush(1), 0);
	assert_int_equal(ctl_number("injected"), 3);
	/* For ever, until cleared. */
	assert_int_equal(ctl("fail caps 2 1 all"), 0);
	begin_caps();
	assert_int_equal(do_call(), 2);
	begin_caps();
	assert_int_equal(do_call(), 2);
	assert_int_equal(ctl("fail clear"), 0);
	begin_caps();
	assert_int_equal(do_call(), 0);
	/* A failing list has done nothing. */
	assert_int_equal(ctl("fail flush-list 8"), 0);
	begin_list(1, 3);
	h.rep_start = 1;
	assert_int_equal(do_call(), HVS_OPERATION_DENIED);
	assert_int_equal(h.reps_done, 1);
	expect_none();
	/* All of the table have names. */
	assert_int_equal(ctl("fail create INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY"), 0);
	assert_int_equal(create(2), 0x83);
	assert_int_equal(ctl("fail create TIME_OUT"), 0);
	assert_int_equal(create(2), 0x78);
	/* What the guest sent is checked all the same. */
	assert_int_equal(ctl("fail create 0x0b"), 0);
	assert_int_equal(create(0), HVS_INVALID_PARAMETER);
	expect_violation("domain id");
	assert_int_equal(ctl_number("count create"), 5);
	assert_int_equal(ctl_number("injected"), 8);
	assert_int_equal(ctl("reset-counts"), 0);
	assert_int_equal(ctl_number("injected"), 0);
}

static void test_drop(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	assert_int_equal(create(6), 0);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(ctl("drop 5"), -1);
	assert_int_equal(ctl("drop 6"), 0);
	assert_int_equal(ctl("drop 6"), -1);
	assert_int_equal(ctl_number("domain-count"), 1);
	assert_int_equal(detach(DEV0), 0);
	/* The guest has used the table for something else meanwhile. */
	memset(mem.ram + root, 0xff, K4);
	expect_none();
	assert_int_equal(ctl("drop 5"), 0);
	expect_violation("garbage");
	assert_int_equal(ctl_number("domain-count"), 0);
}

/* ---- hosts that misbehave ---- */

static void test_garbage(void **state)
{
	(void)state;
	assert_int_equal(ctl("config garbage=1"), 0);
	begin_caps();
	assert_int_equal(do_call(), 0);
	/* size and width are what they are, all that means nothing is set */
	assert_int_equal(out64(0), 0xff30ffff00000018ULL);
	assert_int_equal(out64(8), ~0x7fULL | 5);
	assert_int_equal(out64(16), ~0ULL);
	assert_int_equal(property(DEV0), 0);
	assert_int_equal(out64(0), ~0ULL);
	assert_int_equal(out64(8), ~0ULL);
	assert_int_equal(property(DEV_DIRECT), 0);
	assert_int_equal(out64(0), ~1ULL);
	assert_int_equal(ctl("config garbage=0"), 0);
	assert_int_equal(property(DEV0), 0);
	assert_int_equal(out64(0), 1);
	assert_int_equal(out64(8), 0);
	expect_none();
}

static void test_write_failed(void **state)
{
	(void)state;
	assert_int_equal(ctl("config write-failed=1"), 0);
	assert_int_equal(ctl("fail property 6"), 0);
	assert_int_equal(property(DEV0), HVS_ACCESS_DENIED);
	assert_int_equal(out64(0), 1);
	assert_int_equal(ctl("fail caps 2"), 0);
	begin_caps();
	assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_CODE);
	assert_int_equal(out64(8), 5);
	/* A device that is gone has no properties to write. */
	iommu_device_remove(mmu, DEV0);
	assert_int_equal(property(DEV0), HVS_INVALID_DEVICE_ID);
	assert_int_equal(out64(0), 0);
	/* Calls that do something still do not. */
	assert_int_equal(ctl("fail create 6"), 0);
	assert_int_equal(create(1), HVS_ACCESS_DENIED);
	assert_int_equal(ctl_number("domain-count"), 0);
	expect_none();
}

static void test_junk(void **state)
{
	(void)state;
	paging_domain(5);
	assert_int_equal(flush(5), 0);
	assert_int_equal(h.junk, 0);
	assert_int_equal(ctl("config junk=1"), 0);
	assert_int_equal(flush(5), 0);
	assert_int_equal(h.junk, 0xffffffffffff0000ULL);
	/* The reps that a rep call has done mean something. */
	assert_int_equal(flush_one(5, 0, 0), 0);
	assert_int_equal(h.junk, 0xfffff000ffff0000ULL);
	assert_int_equal(h.reps_done, 1);
	assert_int_equal(delete(7), HVS_INVALID_PARAMETER);
	assert_int_equal(h.junk, 0xffffffffffff0000ULL);
	expect_none();
}

/* Lists of three; one more round, from where the host says that it is. */
static void expect_reps(const char *mode, u16 first, u16 start, u16 then)
{
	char line[64];

	snprintf(line, sizeof(line), "config reps=%s", mode);
	assert_int_equal(ctl(line), 0);
	begin_list(5, 3);
	assert_int_equal(do_call(), 0);
	assert_int_equal(h.reps_done, first);
	begin_list(5, 3);
	h.rep_start = start;
	assert_int_equal(do_call(), 0);
	assert_int_equal(h.reps_done, then);
}

static void test_reps(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	map(root, 0, DATA_GPA, RW);
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(try_read(DEV0, 0), IOMMU_OK);
	expect_reps("stuck", 0, 2, 2);
	expect_reps("over", 0xfff, 2, 0xfff);
	expect_reps("back", 1, 1, 0);
	/* All lies: what was cached is cached still. */
	*entry_at(root, 4, 0, 1) = 0;
	assert_int_equal(ctl("stale ok"), 0);
	assert_int_equal(try_read(DEV0, 0), IOMMU_OK);
	assert_int_equal(ctl_number("stale-hits"), 1);
	expect_reps("honest", 3, 1, 3);
	assert_int_equal(try_read(DEV0, 0), IOMMU_FAULT_NOT_PRESENT);
	expect_none();
}

static void test_scribble_early(void **state)
{
	(void)state;
	paging_domain(5);
	assert_int_equal(ctl("partial 1"), 0);
	begin_list(5, 2);
	assert_int_equal(do_call(), 0);
	assert_int_equal(h.reps_done, 1);
	assert_memory_equal(mem.ram + IN_GPA, in, 0x30);
	assert_int_equal(ctl("config scribble-early=1"), 0);
	assert_int_equal(do_call(), 0);
	assert_int_equal(h.reps_done, 1);
	assert_int_equal(mem.ram[IN_GPA], 0x5c);
	assert_int_equal(mem.ram[IN_GPA + 0x2f], 0x5c);
	expect_none();
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static void test_slow(void **state)
{
	u64 start;

	(void)state;
	paging_domain(5);
	assert_int_equal(ctl("config slow=30"), 0);
	start = now_ms();
	assert_int_equal(flush(5), 0);
	assert_in_range(now_ms() - start, 30, 10000);
	start = now_ms();
	assert_int_equal(flush_one(5, 0, 0), 0);
	assert_in_range(now_ms() - start, 30, 10000);
	expect_none();
}

static void test_feature_off(void **state)
{
	unsigned call;

	(void)state;
	start_with("off");
	for (call = 0; call < ARRAY_SIZE(begin_any); call++) {
		begin_any[call]();
		assert_int_equal(do_call(), HVS_INVALID_HYPERCALL_CODE);
	}
	assert_int_equal(try_read(DEV0, DATA_GPA), IOMMU_OK);
	assert_int_equal(ctl("config on,list=0"), 0);
	paging_domain(5);
	assert_int_equal(flush_one(5, 0, 0), HVS_INVALID_HYPERCALL_CODE);
	assert_int_equal(flush(5), 0);
	expect_none();
}

static void test_options(void **state)
{
	static const char * const bad[] = {
		"width=256", "width=x", "width", "width=-1", "pgsizes=4k+",
		"pgsizes=8k", "pgsizes", "domains=", "size=1x", "stale=maybe",
		"canonical=2", "list=yes", "caps=", "nonsense=1", "s1=on", "",
		"neg=", "5lvl=2", "caps=0x10000000000000000",
		"attach=", "attach", "inuse=all", "evict=", "evict=x",
		"slow=10001",
		"slow", "reps=some", "reps", "junk=2", "garbage=x",
	};
	struct iommu_config c, before;
	char err[160];
	size_t i;

	(void)state;
	iommu_config_default(&c);
	assert_true(c.present && c.canonical && c.flush_list && c.scribble);
	assert_false(c.allow_stale || c.neg_cache || c.garbage || c.junk ||
		     c.write_failed || c.scribble_early || c.slow_ms);
	assert_int_equal(c.reps, REPS_HONEST);
	assert_int_equal(c.caps, 5);
	assert_int_equal(c.width, 48);
	assert_int_equal(c.pgsizes, K4 | M2 | G1);
	assert_int_equal(c.max_domains, 64);
	before = c;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		char key[32];

		snprintf(key, sizeof(key), "%s", bad[i]);
		key[strcspn(key, "=")] = '\0';
		err[0] = '\0';
		assert_int_equal(iommu_parse_option(&c, bad[i], err,
						    sizeof(err)), -1);
		assert_non_null(strstr(err, *key ? key : "empty"));
	}
	/* The good part before a bad one has no effect. */
	assert_int_equal(iommu_parse_option(&c, "width=40,bad", err,
					    sizeof(err)), -1);
	assert_memory_equal(&c, &before, sizeof(c));

	assert_int_equal(iommu_parse_option(&c, "s1=0,present=0,5lvl,ats=1,width=57,pgsizes=1g+4k,domains=3,stale=ok,canonical=0,list=0,size=0,neg,scribble=0",
					    err, sizeof(err)), 0);
	assert_int_equal(c.caps, 0x28);
	assert_int_equal(c.width, 57);
	assert_int_equal(c.pgsizes, K4 | G1);
	assert_int_equal(c.max_domains, 3);
	assert_int_equal(c.cap_size, 0);
	assert_true(c.present && c.allow_stale && c.neg_cache);
	assert_false(c.canonical || c.flush_list || c.scribble);
	assert_false(c.detach_first || c.in_use_any || c.evict);
	assert_int_equal(iommu_parse_option(&c, "attach=detach-first,inuse=any,evict=7",
					    err, sizeof(err)), 0);
	assert_true(c.detach_first && c.in_use_any);
	assert_int_equal(c.evict, 7);
	assert_int_equal(iommu_parse_option(&c, "attach=replace,inuse=same,stale=violation",
					    err, sizeof(err)), 0);
	assert_false(c.detach_first || c.in_use_any || c.allow_stale);
	assert_int_equal(iommu_parse_option(&c, "pgsizes=0x201000,caps=7",
					    err, sizeof(err)), 0);
	assert_int_equal(c.pgsizes, K4 | M2);
	assert_int_equal(c.caps, 7);
	assert_int_equal(iommu_parse_option(&c, "garbage,junk,write-failed=1,scribble-early,slow=7,reps=back",
					    err, sizeof(err)), 0);
	assert_true(c.garbage && c.junk && c.write_failed && c.scribble_early);
	assert_int_equal(c.slow_ms, 7);
	assert_int_equal(c.reps, REPS_BACK);
	assert_int_equal(iommu_parse_option(&c, "off", err, sizeof(err)), 0);
	assert_false(c.present);
}

static void test_config_later(void **state)
{
	u64 root = paging_domain(5);

	(void)state;
	/* A domain keeps what held when it was configured. */
	map(root, BIT_ULL(40), DATA_GPA, RW);
	*entry_at(root, 4, G1, 2) = 0x4000000 | RW | PS;
	assert_int_equal(attach(5, DEV0), 0);
	assert_int_equal(ctl("config width=39,pgsizes=4k"), 0);
	assert_int_equal(try_read(DEV0, BIT_ULL(40)), IOMMU_OK);
	assert_int_equal(try_read(DEV0, G1), IOMMU_OK);
	begin_caps();
	assert_int_equal(do_call(), 0);
	assert_int_equal(out64(0) >> 48, 39);
	assert_int_equal(out64(16), K4);
	assert_int_equal(ctl("config width=999"), -1);
	assert_non_null(strstr(answer, "width"));
	expect_none();
}

static void test_fault_ring(void **state)
{
	unsigned i, lines = 0;
	char *p;

	(void)state;
	paging_domain(5);
	assert_int_equal(attach(5, DEV0), 0);
	for (i = 0; i < 70; i++)
		try_write(DEV0, i * K4);
	assert_int_equal(ctl_number("faults"), 70);
	assert_int_equal(ctl("fault-last"), 0);
	assert_string_equal(answer, "nvme0 0x45000 not-present write\n");
	assert_int_equal(ctl("fault-list"), 0);
	assert_int_equal(strncmp(answer, "nvme0 0x6000 not", 16), 0);
	for (p = answer; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 64);
	assert_int_equal(ctl("faults-clear"), 0);
	assert_int_equal(ctl_number("faults"), 0);
}

static void test_ctl_errors(void **state)
{
	static const char * const bad[] = {
		"", "nonsense", "count", "count nothing", "count flush extra",
		"device", "device nobody", "dma nobody", "stale", "stale soon",
		"fail", "fail create", "fail nothing 5", "fail create 0",
		"fail create SUCCESS", "fail create 0x10000",
		"fail create 5 0", "fail create 5 x", "fail create 5 1 0",
		"fail create 5 1 some", "partial", "partial x", "config",
		"config what=1", "faults now", "drop", "drop x", "drop 7",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (ctl(bad[i]) != -1)
			fail_msg("'%s' was accepted", bad[i]);
		assert_int_equal(strncmp(answer, "iommu: ", 7), 0);
	}
	assert_int_equal(create(1), 0);
	assert_int_equal(ctl("help"), 0);
	assert_non_null(strstr(answer, "iommu reset-counts"));
}

static void test_counts(void **state)
{
	(void)state;
	assert_int_equal(create(1), 0);
	assert_int_equal(create(1), HVS_KEY_ALREADY_EXISTS);
	assert_int_equal(ctl_number("count create"), 2);
	assert_int_equal(ctl("counts"), 0);
	assert_non_null(strstr(answer,
			       "create                                      2          1\n"));
	assert_int_equal(ctl("reset-counts"), 0);
	assert_int_equal(ctl_number("count create"), 0);
	try_read(DEV0, DATA_GPA);
	try_read(DEV1, DATA_GPA);
	assert_int_equal(ctl("dma"), 0);
	assert_string_equal(answer,
			    "nvme0 0 1\ndmaprobe0 0 1\ndirect0 0 0\ntotal 0 2\n");
	assert_int_equal(ctl("dma dmaprobe0"), 0);
	assert_string_equal(answer, "0 1\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_walk_sizes), T(test_walk_5_levels),
		T(test_page_crossing), T(test_small_writes), T(test_atomics),
		T(test_faults), T(test_minimal), T(test_ats_options),
		T(test_fail_always), T(test_width), T(test_bad_entries),
		T(test_root_garbage), T(test_msi_mapping), T(test_ad_missing),
		T(test_stale_changed), T(test_stale_same_translation),
		T(test_stale_unmapped), T(test_stale_table),
		T(test_unlinked_table), T(test_delete_checks_tree),
		T(test_delete_races),
		T(test_flush_coverage), T(test_flush_keeps_tables),
		T(test_flush_other_domain),
		T(test_many_domains), T(test_many_entries),
		T(test_negative_caching),
		T(test_flush_counts), T(test_life_cycle), T(test_domain_limit),
		T(test_static_domains), T(test_attach),
		T(test_attach_variants), T(test_eviction), T(test_ats_rules),
		T(test_atc), T(test_atc_flushes), T(test_atc_judged),
		T(test_devices), T(test_unload), T(test_forgive),
		T(test_watch),
		T(test_leftovers), T(test_every_input_bit),
		T(test_valid_calls), T(test_header_fields),
		T(test_create_fields), T(test_configure_fields),
		T(test_device_id_fields), T(test_control_word),
		T(test_interrupts_on), T(test_placement), T(test_list_entries),
		T(test_output), T(test_scribble), T(test_partial), T(test_fail),
		T(test_events),
		T(test_drop), T(test_garbage), T(test_write_failed), T(test_junk),
		T(test_reps), T(test_scribble_early), T(test_slow),
		T(test_feature_off), T(test_options), T(test_config_later),
		T(test_fault_ring), T(test_ctl_errors), T(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
