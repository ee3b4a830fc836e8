/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One direction of a VMBus channel: a ring of packets in guest pages.
 * The host's own index is kept here as well as in guest memory, so that the
 * guest cannot lead the host astray by changing it.
 */
#ifndef HVSIM_RING_H
#define HVSIM_RING_H

#include "hvsim.h"

/* Packet types the rings of this program carry. */
enum {
	RING_PKT_INBAND = 6,
	RING_PKT_COMPLETION = 11,
};

#define RING_FLAG_COMPLETION_WANTED 1

struct ring {
	u8 **page;		/* host addresses; [0] is the header page */
	u32 nr_pages;
	u32 size;		/* bytes of data */
	u32 own;		/* read index if we read, else write index */
	bool writer;		/* the host produces into this ring */
	u8 *scratch;		/* the packet being read */
	char why[160];		/* what the guest broke, after RING_BROKEN */
};

struct ring_packet {
	u16 type;
	u16 flags;
	u64 tid;
	u32 len;		/* payload bytes, padding to 8 included */
	const u8 *payload;	/* until the next ring_get() */
};

enum ring_result {
	RING_OK,
	RING_EMPTY,		/* ring_get(): nothing there */
	RING_FULL,		/* ring_put(): no room; the guest will signal */
	RING_BROKEN,		/* the guest broke the ring, see r->why */
};

/* @nr_pages page frames, the first one being the header (at least 2). */
enum ring_result ring_init(struct ring *r, const struct guest_mem *mem,
			   const u64 *pfns, u32 nr_pages, bool writer);
void ring_free(struct ring *r);

/* Takes the next packet; the space is given back to the guest at once. */
enum ring_result ring_get(struct ring *r, struct ring_packet *p);
/*
 * Appends a packet. RING_FULL leaves the wanted size behind in the ring, and
 * the guest signals as soon as that much is free. A packet that would not
 * even fit into an empty ring ends the program.
 */
enum ring_result ring_put(struct ring *r, u16 type, u64 tid,
			  const void *payload, u32 len);
/* True when the guest does not want to be interrupted for this ring. */
bool ring_masked(const struct ring *r);
/* True when the guest waits for room in a ring we read, and now has it. */
bool ring_writer_waits(const struct ring *r);

#endif
