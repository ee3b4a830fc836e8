/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMBus host: connection, offers, GPADLs, channels and their rings.
 * Knows nothing of what runs over a channel.
 */
#ifndef HVSIM_VMBUS_H
#define HVSIM_VMBUS_H

#include "hypercall.h"
#include "synic.h"

struct vmbus;
struct vmbus_chan;

struct vmbus_chan_ops {
	void (*opened)(void *opaque);
	/* Closed by the guest, rescinded, unloaded or reset. */
	void (*closed)(void *opaque);
	/* The guest released the relid after a rescind: may be re-offered. */
	void (*released)(void *opaque);
	/* One packet from the guest: payload, transaction id, packet type,
	 * flags (bit 0: completion requested). */
	void (*packet)(void *opaque, u16 type, u16 flags, u64 tid,
		       const u8 *payload, u32 len);
};

/* @max_version e.g. 0x50003. */
struct vmbus *vmbus_new(struct vm *vm, struct synic *synic, u32 max_version);
/* Called when the guest has said goodbye (UNLOAD), all channels closed. */
void vmbus_on_unload(struct vmbus *b, void (*fn)(void *opaque), void *opaque);
/* A channel of @type/@instance (raw GUID bytes). Not offered yet. */
struct vmbus_chan *vmbus_chan_new(struct vmbus *b, const u8 type[16],
				  const u8 instance[16],
				  const struct vmbus_chan_ops *ops,
				  void *opaque);
/* Offers it now, or with the others if the guest has not asked yet. */
void vmbus_offer(struct vmbus_chan *c);
/* Rescinds an offered channel. */
void vmbus_rescind(struct vmbus_chan *c);
/* Sends a packet; queues it while the ring is full. Type 6 or 11. */
void vmbus_send(struct vmbus_chan *c, u16 type, u64 tid, const void *payload,
		u32 len);

/* HVCALL_POST_MESSAGE and HVCALL_SIGNAL_EVENT. */
u16 vmbus_post_message(struct vmbus *b, struct hcall *h);
u16 vmbus_signal_event(struct vmbus *b, struct hcall *h);

#endif
