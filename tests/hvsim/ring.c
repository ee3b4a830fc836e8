// SPDX-License-Identifier: GPL-2.0
/*
 * VMBus ring buffers, host side. Owns the packet framing, the indices in the
 * header pages and their ordering against the guest, which runs concurrently
 * on other threads. Everything read from guest memory is read once and
 * checked before use. The caller serialises calls on one ring; nothing sleeps.
 *
 * Header page: u32 write index @0, read index @4, interrupt mask @8, pending
 * send size @12, feature bits @64. Data begins at the second page. A ring is
 * empty when the indices are equal, hence it is never filled completely.
 */
#include <stdlib.h>
#include <string.h>

#include "ring.h"

enum {
	HDR_WRITE_INDEX = 0,
	HDR_READ_INDEX = 4,
	HDR_INTERRUPT_MASK = 8,
	HDR_PENDING_SEND = 12,
	HDR_FEATURES = 64,
};

#define FEATURE_PENDING_SEND 1u

/* Precedes the payload of every packet. Lengths are in units of 8 bytes. */
struct descriptor {
	u16 type;
	u16 offset8;		/* where the payload starts */
	u16 length8;		/* descriptor and payload */
	u16 flags;
	u64 tid;
};

_Static_assert(sizeof(struct descriptor) == 16, "packet descriptor");

#define TRAILER_SIZE 8u
#define SMALLEST_PACKET ((u32)sizeof(struct descriptor) + TRAILER_SIZE)

static u32 load_header(const struct ring *r, unsigned off)
{
	return __atomic_load_n((u32 *)(r->page[0] + off), __ATOMIC_ACQUIRE);
}

static void store_header(struct ring *r, unsigned off, u32 val)
{
	__atomic_store_n((u32 *)(r->page[0] + off), val, __ATOMIC_RELEASE);
}

static void full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static u32 advance_index(const struct ring *r, u32 index, u32 by)
{
	return (index + by) % r->size;
}

static void copy_from_ring(const struct ring *r, u32 index, void *buf, u32 len)
{
	u8 *to = buf;

	while (len) {
		u32 in_page = index % HV_PAGE_SIZE;
		u32 part = HV_PAGE_SIZE - in_page;

		if (part > len)
			part = len;
		memcpy(to, r->page[1 + index / HV_PAGE_SIZE] + in_page, part);
		to += part;
		len -= part;
		index = advance_index(r, index, part);
	}
}

static u32 copy_to_ring(struct ring *r, u32 index, const void *buf, u32 len)
{
	const u8 *from = buf;

	while (len) {
		u32 in_page = index % HV_PAGE_SIZE;
		u32 part = HV_PAGE_SIZE - in_page;

		if (part > len)
			part = len;
		memcpy(r->page[1 + index / HV_PAGE_SIZE] + in_page, from, part);
		from += part;
		len -= part;
		index = advance_index(r, index, part);
	}
	return index;
}

/* Reads the index the guest owns; false with r->why when it is impossible. */
static bool load_guest_index(struct ring *r, u32 *index)
{
	unsigned theirs = r->writer ? HDR_READ_INDEX : HDR_WRITE_INDEX;
	unsigned ours = r->writer ? HDR_WRITE_INDEX : HDR_READ_INDEX;
	const char *name = r->writer ? "read" : "write";
	u32 val = load_header(r, ours);

	if (val != r->own) {
		snprintf(r->why, sizeof(r->why),
			 "the guest changed the host's %s index from %u to %u",
			 r->writer ? "write" : "read", r->own, val);
		return false;
	}
	val = load_header(r, theirs);
	if (val >= r->size || val % 8) {
		snprintf(r->why, sizeof(r->why),
			 "%s index %u is %s (ring of %u bytes)", name, val,
			 val % 8 ? "not a multiple of 8" : "out of range",
			 r->size);
		return false;
	}
	*index = val;
	return true;
}

enum ring_result ring_init(struct ring *r, const struct guest_mem *mem,
			   const u64 *pfns, u32 nr_pages, bool writer)
{
	u32 other;

	memset(r, 0, sizeof(*r));
	if (nr_pages < 2) {
		snprintf(r->why, sizeof(r->why),
			 "%u pages are too few for a ring", nr_pages);
		return RING_BROKEN;
	}
	r->writer = writer;
	r->nr_pages = nr_pages;
	r->size = (nr_pages - 1) * HV_PAGE_SIZE;
	r->page = calloc(nr_pages, sizeof(*r->page));
	r->scratch = malloc(r->size);
	if (!r->page || !r->scratch)
		die("out of memory for a ring of %u pages", nr_pages);
	for (u32 i = 0; i < nr_pages; i++) {
		if (pfns[i] < mem->size / HV_PAGE_SIZE)
			r->page[i] = mem_ptr(mem, pfns[i] * HV_PAGE_SIZE,
					     HV_PAGE_SIZE);
		if (!r->page[i]) {
			snprintf(r->why, sizeof(r->why),
				 "page %u of the ring, frame 0x%llx, is not in RAM",
				 i, (unsigned long long)pfns[i]);
			goto broken;
		}
	}
	r->own = load_header(r, writer ? HDR_WRITE_INDEX : HDR_READ_INDEX);
	if (r->own >= r->size || r->own % 8) {
		snprintf(r->why, sizeof(r->why),
			 "%s index %u at the start (ring of %u bytes)",
			 writer ? "write" : "read", r->own, r->size);
		goto broken;
	}
	if (!load_guest_index(r, &other))
		goto broken;
	if (writer) {
		/* We honour "pending send size": the guest shall signal. */
		store_header(r, HDR_FEATURES, load_header(r, HDR_FEATURES) |
			     FEATURE_PENDING_SEND);
		store_header(r, HDR_PENDING_SEND, 0);
	} else {
		/* We want to be signalled for what the guest sends. */
		store_header(r, HDR_INTERRUPT_MASK, 0);
	}
	return RING_OK;

broken:
	ring_free(r);
	return RING_BROKEN;
}

void ring_free(struct ring *r)
{
	free(r->page);
	free(r->scratch);
	r->page = NULL;
	r->scratch = NULL;
	r->nr_pages = 0;
	r->size = 0;
}

enum ring_result ring_get(struct ring *r, struct ring_packet *p)
{
	struct descriptor d;
	u32 write_index, avail, total, start;

	/*
	 * Pairs with the guest's write index store, full barrier, load of our
	 * read index: either it sees that we had caught up, and signals, or
	 * we see its packet here.
	 */
	full_barrier();
	if (!load_guest_index(r, &write_index))
		return RING_BROKEN;
	avail = (write_index + r->size - r->own) % r->size;
	if (!avail)
		return RING_EMPTY;
	if (avail < SMALLEST_PACKET) {
		snprintf(r->why, sizeof(r->why),
			 "%u bytes in the ring are less than a packet", avail);
		return RING_BROKEN;
	}
	copy_from_ring(r, r->own, &d, sizeof(d));
	total = d.length8 * 8u + TRAILER_SIZE;
	start = d.offset8 * 8u;
	if (start < sizeof(d) || d.length8 < d.offset8 || total > avail) {
		snprintf(r->why, sizeof(r->why),
			 "packet type %u: offset8 %u, length8 %u, %u bytes in the ring",
			 d.type, d.offset8, d.length8, avail);
		return RING_BROKEN;
	}
	p->type = d.type;
	p->flags = d.flags;
	p->tid = d.tid;
	p->len = d.length8 * 8u - start;
	p->payload = r->scratch;
	copy_from_ring(r, advance_index(r, r->own, start), r->scratch, p->len);
	r->own = advance_index(r, r->own, total);
	store_header(r, HDR_READ_INDEX, r->own);
	return RING_OK;
}

/* Room for @need more bytes? False with *full unset: the ring is broken. */
static bool has_room(struct ring *r, u32 need, bool *full)
{
	u32 read_index, used;

	*full = false;
	if (!load_guest_index(r, &read_index))
		return false;
	used = (r->own + r->size - read_index) % r->size;
	*full = need >= r->size - used;
	return !*full;
}

enum ring_result ring_put(struct ring *r, u16 type, u64 tid,
			  const void *payload, u32 len)
{
	u32 padded = (len + 7) & ~7u;
	u32 need = sizeof(struct descriptor) + padded + TRAILER_SIZE;
	struct descriptor d = {
		.type = type,
		.offset8 = sizeof(d) / 8,
		.length8 = (sizeof(d) + padded) / 8,
		.tid = tid,
	};
	u64 zero = 0, trailer = (u64)r->own << 32;
	u32 index;
	bool full;

	if (len > r->size || need >= r->size)
		die("packet of %u bytes for a ring of %u", len, r->size);
	if (!has_room(r, need, &full)) {
		if (!full)
			return RING_BROKEN;
		/* The guest may have made room before it saw our wish. */
		store_header(r, HDR_PENDING_SEND, need);
		full_barrier();
		if (!has_room(r, need, &full))
			return full ? RING_FULL : RING_BROKEN;
	}
	store_header(r, HDR_PENDING_SEND, 0);
	index = copy_to_ring(r, r->own, &d, sizeof(d));
	index = copy_to_ring(r, index, payload, len);
	index = copy_to_ring(r, index, &zero, padded - len);
	r->own = copy_to_ring(r, index, &trailer, sizeof(trailer));
	store_header(r, HDR_WRITE_INDEX, r->own);
	full_barrier();
	return RING_OK;
}

bool ring_masked(const struct ring *r)
{
	return load_header(r, HDR_INTERRUPT_MASK);
}

bool ring_writer_waits(const struct ring *r)
{
	u32 wanted, used;

	full_barrier();
	wanted = load_header(r, HDR_PENDING_SEND);
	used = (load_header(r, HDR_WRITE_INDEX) + r->size - r->own) % r->size;
	return wanted && r->size - used > wanted;
}
