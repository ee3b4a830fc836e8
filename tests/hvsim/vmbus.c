// SPDX-License-Identifier: GPL-2.0
/*
 * VMBus host: owns the connection with the guest, the offers, the GPADLs
 * (lists of guest pages) and the channels. Everything runs under vm->lock, in
 * the hypercall exit of the vCPU that asked, or on the worker thread; nothing
 * sleeps. A guest that breaks the protocol causes a violation() that names
 * the message and the value; hvsim stays consistent when it goes on.
 *
 * Channel states and what moves them:
 *
 *   IDLE -> WAITING    vmbus_offer()
 *   WAITING -> OFFERED the guest asked for offers
 *   OFFERED -> OPEN    OPENCHANNEL; back with CLOSECHANNEL
 *   OFFERED, OPEN -> RESCINDED  vmbus_rescind()
 *   RESCINDED -> IDLE  RELID_RELEASED
 *
 * A new connection, or UNLOAD, turns OFFERED and OPEN into WAITING, and
 * RESCINDED into IDLE: the other side has forgotten everything.
 */
#include <stdlib.h>
#include <string.h>

#include "ring.h"
#include "vmbus.h"

#define MAX_MESSAGE 240u
#define MAX_RELID 2047u
#define FIRST_CONNECTION_ID 0x2000u
/* Connection ids of the control messages, before and since version 5.0. */
#define OLD_CONTROL_ID 1u
#define CONTROL_ID 4u

#define VERSION_4_0 0x40000u
#define VERSION_5_0 0x50000u
#define VERSION_5_3 0x50003u

/* Answers the guest may leave unread before we stop taking requests. */
#define MAX_QUEUED 64u
/* Packets taken in one go, so that no guest can keep the lock for ever. */
#define DRAIN_BATCH 256u

/* What a refused open or GPADL is answered with (STATUS_INVALID_PARAMETER). */
#define STATUS_REFUSED 0xc000000du

enum {
	MSG_OFFERCHANNEL = 1,
	MSG_RESCIND_CHANNELOFFER = 2,
	MSG_REQUESTOFFERS = 3,
	MSG_ALLOFFERS_DELIVERED = 4,
	MSG_OPENCHANNEL = 5,
	MSG_OPENCHANNEL_RESULT = 6,
	MSG_CLOSECHANNEL = 7,
	MSG_GPADL_HEADER = 8,
	MSG_GPADL_BODY = 9,
	MSG_GPADL_CREATED = 10,
	MSG_GPADL_TEARDOWN = 11,
	MSG_GPADL_TORNDOWN = 12,
	MSG_RELID_RELEASED = 13,
	MSG_INITIATE_CONTACT = 14,
	MSG_VERSION_RESPONSE = 15,
	MSG_UNLOAD = 16,
	MSG_UNLOAD_RESPONSE = 17,
	MSG_TL_CONNECT_REQUEST = 21,
	MSG_MODIFYCHANNEL = 22,
	MSG_MODIFYCHANNEL_RESPONSE = 24,
};

struct msg_header {
	u32 type;
	u32 padding;
};

struct msg_relid {
	struct msg_header hdr;
	u32 relid;
} __attribute__((packed));

struct msg_offer {
	struct msg_header hdr;
	u8 type[16];
	u8 instance[16];
	u8 reserved[16];
	u16 flags;
	u16 mmio_megabytes;
	u8 user_data[120];
	u16 sub_channel;
	u16 reserved2;
	u32 relid;
	u8 monitor_id;
	u8 monitor_allocated;
	u16 dedicated_interrupt;
	u32 connection_id;
} __attribute__((packed));

struct msg_open {
	struct msg_header hdr;
	u32 relid;
	u32 open_id;
	u32 gpadl;
	u32 target_vp;
	u32 downstream_page;
	u8 user_data[120];
} __attribute__((packed));

struct msg_open_result {
	struct msg_header hdr;
	u32 relid;
	u32 open_id;
	u32 status;
} __attribute__((packed));

struct msg_gpadl_header {
	struct msg_header hdr;
	u32 relid;
	u32 gpadl;
	u16 range_len;
	u16 range_count;
	u32 byte_count;
	u32 byte_offset;
	u64 pfn[];
} __attribute__((packed));

struct msg_gpadl_body {
	struct msg_header hdr;
	u32 number;
	u32 gpadl;
	u64 pfn[];
} __attribute__((packed));

struct msg_gpadl_created {
	struct msg_header hdr;
	u32 relid;
	u32 gpadl;
	u32 status;
} __attribute__((packed));

struct msg_gpadl_teardown {
	struct msg_header hdr;
	u32 relid;
	u32 gpadl;
} __attribute__((packed));

struct msg_gpadl_torndown {
	struct msg_header hdr;
	u32 gpadl;
} __attribute__((packed));

struct msg_contact {
	struct msg_header hdr;
	u32 version;
	u32 target_vp;
	u64 interrupt_page;	/* since 5.0: SINT, VTL, feature flags */
	u64 monitor_page[2];
} __attribute__((packed));

struct msg_version_response {
	struct msg_header hdr;
	u8 supported;
	u8 state;
	u16 reserved;
	u32 connection_id;
} __attribute__((packed));

struct msg_modify {
	struct msg_header hdr;
	u32 relid;
	u32 target_vp;
} __attribute__((packed));

struct msg_modify_response {
	struct msg_header hdr;
	u32 relid;
	u32 status;
} __attribute__((packed));

_Static_assert(sizeof(struct msg_offer) == 196, "OFFERCHANNEL");
_Static_assert(sizeof(struct msg_open) == 148, "OPENCHANNEL");
_Static_assert(sizeof(struct msg_gpadl_header) == 28, "GPADL_HEADER");
_Static_assert(sizeof(struct msg_gpadl_body) == 16, "GPADL_BODY");
_Static_assert(sizeof(struct msg_contact) == 40, "INITIATE_CONTACT");
_Static_assert(sizeof(struct msg_version_response) == 16, "VERSION_RESPONSE");

struct gpadl {
	struct gpadl *next;
	u32 id;
	u32 relid;
	u32 nr_pages;
	u32 nr_known;		/* frames received so far */
	bool refused;		/* some frame was bad: say so at the end */
	u64 pfn[];
};

enum chan_state {
	CHAN_IDLE,
	CHAN_WAITING,
	CHAN_OFFERED,
	CHAN_OPEN,
	CHAN_RESCINDED,
};

struct queued_packet {
	struct queued_packet *next;
	u16 type;
	u64 tid;
	u32 len;
	u8 payload[];
};

struct vmbus_chan {
	struct vmbus_chan *next;
	struct vmbus *bus;
	u8 type[16];
	u8 instance[16];
	const struct vmbus_chan_ops *ops;
	void *opaque;

	enum chan_state state;
	u32 relid;		/* 0 while IDLE or WAITING */
	u32 target_vp;
	u32 gpadl;		/* of the rings, while OPEN */
	struct ring from_guest, to_guest;
	bool broken;		/* the guest broke a ring: hands off */
	struct queued_packet *queue, **queue_tail;
	unsigned nr_queued;
	struct work work;	/* goes on draining */
};

struct vmbus {
	struct vm *vm;
	struct synic *synic;
	u32 max_version;

	void (*unloaded)(void *opaque);
	void *unloaded_arg;

	u32 version;		/* 0: not connected */
	u32 message_vp;
	bool offers_wanted;
	struct vmbus_chan *chans;
	struct gpadl *gpadls;
};

static void service_channel(struct vmbus_chan *c);

static void resume_channel(void *arg)
{
	service_channel(arg);
}

/* ---- look-ups ---- */

static struct vmbus_chan *find_channel(struct vmbus *b, u32 relid)
{
	for (struct vmbus_chan *c = b->chans; c && relid; c = c->next)
		if (c->relid == relid)
			return c;
	return NULL;
}

static struct gpadl *find_gpadl(struct vmbus *b, u32 id)
{
	for (struct gpadl *g = b->gpadls; g; g = g->next)
		if (g->id == id)
			return g;
	return NULL;
}

static void free_gpadl(struct vmbus *b, struct gpadl *gone)
{
	for (struct gpadl **p = &b->gpadls; *p; p = &(*p)->next) {
		if (*p == gone) {
			*p = gone->next;
			free(gone);
			return;
		}
	}
}

static void free_gpadls_of(struct vmbus *b, u32 relid)
{
	struct gpadl *g = b->gpadls, *next;

	for (; g; g = next) {
		next = g->next;
		if (g->relid == relid)
			free_gpadl(b, g);
	}
}

/* ---- channels and their rings ---- */

static void post_message(struct vmbus *b, const void *msg, size_t len)
{
	synic_post(b->synic, b->message_vp, msg, len);
}

static void free_queue(struct vmbus_chan *c)
{
	struct queued_packet *q = c->queue, *next;

	for (; q; q = next) {
		next = q->next;
		free(q);
	}
	c->queue = NULL;
	c->queue_tail = &c->queue;
	c->nr_queued = 0;
}

/* Leaves OPEN for @state. Whoever sits on the channel is told. */
static void close_channel(struct vmbus_chan *c, enum chan_state state)
{
	c->state = state;
	free_queue(c);
	ring_free(&c->from_guest);
	ring_free(&c->to_guest);
	c->ops->closed(c->opaque);
}

static void break_channel(struct vmbus_chan *c, const struct ring *r)
{
	c->broken = true;
	free_queue(c);
	violation("vmbus: channel %u, ring %s: %s", c->relid,
		  r->writer ? "to the guest" : "from the guest", r->why);
}

static void interrupt_guest(struct vmbus_chan *c)
{
	synic_signal(c->bus->synic, c->target_vp, c->relid);
}

/* False when the packet did not get into the ring. */
static bool put_packet(struct vmbus_chan *c, u16 type, u64 tid,
		       const void *payload, u32 len)
{
	switch (ring_put(&c->to_guest, type, tid, payload, len)) {
	case RING_OK:
		if (!ring_masked(&c->to_guest))
			interrupt_guest(c);
		return true;
	case RING_BROKEN:
		break_channel(c, &c->to_guest);
		return false;
	default:
		return false;
	}
}

static void flush_queue(struct vmbus_chan *c)
{
	struct queued_packet *q;

	while ((q = c->queue)) {
		if (!put_packet(c, q->type, q->tid, q->payload, q->len))
			return;
		c->queue = q->next;
		if (!c->queue)
			c->queue_tail = &c->queue;
		c->nr_queued--;
		free(q);
	}
}

static void hand_over_packet(struct vmbus_chan *c, const struct ring_packet *p)
{
	if (p->type != RING_PKT_INBAND) {
		violation("vmbus: channel %u: packet of type %u, expected %u",
			  c->relid, p->type, RING_PKT_INBAND);
		return;
	}
	if (p->flags & ~RING_FLAG_COMPLETION_WANTED) {
		violation("vmbus: channel %u: packet flags 0x%x", c->relid,
			  p->flags);
		return;
	}
	c->ops->packet(c->opaque, p->type, p->flags, p->tid, p->payload,
		       p->len);
}

/* Delivers what is queued, then takes what the guest has sent. */
static void service_channel(struct vmbus_chan *c)
{
	struct ring_packet p;

	if (c->state != CHAN_OPEN || c->broken)
		return;
	flush_queue(c);
	for (unsigned n = 0; c->state == CHAN_OPEN && !c->broken; n++) {
		/* The guest frees room for our answers, and signals, first. */
		if (c->nr_queued >= MAX_QUEUED)
			return;
		if (n == DRAIN_BATCH) {
			vm_queue_work(c->bus->vm, &c->work);
			break;
		}
		switch (ring_get(&c->from_guest, &p)) {
		case RING_OK:
			hand_over_packet(c, &p);
			continue;
		case RING_BROKEN:
			break_channel(c, &c->from_guest);
			return;
		default:
			break;
		}
		break;
	}
	if (c->state == CHAN_OPEN && ring_writer_waits(&c->from_guest))
		interrupt_guest(c);
}

void vmbus_send(struct vmbus_chan *c, u16 type, u64 tid, const void *payload,
		u32 len)
{
	struct queued_packet *q;

	if (c->state != CHAN_OPEN || c->broken)
		return;
	if (!c->queue && put_packet(c, type, tid, payload, len))
		return;
	if (c->broken)
		return;
	q = malloc(sizeof(*q) + len);
	if (!q)
		die("out of memory for a packet of %u bytes", len);
	q->next = NULL;
	q->type = type;
	q->tid = tid;
	q->len = len;
	memcpy(q->payload, payload, len);
	*c->queue_tail = q;
	c->queue_tail = &q->next;
	c->nr_queued++;
}

/* ---- offers ---- */

static u32 lowest_free_relid(struct vmbus *b)
{
	for (u32 relid = 1; relid <= MAX_RELID; relid++)
		if (!find_channel(b, relid))
			return relid;
	die("more than %u VMBus channels", MAX_RELID);
}

static void send_offer(struct vmbus_chan *c)
{
	struct msg_offer m = { .hdr.type = MSG_OFFERCHANNEL };

	c->relid = lowest_free_relid(c->bus);
	c->state = CHAN_OFFERED;
	memcpy(m.type, c->type, sizeof(m.type));
	memcpy(m.instance, c->instance, sizeof(m.instance));
	m.relid = c->relid;
	m.dedicated_interrupt = 1;
	m.connection_id = FIRST_CONNECTION_ID + c->relid;
	post_message(c->bus, &m, sizeof(m));
	log_debug("vmbus: offered relid %u", c->relid);
}

void vmbus_offer(struct vmbus_chan *c)
{
	if (c->state != CHAN_IDLE)
		die("channel offered twice (state %d)", c->state);
	c->state = CHAN_WAITING;
	if (c->bus->offers_wanted)
		send_offer(c);
}

static void release_channel(struct vmbus_chan *c)
{
	c->state = CHAN_IDLE;
	c->relid = 0;
	c->ops->released(c->opaque);
}

void vmbus_rescind(struct vmbus_chan *c)
{
	struct msg_relid m = {
		.hdr.type = MSG_RESCIND_CHANNELOFFER,
		.relid = c->relid,
	};

	switch (c->state) {
	case CHAN_IDLE:
	case CHAN_RESCINDED:
		return;
	case CHAN_WAITING:
		/* The guest has never heard of it. */
		release_channel(c);
		return;
	case CHAN_OPEN:
		close_channel(c, CHAN_RESCINDED);
		break;
	case CHAN_OFFERED:
		c->state = CHAN_RESCINDED;
		break;
	}
	free_gpadls_of(c->bus, c->relid);
	post_message(c->bus, &m, sizeof(m));
	log_debug("vmbus: rescinded relid %u", c->relid);
}

/* The guest starts anew, or says goodbye. */
static void forget_connection(struct vmbus *b)
{
	b->version = 0;
	b->offers_wanted = false;
	for (struct vmbus_chan *c = b->chans; c; c = c->next) {
		switch (c->state) {
		case CHAN_OPEN:
			close_channel(c, CHAN_WAITING);
			break;
		case CHAN_OFFERED:
			c->state = CHAN_WAITING;
			break;
		case CHAN_RESCINDED:
			release_channel(c);
			break;
		default:
			break;
		}
		c->relid = 0;
	}
	while (b->gpadls)
		free_gpadl(b, b->gpadls);
}

/* ---- messages of the guest; sizes have been checked ---- */

/*
 * The channel a message is about. NULL after a violation for an unknown one;
 * also NULL, quietly, when it has been rescinded: the guest may not have
 * noticed yet.
 */
static struct vmbus_chan *message_channel(struct vmbus *b, const char *name,
					  u32 relid)
{
	struct vmbus_chan *c = find_channel(b, relid);

	if (!c) {
		violation("vmbus: %s for unknown relid %u", name, relid);
		return NULL;
	}
	return c->state == CHAN_RESCINDED ? NULL : c;
}

static bool version_known(u32 version)
{
	switch (version) {
	case VERSION_4_0:
	case 0x40001:
	case VERSION_5_0:
	case 0x50001:
	case 0x50002:
	case VERSION_5_3:
		return true;
	}
	return false;
}

/* The fields of INITIATE_CONTACT that only count if the version is taken. */
static bool check_contact(struct vmbus *b, const struct msg_contact *m)
{
	const struct guest_mem *mem = vm_mem(b->vm);

	for (int i = 0; i < 2; i++) {
		/*
		 * An isolated guest adds its shared memory boundary, which
		 * is bit 0 where there is none.
		 */
		u64 gpa = m->monitor_page[i] & ~1ULL;

		if (gpa % HV_PAGE_SIZE || !mem_ptr(mem, gpa, HV_PAGE_SIZE)) {
			violation("vmbus: INITIATE_CONTACT: monitor page %d at 0x%llx",
				  i + 1, (unsigned long long)gpa);
			return false;
		}
	}
	if (m->version < VERSION_5_0) {
		u64 gpa = m->interrupt_page;

		if (gpa % HV_PAGE_SIZE || !mem_ptr(mem, gpa, HV_PAGE_SIZE)) {
			violation("vmbus: INITIATE_CONTACT: interrupt page at 0x%llx",
				  (unsigned long long)gpa);
			return false;
		}
	} else if (m->interrupt_page != VMBUS_SINT) {
		violation("vmbus: INITIATE_CONTACT: SINT, VTL and flags are 0x%llx, expected SINT %d only",
			  (unsigned long long)m->interrupt_page, VMBUS_SINT);
		return false;
	}
	return true;
}

static void on_initiate_contact(struct vmbus *b, const void *msg)
{
	const struct msg_contact *m = msg;
	struct msg_version_response r = {
		.hdr.type = MSG_VERSION_RESPONSE,
	};

	forget_connection(b);
	if (m->target_vp >= vm_nr_vcpus(b->vm)) {
		violation("vmbus: INITIATE_CONTACT: target VP %u of %u",
			  m->target_vp, vm_nr_vcpus(b->vm));
		return;
	}
	b->message_vp = m->target_vp;
	if (version_known(m->version) && m->version <= b->max_version &&
	    check_contact(b, m)) {
		b->version = m->version;
		r.supported = 1;
		if (b->version >= VERSION_5_0)
			r.connection_id = CONTROL_ID;
	}
	log_debug("vmbus: version %u.%u %s", m->version >> 16,
		  m->version & 0xffff, r.supported ? "accepted" : "refused");
	post_message(b, &r, sizeof(r));
}

static void on_request_offers(struct vmbus *b, const void *msg)
{
	struct msg_header done = { .type = MSG_ALLOFFERS_DELIVERED };

	(void)msg;
	b->offers_wanted = true;
	for (struct vmbus_chan *c = b->chans; c; c = c->next)
		if (c->state == CHAN_WAITING)
			send_offer(c);
	post_message(b, &done, sizeof(done));
}

/* Builds both rings out of the GPADL; false after a violation. */
static bool set_up_rings(struct vmbus_chan *c, const struct msg_open *m)
{
	struct vmbus *b = c->bus;
	const struct guest_mem *mem = vm_mem(b->vm);
	struct gpadl *g = find_gpadl(b, m->gpadl);

	if (!g || g->relid != c->relid || g->nr_known < g->nr_pages) {
		violation("vmbus: OPENCHANNEL relid %u: GPADL 0x%x %s",
			  c->relid, m->gpadl, !g ? "does not exist" :
			  g->relid != c->relid ? "is of another channel" :
			  "is not complete");
		return false;
	}
	if (m->downstream_page < 2 || m->downstream_page >= g->nr_pages ||
	    g->nr_pages - m->downstream_page < 2) {
		violation("vmbus: OPENCHANNEL relid %u: downstream ring at page %u of %u",
			  c->relid, m->downstream_page, g->nr_pages);
		return false;
	}
	if (ring_init(&c->from_guest, mem, g->pfn, m->downstream_page,
		      false) != RING_OK) {
		violation("vmbus: OPENCHANNEL relid %u: upstream ring: %s",
			  c->relid, c->from_guest.why);
		return false;
	}
	if (ring_init(&c->to_guest, mem, g->pfn + m->downstream_page,
		      g->nr_pages - m->downstream_page, true) != RING_OK) {
		violation("vmbus: OPENCHANNEL relid %u: downstream ring: %s",
			  c->relid, c->to_guest.why);
		ring_free(&c->from_guest);
		return false;
	}
	return true;
}

static bool open_channel(struct vmbus_chan *c, const struct msg_open *m)
{
	if (c->state != CHAN_OFFERED) {
		violation("vmbus: OPENCHANNEL: relid %u is open already",
			  c->relid);
		return false;
	}
	if (m->target_vp >= vm_nr_vcpus(c->bus->vm)) {
		violation("vmbus: OPENCHANNEL relid %u: target VP %u of %u",
			  c->relid, m->target_vp, vm_nr_vcpus(c->bus->vm));
		return false;
	}
	if (!set_up_rings(c, m))
		return false;
	c->gpadl = m->gpadl;
	c->target_vp = m->target_vp;
	c->broken = false;
	c->state = CHAN_OPEN;
	return true;
}

static void on_open(struct vmbus *b, const void *msg)
{
	const struct msg_open *m = msg;
	struct vmbus_chan *c = message_channel(b, "OPENCHANNEL", m->relid);
	struct msg_open_result r = {
		.hdr.type = MSG_OPENCHANNEL_RESULT,
		.relid = m->relid,
		.open_id = m->open_id,
		.status = STATUS_REFUSED,
	};

	if (!c)
		return;
	if (open_channel(c, m)) {
		r.status = 0;
		c->ops->opened(c->opaque);
	}
	post_message(b, &r, sizeof(r));
}

static void on_close(struct vmbus *b, const void *msg)
{
	const struct msg_relid *m = msg;
	struct vmbus_chan *c = message_channel(b, "CLOSECHANNEL", m->relid);

	if (!c)
		return;
	if (c->state != CHAN_OPEN) {
		violation("vmbus: CLOSECHANNEL: relid %u is not open",
			  m->relid);
		return;
	}
	close_channel(c, CHAN_OFFERED);
}

static void finish_gpadl(struct vmbus *b, struct gpadl *g)
{
	struct msg_gpadl_created r = {
		.hdr.type = MSG_GPADL_CREATED,
		.relid = g->relid,
		.gpadl = g->id,
		.status = g->refused ? STATUS_REFUSED : 0,
	};

	if (g->refused)
		free_gpadl(b, g);
	post_message(b, &r, sizeof(r));
}

/* Takes the page frames of a header or body message. */
static void add_gpadl_frames(struct vmbus *b, struct gpadl *g,
			     const u8 *frames, u32 nr)
{
	u64 limit = vm_mem(b->vm)->size / HV_PAGE_SIZE;

	for (u32 i = 0; i < nr; i++) {
		u64 pfn;

		memcpy(&pfn, frames + i * sizeof(pfn), sizeof(pfn));
		if (pfn >= limit) {
			g->refused = true;
			violation("vmbus: GPADL 0x%x: page %u, frame 0x%llx, is not in RAM",
				  g->id, g->nr_known,
				  (unsigned long long)pfn);
		}
		g->pfn[g->nr_known++] = pfn;
	}
	if (g->nr_known == g->nr_pages)
		finish_gpadl(b, g);
}

static void on_gpadl_header(struct vmbus *b, const void *msg, u32 len)
{
	const struct msg_gpadl_header *m = msg;
	u32 here = (len - sizeof(*m)) / sizeof(u64);
	u64 bytes = (u64)m->byte_offset + m->byte_count;
	struct vmbus_chan *c = message_channel(b, "GPADL_HEADER", m->relid);
	struct gpadl *g;
	u32 nr;

	if (!c)
		return;
	if (m->range_count != 1 || m->range_len < 16 || m->range_len % 8) {
		violation("vmbus: GPADL 0x%x: %u ranges, %u bytes of ranges",
			  m->gpadl, m->range_count, m->range_len);
		return;
	}
	nr = (m->range_len - 8) / sizeof(u64);
	if (m->byte_offset >= HV_PAGE_SIZE || !m->byte_count ||
	    (bytes + HV_PAGE_SIZE - 1) / HV_PAGE_SIZE != nr) {
		violation("vmbus: GPADL 0x%x: %u bytes at offset %u do not fill %u pages",
			  m->gpadl, m->byte_count, m->byte_offset, nr);
		return;
	}
	if ((len - sizeof(*m)) % sizeof(u64) || !here || here > nr) {
		violation("vmbus: GPADL_HEADER 0x%x of %u bytes for %u pages",
			  m->gpadl, len, nr);
		return;
	}
	if (find_gpadl(b, m->gpadl)) {
		violation("vmbus: GPADL 0x%x exists already", m->gpadl);
		return;
	}
	g = calloc(1, sizeof(*g) + nr * sizeof(u64));
	if (!g)
		die("out of memory for a GPADL of %u pages", nr);
	g->id = m->gpadl;
	g->relid = m->relid;
	g->nr_pages = nr;
	g->next = b->gpadls;
	b->gpadls = g;
	add_gpadl_frames(b, g, (const u8 *)msg + sizeof(*m), here);
}

static void on_gpadl_body(struct vmbus *b, const void *msg, u32 len)
{
	const struct msg_gpadl_body *m = msg;
	u32 here = (len - sizeof(*m)) / sizeof(u64);
	struct gpadl *g = find_gpadl(b, m->gpadl);

	/* Ids carry no channel: it may have been rescinded in between. */
	if (!g) {
		log_debug("vmbus: GPADL_BODY for unknown 0x%x", m->gpadl);
		return;
	}
	if ((len - sizeof(*m)) % sizeof(u64) || !here ||
	    here > g->nr_pages - g->nr_known) {
		violation("vmbus: GPADL_BODY 0x%x of %u bytes, %u of %u pages known",
			  m->gpadl, len, g->nr_known, g->nr_pages);
		return;
	}
	add_gpadl_frames(b, g, (const u8 *)msg + sizeof(*m), here);
}

static void on_gpadl_teardown(struct vmbus *b, const void *msg)
{
	const struct msg_gpadl_teardown *m = msg;
	struct vmbus_chan *c = find_channel(b, m->relid);
	struct gpadl *g = find_gpadl(b, m->gpadl);
	struct msg_gpadl_torndown r = {
		.hdr.type = MSG_GPADL_TORNDOWN,
		.gpadl = m->gpadl,
	};

	if (g && g->relid == m->relid) {
		if (c && c->state == CHAN_OPEN && c->gpadl == g->id) {
			violation("vmbus: GPADL_TEARDOWN 0x%x while channel %u is open on it",
				  m->gpadl, m->relid);
			close_channel(c, CHAN_OFFERED);
		}
		free_gpadl(b, g);
	} else if (!c || c->state != CHAN_RESCINDED) {
		violation("vmbus: GPADL_TEARDOWN of unknown 0x%x, relid %u",
			  m->gpadl, m->relid);
	}
	post_message(b, &r, sizeof(r));
}

static void on_relid_released(struct vmbus *b, const void *msg)
{
	const struct msg_relid *m = msg;
	struct vmbus_chan *c = find_channel(b, m->relid);

	if (!c) {
		/* Guests also release, late, what UNLOAD released before. */
		if (b->version)
			violation("vmbus: RELID_RELEASED for unknown relid %u",
				  m->relid);
		return;
	}
	if (c->state == CHAN_RESCINDED) {
		release_channel(c);
		return;
	}
	/* Not rescinded: the guest wants nothing more of this offer. */
	if (c->state == CHAN_OPEN) {
		violation("vmbus: RELID_RELEASED: relid %u is open", m->relid);
		close_channel(c, CHAN_OFFERED);
	}
	free_gpadls_of(b, c->relid);
	c->state = CHAN_WAITING;
	c->relid = 0;
}

static void on_unload(struct vmbus *b, const void *msg)
{
	struct msg_header r = { .type = MSG_UNLOAD_RESPONSE };

	(void)msg;
	forget_connection(b);
	if (b->unloaded)
		b->unloaded(b->unloaded_arg);
	post_message(b, &r, sizeof(r));
}

static void on_tl_connect(struct vmbus *b, const void *msg)
{
	(void)b;
	(void)msg;
	log_debug("vmbus: socket connection request ignored");
}

static void on_modify(struct vmbus *b, const void *msg)
{
	const struct msg_modify *m = msg;
	struct vmbus_chan *c = message_channel(b, "MODIFYCHANNEL", m->relid);
	struct msg_modify_response r = {
		.hdr.type = MSG_MODIFYCHANNEL_RESPONSE,
		.relid = m->relid,
	};

	if (!c)
		return;
	if (m->target_vp >= vm_nr_vcpus(b->vm)) {
		violation("vmbus: MODIFYCHANNEL relid %u: target VP %u of %u",
			  m->relid, m->target_vp, vm_nr_vcpus(b->vm));
		r.status = STATUS_REFUSED;
	} else {
		c->target_vp = m->target_vp;
	}
	if (b->version >= VERSION_5_3)
		post_message(b, &r, sizeof(r));
}

/* What a guest may send. @size is exact where @fn is set, else a minimum. */
static const struct guest_message {
	u32 type;
	u32 size;
	const char *name;
	void (*fn)(struct vmbus *b, const void *msg);
	void (*fn_sized)(struct vmbus *b, const void *msg, u32 len);
} guest_messages[] = {
	{ MSG_REQUESTOFFERS, sizeof(struct msg_header), "REQUESTOFFERS",
	  .fn = on_request_offers },
	{ MSG_OPENCHANNEL, sizeof(struct msg_open), "OPENCHANNEL",
	  .fn = on_open },
	{ MSG_CLOSECHANNEL, sizeof(struct msg_relid), "CLOSECHANNEL",
	  .fn = on_close },
	{ MSG_GPADL_HEADER, sizeof(struct msg_gpadl_header), "GPADL_HEADER",
	  .fn_sized = on_gpadl_header },
	{ MSG_GPADL_BODY, sizeof(struct msg_gpadl_body), "GPADL_BODY",
	  .fn_sized = on_gpadl_body },
	{ MSG_GPADL_TEARDOWN, sizeof(struct msg_gpadl_teardown),
	  "GPADL_TEARDOWN", .fn = on_gpadl_teardown },
	{ MSG_RELID_RELEASED, sizeof(struct msg_relid), "RELID_RELEASED",
	  .fn = on_relid_released },
	{ MSG_INITIATE_CONTACT, sizeof(struct msg_contact),
	  "INITIATE_CONTACT", .fn = on_initiate_contact },
	{ MSG_UNLOAD, sizeof(struct msg_header), "UNLOAD", .fn = on_unload },
	{ MSG_TL_CONNECT_REQUEST, sizeof(struct msg_header),
	  "TL_CONNECT_REQUEST", .fn = on_tl_connect },
	{ MSG_MODIFYCHANNEL, sizeof(struct msg_modify), "MODIFYCHANNEL",
	  .fn = on_modify },
};

static const struct guest_message *find_message(u32 type)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_messages); i++)
		if (guest_messages[i].type == type)
			return &guest_messages[i];
	return NULL;
}

static bool size_is_right(const struct guest_message *gm, u32 len)
{
	/* The socket request is not ours to check. */
	if (gm->fn_sized || gm->type == MSG_TL_CONNECT_REQUEST)
		return len >= gm->size;
	return len == gm->size;
}

/* Messages that make sense without a connection. */
static bool needs_connection(u32 type)
{
	return type != MSG_INITIATE_CONTACT && type != MSG_UNLOAD &&
	       type != MSG_RELID_RELEASED;
}

/* Where the message has to be posted to. */
static u32 control_connection(struct vmbus *b, u32 type, const void *msg)
{
	const struct msg_contact *m = msg;
	u32 version = type == MSG_INITIATE_CONTACT ? m->version : b->version;

	return version >= VERSION_5_0 ? CONTROL_ID : OLD_CONTROL_ID;
}

static u16 dispatch_message(struct vmbus *b, struct hcall *h, u32 connection,
			    const u8 *msg, u32 len)
{
	const struct guest_message *gm;
	u32 type;

	if (len < sizeof(struct msg_header)) {
		violation("vmbus: message of %u bytes has no header", len);
		return HVS_INVALID_PARAMETER;
	}
	memcpy(&type, msg, sizeof(type));
	gm = find_message(type);
	if (!gm) {
		violation("vmbus: message of type %u is not for a guest to send",
			  type);
		return HVS_INVALID_PARAMETER;
	}
	snprintf(h->text, sizeof(h->text), "connection %u: %s, %u bytes",
		 connection, gm->name, len);
	if (!size_is_right(gm, len)) {
		violation("vmbus: %s of %u bytes, expected %u", gm->name, len,
			  gm->size);
		return HVS_INVALID_PARAMETER;
	}
	/* Connection 4 came with version 5.0; after UNLOAD both are fine. */
	if (connection == CONTROL_ID && b->max_version < VERSION_5_0)
		return HVS_INVALID_CONNECTION_ID;
	if ((b->version || type == MSG_INITIATE_CONTACT) &&
	    connection != control_connection(b, type, msg))
		return HVS_INVALID_CONNECTION_ID;
	if (!b->version && needs_connection(type)) {
		violation("vmbus: %s without a connection", gm->name);
		return HVS_SUCCESS;
	}
	if (gm->fn_sized)
		gm->fn_sized(b, msg, len);
	else
		gm->fn(b, msg);
	return HVS_SUCCESS;
}

/* ---- hypercalls ---- */

u16 vmbus_post_message(struct vmbus *b, struct hcall *h)
{
	const struct guest_mem *mem = vm_mem(b->vm);
	/* A copy: other vCPUs may write to the input while it is looked at. */
	union {
		u8 bytes[MAX_MESSAGE];
		u64 align;
	} msg;
	u32 head[4];
	const u8 *in;

	h->name = "POST_MESSAGE";
	if (h->fast || h->var_hdr || h->rep_count || h->rep_start ||
	    h->reserved_bits) {
		violation("POST_MESSAGE: control word 0x%llx",
			  (unsigned long long)h->control);
		return HVS_INVALID_HYPERCALL_INPUT;
	}
	if (h->in % 8) {
		violation("POST_MESSAGE: input at 0x%llx is not aligned",
			  (unsigned long long)h->in);
		return HVS_INVALID_ALIGNMENT;
	}
	in = mem_ptr(mem, h->in, sizeof(head));
	if (!in) {
		violation("POST_MESSAGE: input at 0x%llx is not in RAM",
			  (unsigned long long)h->in);
		return HVS_INVALID_PARAMETER;
	}
	memcpy(head, in, sizeof(head));
	if (head[1] || head[2] != 1 || head[3] > MAX_MESSAGE) {
		violation("POST_MESSAGE: reserved 0x%x, type %u, %u bytes",
			  head[1], head[2], head[3]);
		return HVS_INVALID_PARAMETER;
	}
	if (h->in % HV_PAGE_SIZE + sizeof(head) + head[3] > HV_PAGE_SIZE ||
	    !mem_ptr(mem, h->in, sizeof(head) + head[3])) {
		violation("POST_MESSAGE: input at 0x%llx, %u bytes, crosses a page",
			  (unsigned long long)h->in, head[3]);
		return HVS_INVALID_PARAMETER;
	}
	snprintf(h->text, sizeof(h->text), "connection %u, %u bytes",
		 head[0], head[3]);
	if (head[0] != CONTROL_ID && head[0] != OLD_CONTROL_ID)
		return HVS_INVALID_CONNECTION_ID;
	memcpy(msg.bytes, in + sizeof(head), head[3]);
	return dispatch_message(b, h, head[0], msg.bytes, head[3]);
}

u16 vmbus_signal_event(struct vmbus *b, struct hcall *h)
{
	u64 val = h->in;
	u32 connection, relid;
	struct vmbus_chan *c;

	h->name = "SIGNAL_EVENT";
	if (h->var_hdr || h->rep_count || h->rep_start || h->reserved_bits) {
		violation("SIGNAL_EVENT: control word 0x%llx",
			  (unsigned long long)h->control);
		return HVS_INVALID_HYPERCALL_INPUT;
	}
	if (!h->fast) {
		const void *in = mem_ptr(vm_mem(b->vm), h->in, sizeof(val));

		if (h->in % 8 || !in) {
			violation("SIGNAL_EVENT: input at 0x%llx",
				  (unsigned long long)h->in);
			return h->in % 8 ? HVS_INVALID_ALIGNMENT :
					   HVS_INVALID_PARAMETER;
		}
		memcpy(&val, in, sizeof(val));
	}
	connection = (u32)val;
	snprintf(h->text, sizeof(h->text), "connection 0x%x, flag %u",
		 connection, (unsigned)(val >> 32 & 0xffff));
	if (val >> 32) {
		violation("SIGNAL_EVENT: flag %u, reserved 0x%x",
			  (unsigned)(val >> 32 & 0xffff),
			  (unsigned)(val >> 48));
		return HVS_INVALID_PARAMETER;
	}
	relid = connection - FIRST_CONNECTION_ID;
	c = find_channel(b, relid);
	/* No violation: the channel may just have been rescinded. */
	if (!c || c->state == CHAN_RESCINDED)
		return HVS_INVALID_CONNECTION_ID;
	service_channel(c);
	return HVS_SUCCESS;
}

/* ---- construction ---- */

struct vmbus *vmbus_new(struct vm *vm, struct synic *synic, u32 max_version)
{
	struct vmbus *b = calloc(1, sizeof(*b));

	if (!b)
		die("out of memory for the VMBus");
	b->vm = vm;
	b->synic = synic;
	b->max_version = max_version;
	return b;
}

void vmbus_on_unload(struct vmbus *b, void (*fn)(void *opaque), void *opaque)
{
	b->unloaded = fn;
	b->unloaded_arg = opaque;
}

struct vmbus_chan *vmbus_chan_new(struct vmbus *b, const u8 type[16],
				  const u8 instance[16],
				  const struct vmbus_chan_ops *ops,
				  void *opaque)
{
	struct vmbus_chan *c = calloc(1, sizeof(*c));
	struct vmbus_chan **p = &b->chans;

	if (!c)
		die("out of memory for a VMBus channel");
	c->bus = b;
	memcpy(c->type, type, sizeof(c->type));
	memcpy(c->instance, instance, sizeof(c->instance));
	c->ops = ops;
	c->opaque = opaque;
	c->queue_tail = &c->queue;
	c->work.fn = resume_channel;
	c->work.arg = c;
	/* At the end: offers go out in the order of the command line. */
	while (*p)
		p = &(*p)->next;
	*p = c;
	return c;
}
