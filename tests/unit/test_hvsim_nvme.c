// SPDX-License-Identifier: GPL-2.0
/*
 * The NVMe controller of hvsim, driven through its registers and queues by a
 * small driver in this file.
 */
/* LINK: ../hvsim/nvme.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_pci.h"
#include "seed.h"

/* Layout of the fake memory. */
#define ASQ 0x10000ULL
#define ACQ 0x20000ULL
#define IOSQ 0x30000ULL
#define IOCQ 0x40000ULL
#define LIST 0x50000ULL		/* 0x50000..0x5ffff */
#define DATA 0x100000ULL

#define ADMIN_SIZE 32u
#define IO_SIZE 64u
#define MEDIA_BLOCKS 4096u
#define MAX_BYTES (256u << 10)
#define LBA 512u
#define PG 4096u

#define DNR 0x4000
#define INVALID_OPCODE (0x001 | DNR)
#define INVALID_FIELD (0x002 | DNR)
#define DATA_TRANSFER (0x004 | DNR)
#define INVALID_NS (0x00b | DNR)
#define SEQUENCE (0x00c | DNR)
#define PRP_OFFSET (0x013 | DNR)
#define LBA_RANGE (0x080 | DNR)
#define CQ_INVALID (0x100 | DNR)
#define QUEUE_ID (0x101 | DNR)
#define QUEUE_SIZE (0x102 | DNR)
#define AER_LIMIT (0x105 | DNR)
#define IRQ_VECTOR (0x108 | DNR)
#define LOG_PAGE (0x109 | DNR)
#define QUEUE_DELETE (0x10c | DNR)
#define NOT_SAVEABLE (0x10d | DNR)
#define COMPARE_FAILURE (0x285 | DNR)

#define CSTS_RDY 1u
#define CSTS_CFS 2u
#define CC_ON 0x00460001u	/* IOCQES 4, IOSQES 6, EN */

struct sqe {
	u8 opcode, flags;
	u16 cid;
	u32 nsid, cdw2, cdw3;
	u64 mptr, prp1, prp2;
	u32 cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct cqe {
	u32 result, reserved;
	u16 sq_head, sq_id, cid, status;
};

/* A queue pair as a driver sees it. */
struct pair {
	u64 sq, cq;
	u32 size, tail, head;
	bool phase;
	unsigned id;
};

static struct pci_func *dev;
static struct pair admin, io;
static u16 next_cid;
/* Keeps every controller of the run reachable for the leak check. */
static struct pci_func *created[64];
static unsigned nr_created;

static int create(const char *options, char *err, size_t errlen)
{
	struct pci_func *out[8];
	char *text = strdup(options);
	int ret = nvme_create(NULL, NULL, 3, text, out, err, errlen);

	free(text);
	if (ret == 1) {
		assert_true(nr_created < ARRAY_SIZE(created));
		created[nr_created++] = out[0];
		dev = out[0];
	}
	return ret;
}

static u64 rd(u64 off, unsigned size)
{
	return dev->ops->bar_read(dev, 0, off, size);
}

static void wr(u64 off, unsigned size, u64 val)
{
	dev->ops->bar_write(dev, 0, off, size, val);
}

static void ring_sq(const struct pair *q)
{
	wr(0x1000 + 8 * q->id, 4, q->tail);
}

static void ring_cq(const struct pair *q)
{
	wr(0x1004 + 8 * q->id, 4, q->head);
}

static u16 push(struct pair *q, struct sqe cmd)
{
	cmd.cid = ++next_cid;
	memcpy(fake_ram + q->sq + q->tail * sizeof(cmd), &cmd, sizeof(cmd));
	q->tail = (q->tail + 1) % q->size;
	return cmd.cid;
}

static bool pop(struct pair *q, struct cqe *cqe)
{
	memcpy(cqe, fake_ram + q->cq + q->head * sizeof(*cqe), sizeof(*cqe));
	if ((cqe->status & 1) != q->phase)
		return false;
	if (++q->head == q->size) {
		q->head = 0;
		q->phase = !q->phase;
	}
	return true;
}

/* One command from doorbell to doorbell; returns its status. */
static u16 run_for(struct pair *q, struct sqe cmd, u32 *result)
{
	struct cqe cqe;
	u16 cid = push(q, cmd);

	ring_sq(q);
	fake_run();
	assert_true(pop(q, &cqe));
	ring_cq(q);
	assert_int_equal(cqe.cid, cid);
	assert_int_equal(cqe.sq_id, q->id);
	assert_int_equal(cqe.sq_head, q->tail);
	if (result)
		*result = cqe.result;
	return cqe.status >> 1;
}

static u16 run_cmd(struct pair *q, struct sqe cmd)
{
	return run_for(q, cmd, NULL);
}

static void enable(void)
{
	wr(0x24, 4, (ADMIN_SIZE - 1) << 16 | (ADMIN_SIZE - 1));
	wr(0x28, 8, ASQ);
	wr(0x30, 4, (u32)ACQ);
	wr(0x34, 4, ACQ >> 32);
	wr(0x14, 4, CC_ON);
	admin = (struct pair){ ASQ, ACQ, ADMIN_SIZE, 0, 0, true, 0 };
}

static struct sqe create_cq_cmd(unsigned qid, u32 size, u64 base, u32 cdw11)
{
	return (struct sqe){
		.opcode = 5, .prp1 = base,
		.cdw10 = (size - 1) << 16 | qid, .cdw11 = cdw11,
	};
}

static struct sqe create_sq_cmd(unsigned qid, u32 size, u64 base, u32 cdw11)
{
	struct sqe cmd = create_cq_cmd(qid, size, base, cdw11);

	cmd.opcode = 1;
	return cmd;
}

static void create_io(void)
{
	assert_int_equal(run_cmd(&admin, create_cq_cmd(1, IO_SIZE, IOCQ,
						       1 << 16 | 3)), 0);
	assert_int_equal(run_cmd(&admin, create_sq_cmd(1, IO_SIZE, IOSQ,
						       1 << 16 | 1)), 0);
	io = (struct pair){ IOSQ, IOCQ, IO_SIZE, 0, 0, true, 1 };
}

static void start(const char *options)
{
	char err[200] = "";

	fake_clear();
	if (create(options, err, sizeof(err)) != 1)
		fail_msg("%s", err);
	enable();
	assert_int_equal(rd(0x1c, 4), CSTS_RDY);
	create_io();
	memset(fake_raised, 0, sizeof(fake_raised));
}

static int setup(void **state)
{
	(void)state;
	start("size=2M,queues=2");
	return 0;
}

static struct sqe rw(u8 opcode, u64 lba, u32 bytes, u64 prp1, u64 prp2)
{
	return (struct sqe){
		.opcode = opcode, .nsid = 1, .prp1 = prp1, .prp2 = prp2,
		.cdw10 = (u32)lba, .cdw11 = lba >> 32,
		.cdw12 = bytes / LBA - 1,
	};
}

static u64 *list_at(u64 addr)
{
	return (u64 *)(fake_ram + addr);
}

/* ---- creation and registers ---- */

static void test_options(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "size=1000", "1000" },
		{ "size=", "size=''" },
		{ "size=3X", "3X" },
		{ "size=99999999999999999999", "9999" },
		{ "size=99999999999999G", "9999" },
		{ "queues=0", "queues='0'" },
		{ "queues=64", "queues='64'" },
		{ "queues=4x", "4x" },
		{ "queues=4294967297", "4294967297" },
		{ "colour=red", "colour=red" },
		{ "file=/nonexistent/disk", "/nonexistent/disk" },
		{ "file=/dev/null", "/dev/null" },
		{ "file=/dev/null,size=1M", "exclude" },
	};
	char err[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err[0] = 0;
		assert_int_equal(create(bad[i].text, err, sizeof(err)), -1);
		if (!strstr(err, bad[i].says))
			fail_msg("%s: '%s'", bad[i].text, err);
	}
	assert_int_equal(create("", err, sizeof(err)), 1);
	assert_int_equal(dev->nr_msix, 5);
	assert_string_equal(dev->name, "nvme3");
	assert_int_equal(create("queues=63", err, sizeof(err)), 1);
	assert_int_equal(dev->nr_msix, 64);
}

static void test_registers(void **state)
{
	(void)state;
	assert_int_equal(rd(0, 8), rd(0, 4) | rd(4, 4) << 32);
	assert_int_equal(rd(0, 2), 1023);
	assert_int_equal(rd(2, 1) & 1, 1);
	assert_int_equal(rd(4, 4) >> 5 & 1, 1);	/* NVM command set */
	assert_int_equal(rd(8, 4), 0x10400);
	assert_int_equal(rd(0x28, 8), ASQ);
	assert_int_equal(rd(0x14, 4), CC_ON);
	/* Odd sizes, as pieces of an access that crosses a page: ignored. */
	for (unsigned size = 1; size < 8; size++)
		if (size != 4)
			wr(0x14, size, 0);
	wr(0x1000, 7, 1);
	assert_int_equal(rd(0x14, 4), CC_ON);

	wr(0x14, 4, CC_ON & ~1u);
	assert_int_equal(rd(0x1c, 4), 0);
	assert_int_equal(rd(0x28, 8), ASQ);	/* kept by a reset */

	wr(0x14, 4, CC_ON | 1 << 7);		/* 8 KiB pages */
	assert_int_equal(rd(0x1c, 4), CSTS_CFS);
	wr(0x14, 4, 0);
	wr(0x24, 4, 0);				/* queues of one entry */
	wr(0x14, 4, CC_ON);
	assert_int_equal(rd(0x1c, 4), CSTS_CFS);
	wr(0x14, 4, 0);
	enable();
	assert_int_equal(rd(0x1c, 4), CSTS_RDY);

	dev->ops->reset(dev);
	assert_int_equal(rd(0x1c, 4), 0);
	assert_int_equal(rd(0x28, 8), 0);
	assert_int_equal(rd(0x24, 4), 0);
}

static void test_shutdown(void **state)
{
	struct cqe cqe;

	(void)state;
	wr(0x14, 4, CC_ON | 1 << 14);
	assert_int_equal(rd(0x1c, 4), CSTS_RDY | 8);
	push(&io, rw(2, 0, LBA, DATA, 0));
	ring_sq(&io);
	fake_run();
	assert_false(pop(&io, &cqe));	/* no command after a shutdown */
	wr(0x14, 4, 0);
	enable();
	assert_int_equal(rd(0x1c, 4), CSTS_RDY);
	create_io();
	assert_int_equal(run_cmd(&io, rw(2, 0, LBA, DATA, 0)), 0);
}

/* ---- admin ---- */

static void test_identify(void **state)
{
	struct sqe cmd = { .opcode = 6, .prp1 = DATA, .cdw10 = 1 };
	u8 *p = fake_ram + DATA;

	(void)state;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_memory_equal(p + 4, "HVSIM0003           ", 20);
	assert_memory_equal(p + 24, "hvsim NVMe     ", 15);
	assert_int_equal(PG << p[77], MAX_BYTES);
	assert_int_equal(p[512], 0x66);
	assert_int_equal(p[513], 0x44);
	assert_int_equal(*(u32 *)(p + 516), 1);
	assert_int_equal(p[525] & 1, 1);
	assert_non_null(strstr((char *)p + 768, "-000000000003"));

	cmd.cdw10 = 0;
	cmd.nsid = 1;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_int_equal(*(u64 *)p, MEDIA_BLOCKS);
	assert_int_equal(*(u64 *)(p + 8), MEDIA_BLOCKS);
	assert_int_equal(p[130], 9);
	cmd.nsid = 2;
	assert_int_equal(run_cmd(&admin, cmd), INVALID_NS);

	cmd.cdw10 = 2;
	cmd.nsid = 0;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_int_equal(*(u32 *)p, 1);
	assert_int_equal(*(u32 *)(p + 4), 0);
	cmd.nsid = 1;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_int_equal(*(u32 *)p, 0);
	cmd.nsid = 0xffffffff;
	assert_int_equal(run_cmd(&admin, cmd), INVALID_NS);

	cmd.cdw10 = 3;
	cmd.nsid = 1;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_int_equal(p[0], 1);
	assert_int_equal(p[1], 8);
	assert_int_equal(p[11], 3);
	assert_int_equal(p[12], 0);

	cmd.cdw10 = 0x42;
	assert_int_equal(run_cmd(&admin, cmd), INVALID_FIELD);

	/* over a page boundary, and into nothing */
	cmd.cdw10 = 1;
	cmd.prp1 = DATA + PG - 8;
	cmd.prp2 = DATA + 3 * PG;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_memory_equal(fake_ram + DATA + 3 * PG - 4 + 4, "M0003  ", 7);
	fake_fault[DATA / PG] = IOMMU_FAULT_BLOCKED;
	assert_int_equal(run_cmd(&admin, cmd), DATA_TRANSFER);
}

static void test_queue_errors(void **state)
{
	static const struct {
		u8 opcode;
		unsigned qid;
		u32 size;
		u64 base;
		u32 cdw11;
		u16 status;
	} t[] = {
		{ 5, 0, 16, DATA, 3, QUEUE_ID },
		{ 5, 3, 16, DATA, 3, QUEUE_ID },
		{ 5, 1, 16, DATA, 3, QUEUE_ID },
		{ 5, 2, 1, DATA, 3, QUEUE_SIZE },
		{ 5, 2, 1025, DATA, 3, QUEUE_SIZE },
		{ 5, 2, 16, DATA, 2, INVALID_FIELD },
		{ 5, 2, 16, DATA + 8, 3, PRP_OFFSET },
		{ 5, 2, 16, DATA, 3 << 16 | 3, IRQ_VECTOR },
		{ 1, 0, 16, DATA, 1 << 16 | 1, QUEUE_ID },
		{ 1, 3, 16, DATA, 1 << 16 | 1, QUEUE_ID },
		{ 1, 1, 16, DATA, 1 << 16 | 1, QUEUE_ID },
		{ 1, 2, 1, DATA, 1 << 16 | 1, QUEUE_SIZE },
		{ 1, 2, 16, DATA, 2 << 16 | 1, CQ_INVALID },
		{ 1, 2, 16, DATA, 1, CQ_INVALID },
		{ 1, 2, 16, DATA, 9 << 16 | 1, CQ_INVALID },
		{ 1, 2, 16, DATA, 1 << 16, INVALID_FIELD },
		{ 1, 2, 16, DATA + 8, 1 << 16 | 1, PRP_OFFSET },
		{ 0, 0, 1, 0, 0, QUEUE_ID },
		{ 0, 2, 1, 0, 0, QUEUE_ID },
		{ 4, 2, 1, 0, 0, QUEUE_ID },
		{ 4, 1, 1, 0, 0, QUEUE_DELETE },
		{ 0x7f, 0, 1, 0, 0, INVALID_OPCODE },
		/* now in the right order */
		{ 0, 1, 1, 0, 0, 0 },
		{ 4, 1, 1, 0, 0, 0 },
		{ 4, 1, 1, 0, 0, QUEUE_ID },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct sqe cmd = create_cq_cmd(t[i].qid, t[i].size, t[i].base,
					       t[i].cdw11);
		u16 status;

		cmd.opcode = t[i].opcode;
		status = run_cmd(&admin, cmd);
		if (status != t[i].status)
			fail_msg("line %zu: status 0x%x", i, status);
	}
	create_io();
	assert_int_equal(run_cmd(&io, rw(2, 0, LBA, DATA, 0)), 0);
}

static void test_features(void **state)
{
	struct sqe set = { .opcode = 9 }, get = { .opcode = 0xa };
	u32 result;

	(void)state;
	get.cdw10 = 7;
	assert_int_equal(run_for(&admin, get, &result), 0);
	assert_int_equal(result, 0x10001);
	set.cdw10 = 7;
	set.cdw11 = 0x70007;
	assert_int_equal(run_cmd(&admin, set), SEQUENCE);
	wr(0x14, 4, 0);
	enable();
	assert_int_equal(run_for(&admin, set, &result), 0);
	assert_int_equal(result, 0x10001);
	set.cdw11 = 0xffff0000;
	assert_int_equal(run_cmd(&admin, set), INVALID_FIELD);

	get.cdw10 = 6;
	assert_int_equal(run_for(&admin, get, &result), 0);
	assert_int_equal(result, 1);
	set.cdw10 = 6;
	set.cdw11 = 0;
	assert_int_equal(run_cmd(&admin, set), 0);
	assert_int_equal(run_for(&admin, get, &result), 0);
	assert_int_equal(result, 0);
	wr(0x14, 4, 0);
	enable();		/* nothing is saved over a reset */
	assert_int_equal(run_for(&admin, get, &result), 0);
	assert_int_equal(result, 1);

	set.cdw10 = 1u << 31 | 6;
	assert_int_equal(run_cmd(&admin, set), NOT_SAVEABLE);
	get.cdw10 = 0x77;
	assert_int_equal(run_cmd(&admin, get), INVALID_FIELD);
	get.cdw10 = 3 << 8 | 6;
	assert_int_equal(run_cmd(&admin, get), INVALID_FIELD);
	set.cdw10 = 2;
	set.cdw11 = 1;
	assert_int_equal(run_cmd(&admin, set), INVALID_FIELD);

	set.cdw10 = 4;		/* temperature: under, then over */
	set.cdw11 = 1 << 20 | 250;
	assert_int_equal(run_cmd(&admin, set), 0);
	get.cdw10 = 4;
	get.cdw11 = 1 << 20;
	assert_int_equal(run_for(&admin, get, &result), 0);
	assert_int_equal(result, 250);
	get.cdw11 = 0;
	assert_int_equal(run_for(&admin, get, &result), 0);
	assert_int_equal(result, 343);

	set = (struct sqe){ .opcode = 9, .cdw10 = 0xe, .prp1 = DATA };
	*(u64 *)(fake_ram + DATA) = 1000000;
	assert_int_equal(run_cmd(&admin, set), 0);
	get = (struct sqe){ .opcode = 0xa, .cdw10 = 0xe, .prp1 = DATA + 64 };
	assert_int_equal(run_cmd(&admin, get), 0);
	assert_in_range(*(u64 *)(fake_ram + DATA + 64) & 0xffffffffffff,
			1000000, 1060000);
	assert_int_equal(fake_ram[DATA + 64 + 6], 2);	/* set by the host */
	set.prp1 = FAKE_RAM;
	assert_int_equal(run_cmd(&admin, set), DATA_TRANSFER);
}

static void test_logs(void **state)
{
	struct sqe cmd = { .opcode = 2, .prp1 = DATA, .nsid = 0xffffffff };
	u8 *p = fake_ram + DATA;

	(void)state;
	assert_int_equal(run_cmd(&io, rw(2, MEDIA_BLOCKS, LBA, DATA, 0)),
			 LBA_RANGE);
	cmd.cdw10 = 1 | 63 << 16;
	memset(p, 0xff, PG);
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_int_equal(*(u64 *)p, 1);
	assert_int_equal(*(u16 *)(p + 8), 1);
	assert_int_equal(*(u16 *)(p + 12), LBA_RANGE << 1);
	assert_int_equal(*(u64 *)(p + 16), MEDIA_BLOCKS);
	assert_int_equal(*(u64 *)(p + 64), 0);

	assert_int_equal(run_cmd(&io, rw(2, 0, 8 * LBA, DATA, 0)), 0);
	cmd.cdw10 = 2 | 127 << 16;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_int_equal(p[0], 0);
	assert_int_equal(p[1] | p[2] << 8, 300);
	assert_int_equal(*(u64 *)(p + 32), 1);
	assert_int_equal(*(u64 *)(p + 64), 1);
	assert_int_equal(*(u64 *)(p + 176), 1);

	cmd.cdw10 = 3 | 127 << 16;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_memory_equal(p + 8, "1.0     ", 8);

	cmd.cdw10 = 5 | 1023 << 16;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_int_equal(*(u32 *)(p + 4 * 6), 1);
	assert_int_equal(*(u32 *)(p + 4 * 0x80), 0);
	assert_int_equal(*(u32 *)(p + 1024 + 4 * 1), 3);
	assert_int_equal(*(u32 *)(p + 1024 + 4 * 2), 1);

	/* a part of it, and past its end */
	cmd.cdw12 = 1024 + 4;
	cmd.cdw10 = 5;
	assert_int_equal(run_cmd(&admin, cmd), 0);
	assert_int_equal(*(u32 *)p, 3);
	cmd.cdw12 = PG;
	assert_int_equal(run_cmd(&admin, cmd), INVALID_FIELD);
	cmd.cdw12 = 2;
	assert_int_equal(run_cmd(&admin, cmd), INVALID_FIELD);
	cmd.cdw12 = 0;
	cmd.cdw10 = 0xc0;
	assert_int_equal(run_cmd(&admin, cmd), LOG_PAGE);
	cmd.cdw10 = 2;
	cmd.cdw11 = 0xffff;	/* gigabytes */
	assert_int_equal(run_cmd(&admin, cmd), INVALID_FIELD);
}

static void test_events(void **state)
{
	struct sqe aer = { .opcode = 0xc };
	struct sqe log = { .opcode = 2, .prp1 = DATA, .cdw10 = 1 };
	struct sqe abort_cmd = { .opcode = 8 };
	u16 cid[4];
	struct cqe cqe;
	u32 result;

	(void)state;
	for (int i = 0; i < 4; i++)
		cid[i] = push(&admin, aer);
	ring_sq(&admin);
	fake_run();
	assert_false(pop(&admin, &cqe));	/* they are held */
	assert_int_equal(run_cmd(&admin, aer), AER_LIMIT);

	wr(0x1000 + 8 * 1, 4, IO_SIZE);		/* tail out of range */
	fake_run();
	assert_true(pop(&admin, &cqe));
	ring_cq(&admin);
	assert_int_equal(cqe.cid, cid[0]);
	assert_int_equal(cqe.status >> 1, 0);
	assert_int_equal(cqe.result, 0x010100);

	wr(0x1000 + 8 * 2, 4, 0);		/* no such queue */
	fake_run();
	assert_false(pop(&admin, &cqe));	/* masked until the log is read */
	log.cdw10 = 1 | 1 << 15;
	assert_int_equal(run_cmd(&admin, log), 0);
	assert_false(pop(&admin, &cqe));	/* "retain" was set */
	log.cdw10 = 1;
	push(&admin, log);
	ring_sq(&admin);
	fake_run();
	assert_true(pop(&admin, &cqe));
	assert_true(pop(&admin, &cqe));
	ring_cq(&admin);
	assert_int_equal(cqe.cid, cid[1]);
	assert_int_equal(cqe.result, 0x010000);

	abort_cmd.cdw10 = (u32)cid[3] << 16;
	push(&admin, abort_cmd);
	ring_sq(&admin);
	fake_run();
	assert_true(pop(&admin, &cqe));
	assert_int_equal(cqe.cid, cid[3]);
	assert_int_equal(cqe.status >> 1, 7);
	assert_true(pop(&admin, &cqe));
	ring_cq(&admin);
	assert_int_equal(cqe.result, 0);
	assert_int_equal(run_for(&admin, abort_cmd, &result), 0);
	assert_int_equal(result, 1);		/* it is gone already */
}

/* ---- I/O ---- */

static void fill_pattern(u64 addr, u32 len, u8 first)
{
	for (u32 i = 0; i < len; i++)
		fake_ram[addr + i] = first + i % 251;
}

static void test_prp(void **state)
{
	u8 want[8 * PG];
	u64 *list;

	(void)state;
	/* one page, with an offset; two pages */
	fill_pattern(DATA + 512, 2 * LBA, 1);
	assert_int_equal(run_cmd(&io, rw(1, 10, 2 * LBA, DATA + 512, 0)), 0);
	assert_memory_equal(fake_kept + 10 * LBA, fake_ram + DATA + 512,
			    2 * LBA);
	assert_int_equal(run_cmd(&io, rw(2, 10, 2 * LBA, DATA + 5 * PG - LBA,
					 DATA + 9 * PG)), 0);
	assert_memory_equal(fake_ram + DATA + 5 * PG - LBA,
			    fake_kept + 10 * LBA, LBA);
	assert_memory_equal(fake_ram + DATA + 9 * PG, fake_kept + 11 * LBA,
			    LBA);

	/* a list, first page with an offset, pages in any order */
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = i * 7 + i / PG;
	memcpy(fake_kept, want, sizeof(want));
	list = list_at(LIST + 64);
	for (u64 i = 0; i < 8; i++)
		list[i] = DATA + (20 - i) * PG;
	assert_int_equal(run_cmd(&io, rw(2, 0, sizeof(want), DATA + PG - 512,
					 LIST + 64)), 0);
	assert_memory_equal(fake_ram + DATA + PG - 512, want, 512);
	for (u64 i = 0; i < 7; i++)
		assert_memory_equal(fake_ram + DATA + (20 - i) * PG,
				    want + 512 + i * PG, PG);
	assert_memory_equal(fake_ram + DATA + 13 * PG, want + 512 + 7 * PG,
			    PG - 512);

	/* a list that goes on in another page after two entries, and one
	 * that begins with the pointer */
	for (u32 first = 1; first <= 3; first++) {
		memset(fake_ram + DATA, 0, 32 * PG);
		list = list_at(LIST + PG - 8 * first);
		for (u64 i = 0; i < first - 1; i++)
			list[i] = DATA + (2 + i) * PG;
		list[first - 1] = LIST + 4 * PG;
		list = list_at(LIST + 4 * PG);
		for (u64 i = 0; i < 7 - (first - 1); i++)
			list[i] = DATA + (2 + first - 1 + i) * PG;
		assert_int_equal(run_cmd(&io, rw(2, 0, sizeof(want), DATA + PG,
						 LIST + PG - 8 * first)), 0);
		assert_memory_equal(fake_ram + DATA + PG, want, sizeof(want));
	}
	/* exactly to the end of the list page: no pointer */
	list = list_at(LIST + PG - 8 * 7);
	for (u64 i = 0; i < 7; i++)
		list[i] = DATA + (2 + i) * PG;
	memset(fake_ram + DATA, 0, 32 * PG);
	assert_int_equal(run_cmd(&io, rw(2, 0, sizeof(want), DATA + PG,
					 LIST + PG - 8 * 7)), 0);
	assert_memory_equal(fake_ram + DATA + PG, want, sizeof(want));
}

static void test_prp_errors(void **state)
{
	u64 *list = list_at(LIST);

	(void)state;
	assert_int_equal(run_cmd(&io, rw(2, 0, LBA, DATA + 2, 0)), PRP_OFFSET);
	assert_int_equal(run_cmd(&io, rw(2, 0, 2 * PG, DATA, DATA + PG + 8)),
			 PRP_OFFSET);
	list[0] = DATA + PG;
	list[1] = DATA + 2 * PG + 512;
	assert_int_equal(run_cmd(&io, rw(2, 0, 3 * PG, DATA, LIST)),
			 PRP_OFFSET);
	assert_int_equal(run_cmd(&io, rw(2, 0, 3 * PG, DATA, LIST + 4)),
			 PRP_OFFSET);
	*list_at(LIST + PG - 8) = LIST + 3 * PG + 8;
	assert_int_equal(run_cmd(&io, rw(2, 0, 3 * PG, DATA, LIST + PG - 8)),
			 PRP_OFFSET);
}

static void test_io_errors(void **state)
{
	struct sqe cmd;

	(void)state;
	memset(fake_ram + DATA, 0x5a, 4 * PG);
	assert_int_equal(run_cmd(&io, rw(1, MEDIA_BLOCKS - 1, 2 * LBA, DATA,
					 0)), LBA_RANGE);
	assert_int_equal(fake_kept[(MEDIA_BLOCKS - 1) * LBA], 0);
	assert_int_equal(run_cmd(&io, rw(2, ~0ULL, 2 * LBA, DATA, 0)),
			 LBA_RANGE);
	assert_int_equal(run_cmd(&io, rw(1, MEDIA_BLOCKS - 1, LBA, DATA, 0)),
			 0);
	assert_int_equal(run_cmd(&io, rw(2, 0, MAX_BYTES + LBA, DATA, LIST)),
			 INVALID_FIELD);
	cmd = rw(2, 0, LBA, DATA, 0);
	cmd.nsid = 2;
	assert_int_equal(run_cmd(&io, cmd), INVALID_NS);
	cmd.nsid = 0xffffffff;
	assert_int_equal(run_cmd(&io, cmd), INVALID_NS);
	cmd = rw(2, 0, LBA, DATA, 0);
	cmd.flags = 0x40;	/* SGL */
	assert_int_equal(run_cmd(&io, cmd), INVALID_FIELD);
	assert_int_equal(run_cmd(&io, (struct sqe){ .opcode = 0x0d,
						    .nsid = 1 }),
			 INVALID_OPCODE);
	assert_int_equal(run_cmd(&io, (struct sqe){ .opcode = 0, .nsid = 3 }),
			 INVALID_NS);
}

static void test_other_commands(void **state)
{
	struct sqe cmd;
	u32 *range = (u32 *)(fake_ram + DATA + 8 * PG);

	(void)state;
	assert_int_equal(run_cmd(&io, (struct sqe){ .opcode = 0, .nsid = 1 }),
			 0);
	assert_int_equal(run_cmd(&io, (struct sqe){ .nsid = 0xffffffff }), 0);

	memset(fake_kept, 0x77, 64 * LBA);
	memset(fake_ram + DATA, 0x77, 4 * PG);
	assert_int_equal(run_cmd(&io, rw(5, 3, 4 * LBA, DATA, 0)), 0);
	fake_ram[DATA + 4 * LBA - 1] ^= 1;
	assert_int_equal(run_cmd(&io, rw(5, 3, 4 * LBA, DATA, 0)),
			 COMPARE_FAILURE);

	assert_int_equal(run_cmd(&io, rw(8, 5, 2 * LBA, 0, 0)), 0);
	assert_int_equal(fake_kept[5 * LBA - 1], 0x77);
	assert_int_equal(fake_kept[5 * LBA], 0);
	assert_int_equal(fake_kept[7 * LBA - 1], 0);
	assert_int_equal(fake_kept[7 * LBA], 0x77);
	assert_int_equal(run_cmd(&io, rw(8, 1, MEDIA_BLOCKS * LBA, 0, 0)),
			 LBA_RANGE);

	range[1] = 1;		/* block 20 */
	range[2] = 20;
	range[5] = 2;		/* blocks 30 and 31 */
	range[6] = 30;
	cmd = (struct sqe){ .opcode = 9, .nsid = 1, .prp1 = DATA + 8 * PG,
			    .cdw10 = 1, .cdw11 = 4 };
	assert_int_equal(run_cmd(&io, cmd), 0);
	assert_int_equal(fake_kept[20 * LBA - 1], 0x77);
	assert_int_equal(fake_kept[20 * LBA], 0);
	assert_int_equal(fake_kept[21 * LBA], 0x77);
	assert_int_equal(fake_kept[30 * LBA], 0);
	assert_int_equal(fake_kept[32 * LBA - 1], 0);
	assert_int_equal(fake_kept[32 * LBA], 0x77);
	range[2] = 40;
	range[6] = MEDIA_BLOCKS;
	assert_int_equal(run_cmd(&io, cmd), LBA_RANGE);
	assert_int_equal(fake_kept[40 * LBA], 0x77);
}

static void test_dma_faults(void **state)
{
	u64 *list = list_at(LIST);

	(void)state;
	memset(fake_kept, 0x11, 4 * PG);
	memset(fake_ram + DATA, 0x22, 4 * PG);
	list[0] = DATA + PG;
	list[1] = DATA + 2 * PG;

	/* the last page of a write: the medium stays as it was */
	fake_fault[DATA / PG + 2] = IOMMU_FAULT_NOT_PRESENT;
	assert_int_equal(run_cmd(&io, rw(1, 0, 3 * PG, DATA, LIST)),
			 DATA_TRANSFER);
	assert_int_equal(fake_kept[0], 0x11);
	/* a read: pages before the fault were transferred */
	assert_int_equal(run_cmd(&io, rw(2, 0, 3 * PG, DATA, LIST)),
			 DATA_TRANSFER);
	assert_int_equal(fake_ram[DATA + PG], 0x11);
	assert_int_equal(fake_ram[DATA + 2 * PG], 0x22);
	/* the list itself */
	fake_fault[LIST / PG] = IOMMU_FAULT_NOT_PRESENT;
	assert_int_equal(run_cmd(&io, rw(2, 0, 3 * PG, DATA, LIST)),
			 DATA_TRANSFER);
	/* it goes on working */
	assert_int_equal(rd(0x1c, 4), CSTS_RDY);
	assert_int_equal(run_cmd(&io, rw(2, 0, PG, DATA, 0)), 0);
}

static void test_fatal(void **state)
{
	struct cqe cqe;

	(void)state;
	fake_fault[IOSQ / PG] = IOMMU_FAULT_BLOCKED;
	push(&io, rw(2, 0, LBA, DATA, 0));
	ring_sq(&io);
	fake_run();
	assert_int_equal(rd(0x1c, 4), CSTS_RDY | CSTS_CFS);
	assert_false(pop(&io, &cqe));
	/* dead until it is reset */
	push(&admin, (struct sqe){ .opcode = 6, .prp1 = DATA, .cdw10 = 1 });
	ring_sq(&admin);
	fake_run();
	assert_false(pop(&admin, &cqe));

	fake_clear();
	wr(0x14, 4, 0);
	assert_int_equal(rd(0x1c, 4), 0);
	enable();
	create_io();
	fake_fault[IOCQ / PG] = IOMMU_FAULT_WRITE_RO;
	push(&io, rw(2, 0, LBA, DATA, 0));
	ring_sq(&io);
	fake_run();
	assert_int_equal(rd(0x1c, 4), CSTS_RDY | CSTS_CFS);
}

static void test_batches(void **state)
{
	struct cqe cqe;

	(void)state;
	for (int i = 0; i < 40; i++)
		push(&io, rw(2, i, LBA, DATA + i * PG, 0));
	memset(fake_kept, 0x33, 40 * LBA);
	ring_sq(&io);
	/* the doorbell itself does nothing */
	assert_false(pop(&io, &cqe));
	assert_int_equal(fake_ram[DATA], 0);
	assert_int_equal(fake_run(), 3);
	assert_int_equal(fake_raised[1], 3);
	assert_int_equal(fake_raised[0], 0);
	for (int i = 0; i < 40; i++) {
		assert_true(pop(&io, &cqe));
		assert_int_equal(fake_ram[DATA + i * PG], 0x33);
	}
	assert_false(pop(&io, &cqe));
	ring_cq(&io);
	assert_int_equal(fake_run(), 0);
}

static void test_full_queue(void **state)
{
	struct pair q = { DATA, DATA + 0x8000, 16, 0, 0, true, 2 };
	struct cqe cqe;
	unsigned done = 0;

	(void)state;
	/* 16 submission entries, completion queue with room for three; no
	 * interrupts */
	assert_int_equal(run_cmd(&admin, create_cq_cmd(2, 4, q.cq, 2 << 16 |
						       1)), 0);
	assert_int_equal(run_cmd(&admin, create_sq_cmd(2, 16, q.sq, 2 << 16 |
						       1)), 0);
	for (int i = 0; i < 10; i++)
		push(&q, (struct sqe){ .opcode = 0, .nsid = 1 });
	ring_sq(&q);
	q.size = 4;		/* from here on for the completions */
	while (done < 10) {
		unsigned now = 0;

		fake_run();
		while (pop(&q, &cqe))
			now++;
		assert_int_equal(now, done < 9 ? 3 : 1);
		done += now;
		ring_cq(&q);
	}
	assert_int_equal(fake_raised[2], 0);
	/* a head beyond what was posted is refused */
	wr(0x1004 + 8 * 2, 4, (q.head + 1) % 4);
	q.size = 16;
	push(&q, (struct sqe){ .opcode = 0, .nsid = 1 });
	ring_sq(&q);
	fake_run();
	assert_true(pop(&q, &cqe));
}

static void test_reset_drops_work(void **state)
{
	struct cqe cqe;

	(void)state;
	push(&io, rw(2, 0, LBA, DATA, 0));
	ring_sq(&io);
	dev->ops->reset(dev);
	fake_run();
	assert_false(pop(&io, &cqe));
	assert_int_equal(fake_raised[1], 0);
}

/* Reads and writes of any shape against a copy of the medium. */
static void test_random(void **state)
{
	static u8 model[MEDIA_BLOCKS * LBA];
	u64 random = test_seed();

	(void)state;
	memset(model, 0, sizeof(model));
	for (int round = 0; round < 400; round++) {
		u32 blocks = 1 + random_below(&random, MAX_BYTES / LBA);
		u64 lba = random_below(&random, MEDIA_BLOCKS - blocks + 1);
		u32 len = blocks * LBA, left = len, nr = 1, room;
		u64 part[MAX_BYTES / PG + 2];
		bool write = random_below(&random, 2);
		u64 *list, prp2, pages = FAKE_RAM / PG - 0x200;
		u8 *m = model + lba * LBA;
		u64 page = 0x200 + random_below(&random, pages);

		part[0] = page * PG + random_below(&random, PG / 4) * 4;
		left -= left < PG - part[0] % PG ? left : PG - part[0] % PG;
		for (; left; left -= left < PG ? left : PG) {
			page = 0x200 + (page - 0x200 + 1 +
					random_below(&random, 3)) % pages;
			part[nr++] = page * PG;
		}
		/* a list at a random place of its page, chained if need be */
		prp2 = nr == 2 ? part[1] : LIST +
			random_below(&random, PG / 8) * 8;
		list = list_at(prp2);
		room = (PG - prp2 % PG) / 8;
		for (u32 i = 1; nr > 2 && i < nr; i++) {
			if (room == 1 && i < nr - 1) {
				*list = LIST + 2 * PG;
				list = list_at(LIST + 2 * PG);
				room = PG / 8;
			}
			*list++ = part[i];
			room--;
		}
		left = len;
		for (u32 i = 0; i < nr; i++) {
			u32 now = PG - part[i] % PG;

			now = now < left ? now : left;
			for (u32 b = 0; b < now; b++)
				fake_ram[part[i] + b] = write ?
					next_random(&random) : 0xee;
			if (write)
				memcpy(m + len - left, fake_ram + part[i],
				       now);
			left -= now;
		}
		assert_int_equal(run_cmd(&io, rw(write ? 1 : 2, lba, len,
						 part[0], prp2)), 0);
		left = len;
		for (u32 i = 0; i < nr; i++) {
			u32 now = PG - part[i] % PG;

			now = now < left ? now : left;
			assert_memory_equal(fake_ram + part[i],
					    m + len - left, now);
			left -= now;
		}
	}
	assert_memory_equal(fake_kept, model, sizeof(model));
}

static void test_file(void **state)
{
	char path[] = "/tmp/hvsim-nvme-XXXXXX", options[64];
	int fd = mkstemp(path);
	u8 block[LBA];
	struct sqe cmd;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 100 * LBA), 0);
	snprintf(options, sizeof(options), "file=%s", path);
	start(options);
	memset(fake_ram + DATA, 0x42, LBA);
	cmd = rw(1, 99, LBA, DATA, 0);
	cmd.cdw12 |= 1u << 30;	/* force unit access */
	assert_int_equal(run_cmd(&io, cmd), 0);
	assert_int_equal(run_cmd(&io, rw(1, 100, LBA, DATA, 0)), LBA_RANGE);
	assert_int_equal(pread(fd, block, LBA, 99 * LBA), LBA);
	assert_memory_equal(block, fake_ram + DATA, LBA);
	assert_int_equal(run_cmd(&io, rw(2, 99, LBA, DATA + PG, 0)), 0);
	assert_memory_equal(block, fake_ram + DATA + PG, LBA);
	assert_int_equal(run_cmd(&io, rw(8, 99, LBA, 0, 0)), 0);
	assert_int_equal(pread(fd, block, LBA, 99 * LBA), LBA);
	assert_int_equal(block[0], 0);
	assert_int_equal(run_cmd(&io, (struct sqe){ .opcode = 0, .nsid = 1 }),
			 0);
	/* cut behind the controller's back */
	assert_int_equal(ftruncate(fd, LBA), 0);
	assert_int_equal(run_cmd(&io, rw(2, 50, LBA, DATA, 0)), 0x281);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test_setup(test_registers, setup),
		cmocka_unit_test_setup(test_shutdown, setup),
		cmocka_unit_test_setup(test_identify, setup),
		cmocka_unit_test_setup(test_queue_errors, setup),
		cmocka_unit_test_setup(test_features, setup),
		cmocka_unit_test_setup(test_logs, setup),
		cmocka_unit_test_setup(test_events, setup),
		cmocka_unit_test_setup(test_prp, setup),
		cmocka_unit_test_setup(test_prp_errors, setup),
		cmocka_unit_test_setup(test_io_errors, setup),
		cmocka_unit_test_setup(test_other_commands, setup),
		cmocka_unit_test_setup(test_dma_faults, setup),
		cmocka_unit_test_setup(test_fatal, setup),
		cmocka_unit_test_setup(test_batches, setup),
		cmocka_unit_test_setup(test_full_queue, setup),
		cmocka_unit_test_setup(test_reset_drops_work, setup),
		cmocka_unit_test_setup(test_random, setup),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
