// SPDX-License-Identifier: GPL-2.0
/* LINK: ../hvsim/ring.c */
/*
 * VMBus rings of hvsim against an independent guest side: wrap around, full
 * ring, random traffic compared with a model, and hostile guests. The guest
 * side below works on the raw pages, and shares no code with ring.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../hvsim/ring.h"
#include "seed.h"
#include "test_hvsim_log.h"

#define RAM_PAGES 64
#define RING_PAGES 3
#define DATA ((RING_PAGES - 1) * 4096u)

/* ---- a guest ---- */

static struct guest_mem mem;
/* Scattered on purpose: the ring is not contiguous in guest memory. */
static const u64 pfns[RING_PAGES] = { 40, 7, 22 };

static u32 *header(unsigned off)
{
	return (u32 *)(mem.ram + pfns[0] * 4096 + off);
}

#define WRITE_INDEX (*header(0))
#define READ_INDEX (*header(4))
#define INTERRUPT_MASK (*header(8))
#define PENDING_SEND (*header(12))
#define FEATURES (*header(64))

static u8 *data_byte(u32 index)
{
	index %= DATA;
	return mem.ram + pfns[1 + index / 4096] * 4096 + index % 4096;
}

static void guest_store(u32 index, const void *from, u32 len)
{
	for (u32 i = 0; i < len; i++)
		*data_byte(index + i) = ((const u8 *)from)[i];
}

static void guest_load(u32 index, void *to, u32 len)
{
	for (u32 i = 0; i < len; i++)
		((u8 *)to)[i] = *data_byte(index + i);
}

static void guest_store_descriptor(u32 index, u16 type, u16 offset8,
				   u16 length8, u16 flags, u64 tid)
{
	u16 words[4] = { type, offset8, length8, flags };

	guest_store(index, words, 8);
	guest_store(index + 8, &tid, 8);
}

static u32 guest_free(void)
{
	return DATA - (WRITE_INDEX + DATA - READ_INDEX) % DATA;
}

/* @len is a multiple of 8. False when there is no room. */
static bool guest_send(u16 flags, u64 tid, const void *payload, u32 len)
{
	u32 at = WRITE_INDEX;
	u64 trailer = (u64)at << 32;

	if (16 + len + 8 >= guest_free())
		return false;
	guest_store_descriptor(at, 6, 2, 2 + len / 8, flags, tid);
	guest_store(at + 16, payload, len);
	guest_store(at + 16 + len, &trailer, 8);
	WRITE_INDEX = (at + 16 + len + 8) % DATA;
	return true;
}

struct guest_packet {
	u16 type, flags;
	u64 tid;
	u32 len;
	u8 payload[DATA];
};

/* False when the ring is empty. */
static bool guest_receive(struct guest_packet *p)
{
	u32 at = READ_INDEX;
	u16 words[4];
	u64 trailer;

	if (at == WRITE_INDEX)
		return false;
	guest_load(at, words, 8);
	guest_load(at + 8, &p->tid, 8);
	assert_int_equal(words[1], 2);
	p->type = words[0];
	p->flags = words[3];
	p->len = words[2] * 8 - 16;
	guest_load(at + 16, p->payload, p->len);
	guest_load(at + 16 + p->len, &trailer, 8);
	assert_int_equal(trailer, (u64)at << 32);
	READ_INDEX = (at + 16 + p->len + 8) % DATA;
	return true;
}

static int set_up(void **state)
{
	struct ring *r = calloc(1, sizeof(*r));

	mem.size = RAM_PAGES * 4096;
	mem.ram = malloc(mem.size);
	if (!mem.ram || !r)
		return -1;
	memset(mem.ram, 0xa5, mem.size);
	memset(header(0), 0, 4096);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	ring_free(*state);
	free(*state);
	free(mem.ram);
	return 0;
}

static void open_ring(struct ring *r, bool writer)
{
	assert_int_equal(ring_init(r, &mem, pfns, RING_PAGES, writer),
			 RING_OK);
	assert_int_equal(r->size, DATA);
}

static void fill_pattern(u8 *buf, u32 len, unsigned seed)
{
	for (u32 i = 0; i < len; i++)
		buf[i] = seed * 31 + i * 7;
}

/* ---- set-up ---- */

static void test_init_sets_up_header(void **state)
{
	struct ring *r = *state;

	INTERRUPT_MASK = 1;
	open_ring(r, false);
	assert_int_equal(INTERRUPT_MASK, 0);
	ring_free(r);

	PENDING_SEND = 77;
	FEATURES = 0x80;
	open_ring(r, true);
	assert_int_equal(PENDING_SEND, 0);
	assert_int_equal(FEATURES, 0x81);
}

static void test_init_refuses(void **state)
{
	struct ring *r = *state;
	u64 bad[RING_PAGES] = { 40, RAM_PAGES, 22 };

	assert_int_equal(ring_init(r, &mem, pfns, 1, false), RING_BROKEN);
	assert_int_equal(ring_init(r, &mem, bad, RING_PAGES, false),
			 RING_BROKEN);
	assert_non_null(strstr(r->why, "page 1"));
	/* A frame number whose address wraps to 0 is no RAM either. */
	bad[1] = 1ULL << 52;
	assert_int_equal(ring_init(r, &mem, bad, RING_PAGES, false),
			 RING_BROKEN);
	READ_INDEX = DATA;
	assert_int_equal(ring_init(r, &mem, pfns, RING_PAGES, false),
			 RING_BROKEN);
	assert_non_null(strstr(r->why, "read index"));
	READ_INDEX = 0;
	WRITE_INDEX = 4;
	assert_int_equal(ring_init(r, &mem, pfns, RING_PAGES, true),
			 RING_BROKEN);
	assert_int_equal(ring_init(r, &mem, pfns, RING_PAGES, false),
			 RING_BROKEN);
}

/* ---- host reads ---- */

static void test_get_one(void **state)
{
	struct ring *r = *state;
	struct ring_packet p;
	u8 msg[24];

	open_ring(r, false);
	assert_int_equal(ring_get(r, &p), RING_EMPTY);
	fill_pattern(msg, sizeof(msg), 1);
	assert_true(guest_send(1, 0x1122334455667788, msg, sizeof(msg)));
	assert_int_equal(ring_get(r, &p), RING_OK);
	assert_int_equal(p.type, RING_PKT_INBAND);
	assert_int_equal(p.flags, RING_FLAG_COMPLETION_WANTED);
	assert_int_equal(p.tid, 0x1122334455667788);
	assert_int_equal(p.len, sizeof(msg));
	assert_memory_equal(p.payload, msg, sizeof(msg));
	assert_int_equal(READ_INDEX, 48);
	assert_int_equal(ring_get(r, &p), RING_EMPTY);
}

static void test_get_skips_to_payload(void **state)
{
	struct ring *r = *state;
	struct ring_packet p;

	/* A payload that starts later than the descriptor ends. */
	open_ring(r, false);
	guest_store_descriptor(0, 6, 4, 6, 0, 9);
	guest_store(32, "0123456789abcdef", 16);
	WRITE_INDEX = 6 * 8 + 8;
	assert_int_equal(ring_get(r, &p), RING_OK);
	assert_int_equal(p.len, 16);
	assert_memory_equal(p.payload, "0123456789abcdef", 16);
	/* And one without any payload. */
	guest_store_descriptor(56, 6, 2, 2, 0, 9);
	WRITE_INDEX = 56 + 24;
	assert_int_equal(ring_get(r, &p), RING_OK);
	assert_int_equal(p.len, 0);
}

static void test_get_wraps_everywhere(void **state)
{
	struct ring *r = *state;
	struct ring_packet p;
	u8 msg[104];

	/* Every position of the wrap inside descriptor, payload, trailer. */
	for (u32 back = 8; back <= sizeof(msg) + 24; back += 8) {
		memset(header(0), 0, 4096);
		WRITE_INDEX = DATA - back;
		READ_INDEX = DATA - back;
		open_ring(r, false);
		fill_pattern(msg, sizeof(msg), back);
		assert_true(guest_send(0, back, msg, sizeof(msg)));
		assert_int_equal(ring_get(r, &p), RING_OK);
		assert_int_equal(p.tid, back);
		assert_int_equal(p.len, sizeof(msg));
		assert_memory_equal(p.payload, msg, sizeof(msg));
		assert_int_equal(READ_INDEX, WRITE_INDEX);
		ring_free(r);
	}
}

static void test_get_hostile_indices(void **state)
{
	struct ring *r = *state;
	struct ring_packet p;

	open_ring(r, false);
	WRITE_INDEX = DATA;
	assert_int_equal(ring_get(r, &p), RING_BROKEN);
	assert_non_null(strstr(r->why, "out of range"));
	WRITE_INDEX = 0xfffffff8;
	assert_int_equal(ring_get(r, &p), RING_BROKEN);
	WRITE_INDEX = 44;
	assert_int_equal(ring_get(r, &p), RING_BROKEN);
	assert_non_null(strstr(r->why, "multiple of 8"));
	WRITE_INDEX = 16;
	assert_int_equal(ring_get(r, &p), RING_BROKEN);
	assert_non_null(strstr(r->why, "less than a packet"));
	WRITE_INDEX = 0;
	READ_INDEX = 8;
	assert_int_equal(ring_get(r, &p), RING_BROKEN);
	assert_non_null(strstr(r->why, "changed the host's read index"));
	READ_INDEX = 0;
	assert_int_equal(ring_get(r, &p), RING_EMPTY);
}

static void test_get_hostile_lengths(void **state)
{
	static const struct {
		u16 offset8, length8;
	} bad[] = {
		{ 0, 4 }, { 1, 4 },	/* payload inside the descriptor */
		{ 3, 2 }, { 2, 0 },	/* ends before it starts */
		{ 2, 10 },		/* trailer beyond the write index */
		{ 2, 0xffff }, { 0xffff, 0xffff },
	};
	struct ring *r = *state;
	struct ring_packet p;

	open_ring(r, false);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		guest_store_descriptor(0, 6, bad[i].offset8, bad[i].length8,
				       0, 1);
		WRITE_INDEX = 80;
		assert_int_equal(ring_get(r, &p), RING_BROKEN);
		assert_non_null(strstr(r->why, "length8"));
		assert_int_equal(READ_INDEX, 0);
	}
	guest_store_descriptor(0, 6, 2, 9, 0, 1);
	assert_int_equal(ring_get(r, &p), RING_OK);
}

static void test_waiting_writer(void **state)
{
	struct ring *r = *state;
	struct ring_packet p;
	u8 msg[1024] = { 0 };
	unsigned sent = 0;

	open_ring(r, false);
	while (guest_send(0, 1, msg, sizeof(msg)))
		sent++;
	assert_int_equal(sent, (DATA - 1) / 1048);
	assert_false(ring_writer_waits(r));
	/* As much as is free after one packet: that is not yet enough. */
	PENDING_SEND = guest_free() + 1048;
	assert_false(ring_writer_waits(r));
	assert_int_equal(ring_get(r, &p), RING_OK);
	assert_false(ring_writer_waits(r));
	assert_int_equal(ring_get(r, &p), RING_OK);
	assert_true(ring_writer_waits(r));
}

/* ---- host writes ---- */

static void test_put_one(void **state)
{
	struct ring *r = *state;
	struct guest_packet p;
	u8 msg[13];

	open_ring(r, true);
	fill_pattern(msg, sizeof(msg), 3);
	assert_int_equal(ring_put(r, RING_PKT_COMPLETION, 42, msg,
				  sizeof(msg)), RING_OK);
	assert_true(guest_receive(&p));
	assert_int_equal(p.type, 11);
	assert_int_equal(p.flags, 0);
	assert_int_equal(p.tid, 42);
	assert_int_equal(p.len, 16);
	assert_memory_equal(p.payload, msg, sizeof(msg));
	/* Padding must not leak what was in memory. */
	assert_memory_equal(p.payload + 13, "\0\0\0", 3);
	assert_false(guest_receive(&p));
	assert_false(ring_masked(r));
	INTERRUPT_MASK = 1;
	assert_true(ring_masked(r));
}

static void test_put_wraps_everywhere(void **state)
{
	struct ring *r = *state;
	struct guest_packet p;
	u8 msg[100];

	for (u32 back = 8; back <= 128; back += 8) {
		memset(header(0), 0, 4096);
		WRITE_INDEX = DATA - back;
		READ_INDEX = DATA - back;
		open_ring(r, true);
		fill_pattern(msg, sizeof(msg), back);
		assert_int_equal(ring_put(r, 6, back, msg, sizeof(msg)),
				 RING_OK);
		assert_true(guest_receive(&p));
		assert_int_equal(p.tid, back);
		assert_int_equal(p.len, 104);
		assert_memory_equal(p.payload, msg, sizeof(msg));
		ring_free(r);
	}
}

static void test_put_full(void **state)
{
	struct ring *r = *state;
	struct guest_packet p;
	u8 msg[1000];
	unsigned sent = 0, got = 0;

	open_ring(r, true);
	fill_pattern(msg, sizeof(msg), 5);
	while (ring_put(r, 6, sent, msg, sizeof(msg)) == RING_OK)
		sent++;
	/* Never filled to the brim: equal indices would mean "empty". */
	assert_int_equal(sent, (DATA - 1) / 1024);
	assert_int_equal(guest_free(), DATA - sent * 1024);
	assert_int_equal(PENDING_SEND, 1024);
	/* A full ring stays as it is. */
	assert_int_equal(ring_put(r, 6, 99, msg, sizeof(msg)), RING_FULL);
	assert_true(guest_receive(&p));
	assert_int_equal(p.tid, got++);
	assert_int_equal(ring_put(r, 6, sent++, msg, sizeof(msg)), RING_OK);
	assert_int_equal(PENDING_SEND, 0);
	while (guest_receive(&p)) {
		assert_int_equal(p.tid, got++);
		assert_memory_equal(p.payload, msg, sizeof(msg));
	}
	assert_int_equal(got, sent);
}

static void test_put_exact_fit(void **state)
{
	struct ring *r = *state;
	static u8 msg[DATA];
	struct guest_packet p;

	/* The largest packet there is: all but 8 bytes of the ring. */
	open_ring(r, true);
	fill_pattern(msg, sizeof(msg), 9);
	assert_int_equal(ring_put(r, 6, 1, msg, DATA - 8 - 24), RING_OK);
	assert_int_equal(ring_put(r, 6, 2, msg, 0), RING_FULL);
	assert_true(guest_receive(&p));
	assert_int_equal(p.len, DATA - 8 - 24);
	assert_memory_equal(p.payload, msg, p.len);
}

static void test_put_hostile_indices(void **state)
{
	struct ring *r = *state;

	open_ring(r, true);
	READ_INDEX = DATA + 8;
	assert_int_equal(ring_put(r, 6, 1, "x", 1), RING_BROKEN);
	READ_INDEX = 3;
	assert_int_equal(ring_put(r, 6, 1, "x", 1), RING_BROKEN);
	READ_INDEX = 0;
	WRITE_INDEX = 64;
	assert_int_equal(ring_put(r, 6, 1, "x", 1), RING_BROKEN);
	assert_non_null(strstr(r->why, "changed the host's write index"));
	WRITE_INDEX = 0;
	assert_int_equal(ring_put(r, 6, 1, "x", 1), RING_OK);
}

/* ---- random traffic against a model ---- */

static u64 rng;

static u32 below(u32 n)
{
	return random_below(&rng, n);
}

struct model_packet {
	u64 tid;
	u32 len;
	u8 payload[600];
};

#define MODEL_MAX 1024

static struct {
	struct model_packet packet[MODEL_MAX];
	unsigned first, nr;
	u32 bytes;		/* in the ring, framing included */
} model;

static u32 framed(u32 len)
{
	return 16 + (len + 7) / 8 * 8 + 8;
}

static struct model_packet *model_prepare(u64 tid, u32 len)
{
	struct model_packet *m =
		&model.packet[(model.first + model.nr) % MODEL_MAX];

	assert_true(model.nr < MODEL_MAX);
	m->tid = tid;
	m->len = len;
	for (u32 i = 0; i < len; i++)
		m->payload[i] = below(256);
	return m;
}

static void model_push(const struct model_packet *m)
{
	model.nr++;
	model.bytes += framed(m->len);
}

static struct model_packet *model_pop(void)
{
	struct model_packet *m = &model.packet[model.first];

	model.first = (model.first + 1) % MODEL_MAX;
	model.nr--;
	model.bytes -= framed(m->len);
	return m;
}

static void test_random_get(void **state)
{
	struct ring *r = *state;

	rng = test_seed();
	memset(&model, 0, sizeof(model));
	open_ring(r, false);
	for (unsigned step = 0; step < 200000; step++) {
		bool fill = below(100) < (step / 5000 % 2 ? 70 : 30);

		if (fill) {
			u32 len = below(75) * 8;
			bool fits = model.bytes + framed(len) < DATA;
			struct model_packet *m = model_prepare(step, len);

			assert_int_equal(guest_send(0, step, m->payload, len),
					 fits);
			if (fits)
				model_push(m);
		} else {
			enum ring_result want = model.nr ? RING_OK :
							   RING_EMPTY;
			struct model_packet *m;
			struct ring_packet p;

			assert_int_equal(ring_get(r, &p), want);
			if (want == RING_EMPTY)
				continue;
			m = model_pop();
			assert_int_equal(p.tid, m->tid);
			assert_int_equal(p.len, m->len);
			assert_memory_equal(p.payload, m->payload, m->len);
		}
	}
}

static void test_random_put(void **state)
{
	struct ring *r = *state;
	static struct guest_packet p;

	rng = test_seed();
	memset(&model, 0, sizeof(model));
	open_ring(r, true);
	for (unsigned step = 0; step < 200000; step++) {
		bool fill = below(100) < (step / 5000 % 2 ? 70 : 30);

		if (fill) {
			u32 len = below(600);
			bool fits = model.bytes + framed(len) < DATA;
			struct model_packet *m = model_prepare(step, len);

			assert_int_equal(ring_put(r, 6, step, m->payload, len),
					 fits ? RING_OK : RING_FULL);
			assert_int_equal(PENDING_SEND, fits ? 0 : framed(len));
			if (fits)
				model_push(m);
		} else {
			struct model_packet *m;

			assert_int_equal(guest_receive(&p), model.nr != 0);
			if (!model.nr)
				continue;
			m = model_pop();
			assert_int_equal(p.tid, m->tid);
			assert_int_equal(p.len, framed(m->len) - 24);
			assert_memory_equal(p.payload, m->payload, m->len);
		}
	}
}

/* Garbage in header and data: whatever happens, nothing is read outside. */
static void test_random_garbage(void **state)
{
	struct ring *r = *state;
	unsigned results[4] = { 0 };

	rng = test_seed();
	open_ring(r, false);
	for (unsigned step = 0; step < 100000; step++) {
		struct ring_packet p;
		enum ring_result result;
		u32 own = r->own;

		for (unsigned i = 0; i < 8; i++)
			*data_byte(own + i) = below(below(4) ? 40 : 256);
		WRITE_INDEX = next_random(&rng);
		if (below(8))
			WRITE_INDEX = WRITE_INDEX % DATA / 8 * 8;
		result = ring_get(r, &p);
		results[result]++;
		if (result == RING_OK) {
			assert_true(p.len <= DATA);
			/* Under a sanitizer this sees every byte. */
			assert_int_equal(memcmp(p.payload, r->scratch, p.len),
					 0);
		} else {
			assert_int_equal(r->own, own);
		}
		assert_true(r->own < DATA && r->own % 8 == 0);
	}
	assert_true(results[RING_OK] && results[RING_BROKEN]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_init_sets_up_header),
		TEST(test_init_refuses),
		TEST(test_get_one),
		TEST(test_get_skips_to_payload),
		TEST(test_get_wraps_everywhere),
		TEST(test_get_hostile_indices),
		TEST(test_get_hostile_lengths),
		TEST(test_waiting_writer),
		TEST(test_put_one),
		TEST(test_put_wraps_everywhere),
		TEST(test_put_full),
		TEST(test_put_exact_fit),
		TEST(test_put_hostile_indices),
		TEST(test_random_get),
		TEST(test_random_put),
		TEST(test_random_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
