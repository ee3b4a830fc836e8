// SPDX-License-Identifier: GPL-2.0
/*
 * vPCI: owns the virtual PCI buses, their protocol state, the windows to
 * configuration space and the interrupt messages handed out to the guest.
 * Runs under vm->lock: requests are answered inside the hypercall exit that
 * signalled them, because the guest spins for some of the answers with
 * interrupts off. Nothing sleeps.
 *
 * A bus is taken away in two steps: the channel is rescinded (LEAVING), and
 * once the guest has released it (ABSENT) the bus may be offered again. An
 * eject asks the guest for every function first; the rescind that follows is
 * done by the worker thread, since the last answer of the guest is being
 * taken out of the channel at that moment.
 *
 * Interrupt messages: the address is unique per bus, the data is a block
 * number times 32 plus the index inside the block, so that it fits into the
 * 16 bits of a conventional MSI and a block serves a multi-message device.
 *
 * A guest that comes back from hibernation still has the messages of the boot
 * in which it was put away, and gives each of them back when it asks for a new
 * one (hv_pci_resume() in pci-hyperv.c). Each boot hands out other blocks than
 * the few boots before it, so that the two cannot be mixed up.
 */
#include <stdlib.h>
#include <string.h>

#include "ring.h"
#include "vpci.h"

#define MAX_BUSES 256u
#define MAX_FUNCS 8u

/* From here on: what functions are called whose ids another bus has. */
#define NO_ID 0xdead0000u

#define WINDOW_SIZE 0x2000u
#define WINDOW_CONFIG 0x1000u	/* configuration space in the window */

#define MSI_ADDRESS 0xfee00000u
#define MSI_BUS_SHIFT 12
#define BLOCK_SIZE 32u
#define NR_BLOCKS 2048u
#define BLOCKS_PER_BOOT 256u
#define MIN_VECTOR 16u
#define MAX_VECTOR 255u

#define VPCI_1_1 0x10001u
#define VPCI_1_2 0x10002u
#define VPCI_1_3 0x10003u
#define VPCI_1_4 0x10004u

/* NTSTATUS values; negative ones are failures. */
#define STATUS_OK 0
#define STATUS_NOT_IMPLEMENTED ((s32)0xc0000002)
#define STATUS_INVALID_PARAMETER ((s32)0xc000000d)
#define STATUS_REVISION_MISMATCH ((s32)0xc0000059)
#define STATUS_NO_RESOURCES ((s32)0xc000009a)
#define STATUS_INVALID_DEVICE_STATE ((s32)0xc0000184)

#define MESSAGE_BASE 0x42490000u
#define MESSAGE(n) (MESSAGE_BASE + (n))

enum {
	PCI_BUS_RELATIONS = MESSAGE(0x00),
	PCI_QUERY_BUS_RELATIONS = MESSAGE(0x01),
	PCI_QUERY_RESOURCE_REQUIREMENTS = MESSAGE(0x05),
	PCI_BUS_D0ENTRY = MESSAGE(0x07),
	PCI_BUS_D0EXIT = MESSAGE(0x08),
	PCI_READ_BLOCK = MESSAGE(0x09),
	PCI_WRITE_BLOCK = MESSAGE(0x0a),
	PCI_EJECT = MESSAGE(0x0b),
	PCI_EJECTION_COMPLETE = MESSAGE(0x0f),
	PCI_RESOURCES_ASSIGNED = MESSAGE(0x10),
	PCI_RESOURCES_RELEASED = MESSAGE(0x11),
	PCI_QUERY_PROTOCOL_VERSION = MESSAGE(0x13),
	PCI_CREATE_INTERRUPT = MESSAGE(0x14),
	PCI_DELETE_INTERRUPT = MESSAGE(0x15),
	PCI_RESOURCES_ASSIGNED2 = MESSAGE(0x16),
	PCI_CREATE_INTERRUPT2 = MESSAGE(0x17),
	PCI_BUS_RELATIONS2 = MESSAGE(0x19),
	PCI_CREATE_INTERRUPT3 = MESSAGE(0x1b),
};

/* Class GUID of virtual PCI buses, as it stands in an offer. */
static const u8 vpci_type[16] = {
	0x1d, 0xf6, 0xc4, 0x44, 0x44, 0x44, 0x00, 0x44,
	0x9d, 0x52, 0x80, 0x2e, 0x27, 0xed, 0xe1, 0x9f,
};

struct relation {
	u16 vendor;
	u16 device;
	u8 revision;
	u8 class_code[3];	/* prog-if, sub-class, base class */
	u16 subsystem_vendor;
	u16 subsystem;
	u32 slot;
	u32 serial;
	/* since BUS_RELATIONS2 */
	u32 flags;
	u16 node;
	u16 reserved;
} __attribute__((packed));

#define RELATION_SIZE_1 20u

struct relations_message {
	u32 type;
	u32 count;
	u8 entries[MAX_FUNCS * sizeof(struct relation)];
} __attribute__((packed));

struct requirements_reply {
	s32 status;
	u32 probed_bar[PCI_NR_BARS];
} __attribute__((packed));

struct d0entry {
	u32 type;
	u32 reserved;
	u64 window;
} __attribute__((packed));

struct slot_message {
	u32 type;
	u32 slot;
} __attribute__((packed));

struct ejection_complete {
	u32 type;
	u32 slot;
	u32 status;
} __attribute__((packed));

/* An interrupt message as both sides name it afterwards. */
struct translated {
	u16 reserved;
	u16 count;
	u32 data;
	u64 address;
} __attribute__((packed));

struct create_reply {
	s32 status;
	u32 reserved;
	struct translated msg;
} __attribute__((packed));

struct delete_message {
	u32 type;
	u32 slot;
	struct translated msg;
} __attribute__((packed));

struct create1 {
	u32 type;
	u32 slot;
	u8 vector;
	u8 mode;
	u16 count;
	u32 reserved;
	u64 cpu_mask;
} __attribute__((packed));

struct create2 {
	u32 type;
	u32 slot;
	u8 vector;
	u8 mode;
	u16 count;
	u16 nr_vps;
	u16 vp[32];
} __attribute__((packed));

struct create3 {
	u32 type;
	u32 slot;
	u32 vector;
	u8 mode;
	u8 reserved;
	u16 count;
	u16 nr_vps;
	u16 vp[32];
} __attribute__((packed));

_Static_assert(sizeof(struct relation) == 28, "BUS_RELATIONS2 entry");
_Static_assert(sizeof(struct requirements_reply) == 28, "requirements");
_Static_assert(sizeof(struct create_reply) == 24, "CREATE_INTERRUPT reply");
_Static_assert(sizeof(struct delete_message) == 24, "DELETE_INTERRUPT");
_Static_assert(sizeof(struct create1) == 24, "CREATE_INTERRUPT");
_Static_assert(sizeof(struct create2) == 78, "CREATE_INTERRUPT2");
_Static_assert(sizeof(struct create3) == 82, "CREATE_INTERRUPT3");

/* What the guest asks for, whatever the format of the message. */
struct interrupt_request {
	u32 slot;
	u32 vector;
	u32 mode;
	u32 reserved;
	u32 count;
	u32 nr_vps;
	u16 vp[32];
};

struct target {
	u8 vector;
	u32 vp;
};

enum block_state {
	BLOCK_UNUSED,
	BLOCK_LIVE,
	BLOCK_DELETED,
	/* By D0EXIT, close, a reset of the machine: a late DELETE is fine. */
	BLOCK_DROPPED,
};

struct block {
	enum block_state state;
	u8 fn;
	u16 count;
	struct target *target;	/* [count], while LIVE */
};

enum bus_state {
	BUS_ABSENT,
	BUS_OFFERED,
	BUS_OPEN,
	BUS_D0,
	BUS_LEAVING,		/* rescinded, not yet released by the guest */
};

struct vpci_bus {
	struct vpci_bus *next;
	struct vpci *v;
	struct vmbus_chan *chan;
	char name[24];
	u8 guid[16];
	unsigned index;

	unsigned nr_funcs;
	struct {
		struct pci_func *f;
		bool present;	/* offered and not yet given back */
		bool assigned;	/* the guest has finished its set-up */
	} func[MAX_FUNCS];

	enum bus_state state;
	bool powered;		/* though not in D0: closed without D0EXIT */
	bool ejecting;
	struct work eject_work;
	struct timer eject_timer;

	u32 version;		/* 0: not negotiated since the last open */
	u64 window;
	u32 selected;		/* slot written to the window */

	struct block block[NR_BLOCKS];
	u32 next_block;
};

struct vpci {
	struct vm *vm;
	struct vmbus *vmbus;
	struct iommu *iommu;
	u32 max_version;
	enum vpci_unclean unclean;
	unsigned long boots;	/* resets of the machine so far */
	u64 eject_limit_ns;	/* 0: none */
	unsigned nr_buses;
	struct vpci_bus *buses;
};

/* ---- names and look-ups ---- */

u32 vpci_logical_id(const u8 guid[16], u8 fn)
{
	return (u32)guid[5] << 24 | (u32)guid[4] << 16 | (u32)guid[7] << 8 |
	       (guid[6] & 0xf8u) | fn;
}

static u32 slot_of(unsigned fn)
{
	return fn << 5;
}

/* Function of a slot, -1 when there is none (any more). */
static int find_slot(const struct vpci_bus *bus, u32 slot)
{
	unsigned fn = slot >> 5;

	if (slot != slot_of(fn) || fn >= bus->nr_funcs ||
	    !bus->func[fn].present)
		return -1;
	return fn;
}

static bool all_assigned(const struct vpci_bus *bus)
{
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++)
		if (bus->func[fn].present && !bus->func[fn].assigned)
			return false;
	return true;
}

static bool any_present(const struct vpci_bus *bus)
{
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++)
		if (bus->func[fn].present)
			return true;
	return false;
}

static const char *state_name(const struct vpci_bus *bus)
{
	switch (bus->state) {
	case BUS_ABSENT:
		return "absent";
	case BUS_LEAVING:
		return bus->ejecting ? "ejecting" : "rescinded";
	case BUS_OFFERED:
		return bus->ejecting ? "ejecting" : "offered";
	default:
		break;
	}
	if (bus->ejecting)
		return "ejecting";
	return bus->state == BUS_D0 && all_assigned(bus) ? "d0" : "open";
}

/* ---- interrupt messages ---- */

static u64 msi_address(const struct vpci_bus *bus)
{
	return MSI_ADDRESS | (u64)bus->index << MSI_BUS_SHIFT;
}

static void end_block(struct block *b, enum block_state state)
{
	free(b->target);
	b->target = NULL;
	b->count = 0;
	b->state = state;
}

/* Drops the interrupts of one function, or of all with @fn < 0. */
static void drop_interrupts(struct vpci_bus *bus, int fn)
{
	for (unsigned i = 0; i < NR_BLOCKS; i++) {
		struct block *b = &bus->block[i];

		if (b->state == BLOCK_LIVE && (fn < 0 || b->fn == fn))
			end_block(b, BLOCK_DROPPED);
	}
}

/* The message's target, NULL when there is no such message. */
static struct target *find_target(struct vpci_bus *bus, u64 addr, u32 data,
				  struct block **block)
{
	struct block *b;

	if (addr != msi_address(bus) || data >= NR_BLOCKS * BLOCK_SIZE)
		return NULL;
	b = &bus->block[data / BLOCK_SIZE];
	if (b->state != BLOCK_LIVE || data % BLOCK_SIZE >= b->count)
		return NULL;
	if (block)
		*block = b;
	return &b->target[data % BLOCK_SIZE];
}

void vpci_msi(struct vpci_bus *bus, u64 addr, u32 data)
{
	struct target *t = find_target(bus, addr, data, NULL);

	if (!t) {
		log_info("%s: interrupt lost: no message 0x%llx/0x%x",
			 bus->name, (unsigned long long)addr, data);
		return;
	}
	vm_inject(bus->v->vm, t->vp, t->vector);
}

/* All that earlier boots may have handed out is gone, unknown to the guest. */
static void drop_earlier_blocks(struct vpci_bus *bus)
{
	unsigned long nr = bus->v->boots * BLOCKS_PER_BOOT;

	bus->next_block = nr % NR_BLOCKS;
	for (unsigned i = 0; i < NR_BLOCKS && i < nr; i++)
		bus->block[i].state = BLOCK_DROPPED;
}

/* Blocks are reused as late as possible, to see the use of deleted ones. */
static struct block *allocate_block(struct vpci_bus *bus)
{
	for (unsigned i = 0; i < NR_BLOCKS; i++) {
		unsigned nr = (bus->next_block + i) % NR_BLOCKS;

		if (bus->block[nr].state != BLOCK_LIVE) {
			bus->next_block = nr + 1;
			return &bus->block[nr];
		}
	}
	return NULL;
}

static bool decode_create(u32 type, const u8 *payload,
			  struct interrupt_request *r)
{
	union {
		struct create1 v1;
		struct create2 v2;
		struct create3 v3;
	} m;

	memset(r, 0, sizeof(*r));
	switch (type) {
	case PCI_CREATE_INTERRUPT:
		memcpy(&m.v1, payload, sizeof(m.v1));
		r->slot = m.v1.slot;
		r->vector = m.v1.vector;
		r->mode = m.v1.mode;
		r->reserved = m.v1.reserved;
		r->count = m.v1.count;
		if (!m.v1.cpu_mask)
			return true;
		r->nr_vps = 1;
		r->vp[0] = __builtin_ctzll(m.v1.cpu_mask);
		return true;
	case PCI_CREATE_INTERRUPT2:
		memcpy(&m.v2, payload, sizeof(m.v2));
		r->slot = m.v2.slot;
		r->vector = m.v2.vector;
		r->mode = m.v2.mode;
		r->count = m.v2.count;
		r->nr_vps = m.v2.nr_vps;
		memcpy(r->vp, m.v2.vp, sizeof(r->vp));
		return true;
	case PCI_CREATE_INTERRUPT3:
		memcpy(&m.v3, payload, sizeof(m.v3));
		r->slot = m.v3.slot;
		r->vector = m.v3.vector;
		r->mode = m.v3.mode;
		r->reserved = m.v3.reserved;
		r->count = m.v3.count;
		r->nr_vps = m.v3.nr_vps;
		memcpy(r->vp, m.v3.vp, sizeof(r->vp));
		return true;
	}
	return false;
}

static bool check_create(struct vpci_bus *bus,
			 const struct interrupt_request *r)
{
	unsigned nr_vcpus = vm_nr_vcpus(bus->v->vm);

	if (find_slot(bus, r->slot) < 0) {
		violation("%s: CREATE_INTERRUPT for slot 0x%x", bus->name,
			  r->slot);
		return false;
	}
	if (!r->count || r->count > BLOCK_SIZE) {
		violation("%s: CREATE_INTERRUPT of %u messages", bus->name,
			  r->count);
		return false;
	}
	if (r->vector < MIN_VECTOR || r->vector > MAX_VECTOR ||
	    r->vector + r->count - 1 > MAX_VECTOR || r->mode || r->reserved) {
		violation("%s: CREATE_INTERRUPT: vector %u, mode %u, reserved 0x%x",
			  bus->name, r->vector, r->mode, r->reserved);
		return false;
	}
	if (!r->nr_vps || r->nr_vps > ARRAY_SIZE(r->vp)) {
		violation("%s: CREATE_INTERRUPT for %u processors", bus->name,
			  r->nr_vps);
		return false;
	}
	for (unsigned i = 0; i < r->nr_vps; i++) {
		if (r->vp[i] >= nr_vcpus) {
			violation("%s: CREATE_INTERRUPT for VP %u of %u",
				  bus->name, r->vp[i], nr_vcpus);
			return false;
		}
	}
	return true;
}

static void create_block(struct vpci_bus *bus,
			 const struct interrupt_request *r,
			 struct create_reply *reply)
{
	struct block *b;

	reply->status = STATUS_INVALID_PARAMETER;
	if (!check_create(bus, r))
		return;
	b = allocate_block(bus);
	if (!b) {
		reply->status = STATUS_NO_RESOURCES;
		return;
	}
	b->target = calloc(r->count, sizeof(*b->target));
	if (!b->target)
		die("out of memory for %u interrupt messages", r->count);
	b->state = BLOCK_LIVE;
	b->fn = find_slot(bus, r->slot);
	b->count = r->count;
	/* Good until the guest retargets each message. */
	for (unsigned i = 0; i < r->count; i++) {
		b->target[i].vector = r->vector + i;
		b->target[i].vp = r->vp[0];
	}
	reply->status = STATUS_OK;
	reply->msg.count = r->count;
	reply->msg.data = (u32)(b - bus->block) * BLOCK_SIZE;
	reply->msg.address = msi_address(bus);
}

/* ---- configuration window ---- */

static u64 read_window(void *opaque, u64 off, unsigned size)
{
	struct vpci_bus *bus = opaque;
	int fn;

	if (off < WINDOW_CONFIG)
		return off == 0 && size == 4 ? bus->selected : ~0ULL;
	fn = find_slot(bus, bus->selected);
	if (fn < 0)
		return ~0ULL;
	return pci_cfg_read(bus->func[fn].f, off - WINDOW_CONFIG, size);
}

static void write_window(void *opaque, u64 off, unsigned size, u64 val)
{
	struct vpci_bus *bus = opaque;
	int fn;

	if (off < WINDOW_CONFIG) {
		if (off || size != 4 || val > 0xff) {
			violation("%s: write of 0x%llx (%u bytes) to 0x%llx of the function select page",
				  bus->name, (unsigned long long)val, size,
				  (unsigned long long)off);
			return;
		}
		bus->selected = val;
		return;
	}
	fn = find_slot(bus, bus->selected);
	if (fn >= 0)
		pci_cfg_write(bus->func[fn].f, off - WINDOW_CONFIG, size, val);
}

static const struct mmio_ops window_ops = {
	.read = read_window,
	.write = write_window,
};

static void close_window(struct vpci_bus *bus)
{
	if (bus->window)
		vm_mmio_del(bus->v->vm, bus->window, &window_ops, bus);
	bus->window = 0;
	bus->selected = 0;
}

/* ---- bus life cycle ---- */

/* Window shut, no interrupts; the functions themselves go on. */
static void disconnect(struct vpci_bus *bus)
{
	close_window(bus);
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++)
		bus->func[fn].assigned = false;
	drop_interrupts(bus, -1);
}

/* What D0EXIT does: functions as after power-on. */
static void power_down(struct vpci_bus *bus)
{
	disconnect(bus);
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++)
		pci_func_reset(bus->func[fn].f);
	bus->powered = false;
}

static void remove_function(struct vpci_bus *bus, unsigned fn)
{
	if (!bus->func[fn].present)
		return;
	bus->func[fn].present = false;
	bus->func[fn].assigned = false;
	pci_func_reset(bus->func[fn].f);
	drop_interrupts(bus, fn);
	iommu_device_remove(bus->v->iommu, bus->func[fn].f->logical_id);
}

static void remove_functions(struct vpci_bus *bus)
{
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++)
		remove_function(bus, fn);
	bus->powered = false;
}

/* Another bus that has its ids and is there. */
static bool has_twin(const struct vpci_bus *bus)
{
	u32 id = vpci_logical_id(bus->guid, 0);

	for (struct vpci_bus *b = bus->v->buses; b; b = b->next)
		if (b != bus && any_present(b) &&
		    b->func[0].f->logical_id >> 3 == id >> 3)
			return true;
	return false;
}

static void end_eject(struct vpci_bus *bus)
{
	bus->ejecting = false;
	if (bus->eject_timer.period_ns)
		vm_set_timer(bus->v->vm, &bus->eject_timer, 0);
}

static void add_function(struct vpci_bus *bus, unsigned fn)
{
	struct pci_func *f = bus->func[fn].f;
	bool twin = has_twin(bus);

	/* The ids mean the first one: this one is out of reach. */
	f->logical_id = twin ? NO_ID + bus->index * MAX_FUNCS + fn :
		vpci_logical_id(bus->guid, fn);
	bus->func[fn].present = true;
	iommu_device_add(bus->v->iommu, f->logical_id, f->name,
			 !f->direct && !twin);
}

/* The ids of this bus are free: another one may have been waiting for them. */
static void pass_on_ids(struct vpci_bus *bus)
{
	u32 id = vpci_logical_id(bus->guid, 0);
	struct vpci_bus *b = bus->v->buses;

	while (b && (b == bus || !any_present(b) ||
		     vpci_logical_id(b->guid, 0) != id))
		b = b->next;
	for (unsigned fn = 0; b && fn < b->nr_funcs; fn++) {
		if (!b->func[fn].present)
			continue;
		iommu_device_remove(b->v->iommu, b->func[fn].f->logical_id);
		add_function(b, fn);
	}
}

static void offer_bus(struct vpci_bus *bus)
{
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++)
		add_function(bus, fn);
	end_eject(bus);
	bus->state = BUS_OFFERED;
	vmbus_offer(bus->chan);
}

static void rescind_bus(struct vpci_bus *bus)
{
	/* Before the channel goes: closed() and released() look at it. */
	bus->state = BUS_LEAVING;
	vmbus_rescind(bus->chan);
	remove_functions(bus);
	if (!has_twin(bus))
		pass_on_ids(bus);
}

/* Worker: the guest did not answer an eject in time. */
static void force_eject(void *arg)
{
	struct vpci_bus *bus = arg;

	log_info("%s: the eject is not answered, taken by force", bus->name);
	end_eject(bus);
	if (bus->state != BUS_ABSENT && bus->state != BUS_LEAVING)
		rescind_bus(bus);
}

/* Worker: the guest has given back the last function it was asked for. */
static void finish_eject(void *arg)
{
	struct vpci_bus *bus = arg;

	if (bus->ejecting && bus->state != BUS_LEAVING && !any_present(bus))
		rescind_bus(bus);
}

static void on_opened(void *opaque)
{
	struct vpci_bus *bus = opaque;

	bus->state = BUS_OPEN;
	bus->version = 0;
}

static void on_closed(void *opaque)
{
	struct vpci_bus *bus = opaque;

	if (bus->v->unclean != VPCI_RESET && !bus->ejecting &&
	    (bus->state == BUS_D0 || bus->powered)) {
		disconnect(bus);
		bus->powered = true;
		log_debug("%s: closed in D0, goes on", bus->name);
	} else {
		power_down(bus);
	}
	bus->version = 0;
	if (bus->state != BUS_LEAVING)
		bus->state = BUS_OFFERED;
	/* Nobody is left to complete the eject: take the bus by force. */
	if (bus->ejecting) {
		remove_functions(bus);
		vm_queue_work(bus->v->vm, &bus->eject_work);
	}
}

static void on_released(void *opaque)
{
	struct vpci_bus *bus = opaque;

	end_eject(bus);
	bus->state = BUS_ABSENT;
}

/* ---- messages of the guest ---- */

struct request {
	u64 tid;
	const u8 *payload;
	u32 len;
	const char *name;
};

static void complete(struct vpci_bus *bus, const struct request *rq,
		     const void *reply, u32 len)
{
	vmbus_send(bus->chan, RING_PKT_COMPLETION, rq->tid, reply, len);
}

static void complete_status(struct vpci_bus *bus, const struct request *rq,
			    s32 status)
{
	complete(bus, rq, &status, sizeof(status));
}

/* Function a message is about, or -1 after a violation. */
static int request_function(struct vpci_bus *bus, const struct request *rq)
{
	struct slot_message m;
	int fn;

	memcpy(&m, rq->payload, sizeof(m));
	fn = find_slot(bus, m.slot);
	if (fn < 0)
		violation("%s: %s for slot 0x%x", bus->name, rq->name, m.slot);
	return fn;
}

static void on_query_version(struct vpci_bus *bus, const struct request *rq)
{
	struct slot_message m;	/* same shape: type, version */
	s32 status = STATUS_REVISION_MISMATCH;

	memcpy(&m, rq->payload, sizeof(m));
	if (bus->state == BUS_D0) {
		violation("%s: QUERY_PROTOCOL_VERSION in D0", bus->name);
	} else if (m.slot >= VPCI_1_1 && m.slot <= bus->v->max_version) {
		bus->version = m.slot;
		status = STATUS_OK;
	}
	complete_status(bus, rq, status);
}

static void on_query_relations(struct vpci_bus *bus, const struct request *rq)
{
	bool v2 = bus->version >= VPCI_1_3;
	u32 size = v2 ? sizeof(struct relation) : RELATION_SIZE_1;
	struct relations_message m = {
		.type = v2 ? PCI_BUS_RELATIONS2 : PCI_BUS_RELATIONS,
	};

	(void)rq;
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++) {
		struct pci_func *f = bus->func[fn].f;
		struct relation r = {
			.slot = slot_of(fn),
			.serial = bus->index * MAX_FUNCS + fn + 1,
		};

		if (!bus->func[fn].present)
			continue;
		r.vendor = pci_cfg_read(f, 0x00, 2);
		r.device = pci_cfg_read(f, 0x02, 2);
		r.revision = pci_cfg_read(f, 0x08, 1);
		for (unsigned i = 0; i < sizeof(r.class_code); i++)
			r.class_code[i] = pci_cfg_read(f, 0x09 + i, 1);
		r.subsystem_vendor = pci_cfg_read(f, 0x2c, 2);
		r.subsystem = pci_cfg_read(f, 0x2e, 2);
		memcpy(m.entries + m.count++ * size, &r, size);
	}
	vmbus_send(bus->chan, RING_PKT_INBAND, 0, &m,
		   offsetof(struct relations_message, entries) +
		   m.count * size);
}

static void on_query_requirements(struct vpci_bus *bus,
				  const struct request *rq)
{
	struct requirements_reply reply = { .status = STATUS_OK };
	int fn = request_function(bus, rq);

	if (fn < 0) {
		reply.status = STATUS_INVALID_PARAMETER;
		complete(bus, rq, &reply, sizeof(reply));
		return;
	}
	/* What would read back after all ones had been written. */
	for (unsigned i = 0; i + 1 < PCI_NR_BARS; i++) {
		struct pci_func *f = bus->func[fn].f;
		u64 mask = ~(f->bar_size[i] - 1);

		if (!f->bar_size[i])
			continue;
		reply.probed_bar[i] = (u32)mask |
			(pci_cfg_read(f, 0x10 + 4 * i, 4) & 0xf);
		reply.probed_bar[i + 1] = mask >> 32;
	}
	complete(bus, rq, &reply, sizeof(reply));
}

static void on_d0entry(struct vpci_bus *bus, const struct request *rq)
{
	const struct guest_mem *mem = vm_mem(bus->v->vm);
	struct d0entry m;

	memcpy(&m, rq->payload, sizeof(m));
	if (bus->state == BUS_D0) {
		violation("%s: BUS_D0ENTRY in D0", bus->name);
		complete_status(bus, rq, STATUS_INVALID_PARAMETER);
		return;
	}
	if (m.reserved || m.window % HV_PAGE_SIZE || m.window < mem->size ||
	    m.window > BIT_ULL(52) - WINDOW_SIZE) {
		violation("%s: BUS_D0ENTRY: window at 0x%llx, reserved 0x%x",
			  bus->name, (unsigned long long)m.window, m.reserved);
		complete_status(bus, rq, STATUS_INVALID_PARAMETER);
		return;
	}
	if (bus->powered && bus->v->unclean == VPCI_HELD) {
		log_info("%s: BUS_D0ENTRY refused: in D0 since an earlier connection",
			 bus->name);
		complete_status(bus, rq, STATUS_INVALID_DEVICE_STATE);
		return;
	}
	bus->powered = false;
	bus->window = m.window;
	bus->state = BUS_D0;
	vm_mmio_add(bus->v->vm, bus->window, WINDOW_SIZE, &window_ops, bus);
	complete_status(bus, rq, STATUS_OK);
}

static void on_d0exit(struct vpci_bus *bus, const struct request *rq)
{
	/* A guest that fails to probe says so even without D0ENTRY. */
	power_down(bus);
	bus->state = BUS_OPEN;
	complete_status(bus, rq, STATUS_OK);
}

static void on_resources_assigned(struct vpci_bus *bus,
				  const struct request *rq)
{
	int fn = request_function(bus, rq);

	if (fn >= 0)
		bus->func[fn].assigned = true;
	complete_status(bus, rq, fn < 0 ? STATUS_INVALID_PARAMETER : STATUS_OK);
}

static void on_resources_released(struct vpci_bus *bus,
				  const struct request *rq)
{
	int fn = request_function(bus, rq);

	if (fn < 0)
		return;
	bus->func[fn].assigned = false;
	pci_func_reset(bus->func[fn].f);
}

/* No device here has configuration blocks. */
static void on_block(struct vpci_bus *bus, const struct request *rq)
{
	u32 head[3];	/* type, block id, slot */

	memcpy(head, rq->payload, sizeof(head));
	if (find_slot(bus, head[2]) < 0)
		violation("%s: %s for slot 0x%x", bus->name, rq->name,
			  head[2]);
	complete_status(bus, rq, STATUS_NOT_IMPLEMENTED);
}

static void on_create_interrupt(struct vpci_bus *bus, const struct request *rq)
{
	struct create_reply reply = { 0 };
	struct interrupt_request r;
	u32 type;

	memcpy(&type, rq->payload, sizeof(type));
	if (!decode_create(type, rq->payload, &r))
		die("message 0x%x creates no interrupt", type);
	create_block(bus, &r, &reply);
	complete(bus, rq, &reply, sizeof(reply));
}

static void on_delete_interrupt(struct vpci_bus *bus, const struct request *rq)
{
	struct delete_message m;
	struct block *b;
	u32 nr;

	memcpy(&m, rq->payload, sizeof(m));
	nr = m.msg.data / BLOCK_SIZE;
	if (m.msg.data % BLOCK_SIZE || nr >= NR_BLOCKS ||
	    m.msg.address != msi_address(bus)) {
		violation("%s: DELETE_INTERRUPT of message 0x%llx/0x%x, never handed out",
			  bus->name, (unsigned long long)m.msg.address,
			  m.msg.data);
		return;
	}
	b = &bus->block[nr];
	switch (b->state) {
	case BLOCK_UNUSED:
	case BLOCK_DELETED:
		violation("%s: DELETE_INTERRUPT of message 0x%x, %s",
			  bus->name, m.msg.data, b->state == BLOCK_UNUSED ?
			  "never handed out" : "deleted before");
		return;
	case BLOCK_DROPPED:
		b->state = BLOCK_DELETED;
		return;
	case BLOCK_LIVE:
		break;
	}
	if (m.slot != slot_of(b->fn) || m.msg.count != b->count ||
	    m.msg.reserved) {
		violation("%s: DELETE_INTERRUPT of message 0x%x: slot 0x%x count %u reserved 0x%x, was slot 0x%x count %u",
			  bus->name, m.msg.data, m.slot, m.msg.count,
			  m.msg.reserved, slot_of(b->fn), b->count);
		return;
	}
	end_block(b, BLOCK_DELETED);
}

static void on_ejection_complete(struct vpci_bus *bus,
				 const struct request *rq)
{
	struct ejection_complete m;
	int fn = request_function(bus, rq);

	memcpy(&m, rq->payload, sizeof(m));
	if (fn < 0)
		return;
	if (!bus->ejecting || m.status) {
		violation("%s: EJECTION_COMPLETE for slot 0x%x, status 0x%x%s",
			  bus->name, m.slot, m.status,
			  bus->ejecting ? "" : ", not asked for");
		return;
	}
	remove_function(bus, fn);
	if (!any_present(bus))
		vm_queue_work(bus->v->vm, &bus->eject_work);
}

/* When a message may come, how long it is and whether it is answered. */
static const struct message_rule {
	u32 type;
	const char *name;
	u32 min_version, max_version;	/* 0: before negotiation */
	u32 min_size, max_size;		/* without padding */
	bool answered;
	bool in_d0;
	void (*fn)(struct vpci_bus *bus, const struct request *rq);
} message_rules[] = {
	{ PCI_QUERY_PROTOCOL_VERSION, "QUERY_PROTOCOL_VERSION", 0, VPCI_1_4,
	  8, 8, true, false, on_query_version },
	{ PCI_QUERY_BUS_RELATIONS, "QUERY_BUS_RELATIONS", VPCI_1_1, VPCI_1_4,
	  4, 4, false, false, on_query_relations },
	{ PCI_QUERY_RESOURCE_REQUIREMENTS, "QUERY_RESOURCE_REQUIREMENTS",
	  VPCI_1_1, VPCI_1_4, 8, 8, true, false, on_query_requirements },
	{ PCI_BUS_D0ENTRY, "BUS_D0ENTRY", VPCI_1_1, VPCI_1_4,
	  sizeof(struct d0entry), sizeof(struct d0entry), true, false,
	  on_d0entry },
	{ PCI_BUS_D0EXIT, "BUS_D0EXIT", VPCI_1_1, VPCI_1_4,
	  4, 4, true, false, on_d0exit },
	{ PCI_READ_BLOCK, "READ_BLOCK", VPCI_1_1, VPCI_1_4,
	  16, 16, true, false, on_block },
	{ PCI_WRITE_BLOCK, "WRITE_BLOCK", VPCI_1_1, VPCI_1_4,
	  16, 16 + 128, true, false, on_block },
	{ PCI_EJECTION_COMPLETE, "EJECTION_COMPLETE", VPCI_1_1, VPCI_1_4,
	  sizeof(struct ejection_complete), sizeof(struct ejection_complete),
	  false, false, on_ejection_complete },
	{ PCI_RESOURCES_ASSIGNED, "RESOURCES_ASSIGNED", VPCI_1_1, VPCI_1_1,
	  148, 148, true, true, on_resources_assigned },
	{ PCI_RESOURCES_ASSIGNED2, "RESOURCES_ASSIGNED2", VPCI_1_2, VPCI_1_4,
	  202, 202, true, true, on_resources_assigned },
	{ PCI_RESOURCES_RELEASED, "RESOURCES_RELEASED", VPCI_1_1, VPCI_1_4,
	  8, 8, false, false, on_resources_released },
	{ PCI_CREATE_INTERRUPT, "CREATE_INTERRUPT", VPCI_1_1, VPCI_1_1,
	  sizeof(struct create1), sizeof(struct create1), true, true,
	  on_create_interrupt },
	{ PCI_CREATE_INTERRUPT2, "CREATE_INTERRUPT2", VPCI_1_2, VPCI_1_3,
	  sizeof(struct create2), sizeof(struct create2), true, true,
	  on_create_interrupt },
	{ PCI_CREATE_INTERRUPT3, "CREATE_INTERRUPT3", VPCI_1_4, VPCI_1_4,
	  sizeof(struct create3), sizeof(struct create3), true, true,
	  on_create_interrupt },
	{ PCI_DELETE_INTERRUPT, "DELETE_INTERRUPT", VPCI_1_1, VPCI_1_4,
	  sizeof(struct delete_message), sizeof(struct delete_message), false,
	  false, on_delete_interrupt },
};

static const struct message_rule *find_rule(u32 type)
{
	for (size_t i = 0; i < ARRAY_SIZE(message_rules); i++)
		if (message_rules[i].type == type)
			return &message_rules[i];
	return NULL;
}

static u32 pad_to_8(u32 len)
{
	return (len + 7) & ~7u;
}

/* Is the message well formed and allowed now? False after a violation. */
static bool check_rule(struct vpci_bus *bus, const struct message_rule *r,
		       u16 flags, u64 tid, u32 len)
{
	bool wanted = flags & RING_FLAG_COMPLETION_WANTED;

	if (len < pad_to_8(r->min_size) || len > pad_to_8(r->max_size)) {
		violation("%s: %s of %u bytes, expected %u", bus->name,
			  r->name, len, pad_to_8(r->min_size));
		return false;
	}
	if (wanted != r->answered || (wanted && !tid)) {
		violation("%s: %s asks for %s completion, transaction id %llu",
			  bus->name, r->name, wanted ? "a" : "no",
			  (unsigned long long)tid);
		return false;
	}
	if (bus->version < r->min_version || bus->version > r->max_version) {
		violation("%s: %s with protocol version 0x%x", bus->name,
			  r->name, bus->version);
		return false;
	}
	if (r->in_d0 && bus->state != BUS_D0) {
		violation("%s: %s outside D0", bus->name, r->name);
		return false;
	}
	return true;
}

static void on_packet(void *opaque, u16 type, u16 flags, u64 tid,
		      const u8 *payload, u32 len)
{
	struct vpci_bus *bus = opaque;
	const struct message_rule *r;
	struct request rq = { .tid = tid, .payload = payload, .len = len };
	u32 message;

	(void)type;
	if (len < sizeof(message)) {
		violation("%s: message of %u bytes", bus->name, len);
		return;
	}
	memcpy(&message, payload, sizeof(message));
	r = find_rule(message);
	if (!r) {
		violation("%s: unknown message 0x%x", bus->name, message);
		return;
	}
	rq.name = r->name;
	log_debug("%s: %s", bus->name, r->name);
	if (check_rule(bus, r, flags, tid, len))
		r->fn(bus, &rq);
	else if (flags & RING_FLAG_COMPLETION_WANTED)
		complete_status(bus, &rq, STATUS_INVALID_PARAMETER);
}

static const struct vmbus_chan_ops chan_ops = {
	.opened = on_opened,
	.closed = on_closed,
	.released = on_released,
	.packet = on_packet,
};

/* ---- HVCALL_RETARGET_INTERRUPT ---- */

struct retarget_input {
	u64 partition;
	u64 device;
	u32 source;
	u32 reserved;
	u32 address;
	u32 data;
	u64 reserved2;
	u32 vector;
	u32 flags;
	u64 mask_or_format;
	u64 banks[1 + 64];	/* valid bank mask, then the banks */
};

#define RETARGET_FIXED 56u	/* up to and with mask_or_format */
#define RETARGET_SET 2u		/* flag: a processor set, not a mask */
#define SET_SPARSE 0u
#define SET_ALL 1u

_Static_assert(offsetof(struct retarget_input, banks) == RETARGET_FIXED,
	       "RETARGET_INTERRUPT");

/* Copies and checks the framing; the status is 0 when *in is good. */
static u16 fetch_retarget(struct vpci *v, struct hcall *h,
			  struct retarget_input *in)
{
	u32 len = RETARGET_FIXED + h->var_hdr * 8u;
	const void *p;

	if (h->fast || h->rep_count || h->rep_start || h->reserved_bits ||
	    len > sizeof(*in)) {
		violation("RETARGET_INTERRUPT: control word 0x%llx",
			  (unsigned long long)h->control);
		return HVS_INVALID_HYPERCALL_INPUT;
	}
	if (h->in % 8) {
		violation("RETARGET_INTERRUPT: input at 0x%llx is not aligned",
			  (unsigned long long)h->in);
		return HVS_INVALID_ALIGNMENT;
	}
	p = mem_ptr(vm_mem(v->vm), h->in, len);
	if (!p || h->in % HV_PAGE_SIZE + len > HV_PAGE_SIZE) {
		violation("RETARGET_INTERRUPT: input at 0x%llx, %u bytes: %s",
			  (unsigned long long)h->in, len,
			  p ? "crosses a page" : "not in RAM");
		return HVS_INVALID_PARAMETER;
	}
	memset(in, 0, sizeof(*in));
	memcpy(in, p, len);
	return HVS_SUCCESS;
}

/*
 * The function a device id means. NULL when there is none. Where several buses
 * have the id, the message tells: its address is of one bus.
 */
static struct vpci_bus *find_device(struct vpci *v, u32 id, u32 address,
				    unsigned *fn)
{
	struct vpci_bus *found = NULL;

	*fn = id & 7;
	for (struct vpci_bus *bus = v->buses; bus; bus = bus->next) {
		if ((vpci_logical_id(bus->guid, 0) ^ id) & ~7u ||
		    *fn >= bus->nr_funcs)
			continue;
		if (!found || msi_address(bus) == address)
			found = bus;
	}
	return found;
}

/* Lowest processor of the set; -1 after a violation. */
static int pick_from_set(struct vpci *v, const struct hcall *h,
			 const struct retarget_input *in)
{
	unsigned nr_vcpus = vm_nr_vcpus(v->vm);
	int nr = 0, vp = -1;

	if (in->mask_or_format == SET_ALL && !h->var_hdr)
		return 0;
	if (in->mask_or_format != SET_SPARSE) {
		violation("RETARGET_INTERRUPT: processor set format %llu, variable header %u",
			  (unsigned long long)in->mask_or_format, h->var_hdr);
		return -1;
	}
	if (h->var_hdr != 1 + __builtin_popcountll(in->banks[0])) {
		violation("RETARGET_INTERRUPT: bank mask 0x%llx, variable header %u",
			  (unsigned long long)in->banks[0], h->var_hdr);
		return -1;
	}
	for (unsigned bank = 0; bank < 64; bank++) {
		u64 bits;
		int last;

		if (!(in->banks[0] & BIT_ULL(bank)))
			continue;
		bits = in->banks[1 + nr++];
		if (!bits)
			continue;
		last = bank * 64 + 63 - __builtin_clzll(bits);
		if (last >= (int)nr_vcpus) {
			violation("RETARGET_INTERRUPT: VP %d of %u in the set",
				  last, nr_vcpus);
			return -1;
		}
		if (vp < 0)
			vp = bank * 64 + __builtin_ctzll(bits);
	}
	if (vp < 0)
		violation("RETARGET_INTERRUPT: the processor set is empty");
	return vp;
}

/* Same for the mask of protocol 1.1. */
static int pick_from_mask(struct vpci *v, const struct hcall *h,
			  const struct retarget_input *in)
{
	unsigned nr_vcpus = vm_nr_vcpus(v->vm);
	u64 mask = in->mask_or_format;

	if (h->var_hdr || !mask || mask >> nr_vcpus) {
		violation("RETARGET_INTERRUPT: processor mask 0x%llx of %u VPs, variable header %u",
			  (unsigned long long)mask, nr_vcpus, h->var_hdr);
		return -1;
	}
	return __builtin_ctzll(mask);
}

static bool check_retarget(const struct retarget_input *in)
{
	u32 id_high = in->device >> 32;

	if (in->partition != ~0ULL || in->source != 1 || in->reserved ||
	    in->reserved2) {
		violation("RETARGET_INTERRUPT: partition 0x%llx, source %u, reserved 0x%x 0x%llx",
			  (unsigned long long)in->partition, in->source,
			  in->reserved, (unsigned long long)in->reserved2);
		return false;
	}
	/* Guests build the id as an int, and sign-extend it. */
	if (id_high && (id_high != ~0u || !(in->device & 0x80000000u))) {
		violation("RETARGET_INTERRUPT: device id 0x%llx",
			  (unsigned long long)in->device);
		return false;
	}
	if (in->vector < MIN_VECTOR || in->vector > MAX_VECTOR ||
	    in->flags & ~RETARGET_SET) {
		violation("RETARGET_INTERRUPT: vector %u, flags 0x%x",
			  in->vector, in->flags);
		return false;
	}
	return true;
}

u16 vpci_retarget(struct vpci *v, struct hcall *h)
{
	struct retarget_input in;
	struct vpci_bus *bus;
	struct block *block;
	struct target *t;
	unsigned fn;
	u16 status;
	int vp;

	h->name = "RETARGET_INTERRUPT";
	status = fetch_retarget(v, h, &in);
	if (status)
		return status;
	snprintf(h->text, sizeof(h->text),
		 "device 0x%llx, message 0x%x/0x%x, vector %u, %s 0x%llx",
		 (unsigned long long)in.device, in.address, in.data, in.vector,
		 !(in.flags & RETARGET_SET) ? "mask" :
		 in.mask_or_format == SET_SPARSE ? "sparse set, bank 0" :
		 in.mask_or_format == SET_ALL ? "all, format" :
		 "unknown set, format",
		 (unsigned long long)(in.flags & RETARGET_SET &&
				      in.mask_or_format == SET_SPARSE ?
				      in.banks[1] : in.mask_or_format));
	if (!check_retarget(&in))
		return HVS_INVALID_PARAMETER;
	vp = in.flags & RETARGET_SET ? pick_from_set(v, h, &in) :
				       pick_from_mask(v, h, &in);
	if (vp < 0)
		return HVS_INVALID_PARAMETER;
	bus = find_device(v, (u32)in.device, in.address, &fn);
	if (!bus) {
		violation("RETARGET_INTERRUPT: unknown device id 0x%llx",
			  (unsigned long long)in.device);
		return HVS_INVALID_DEVICE_ID;
	}
	/* Removed or reset behind the back of the guest: no violation. */
	if (!bus->func[fn].present || bus->state != BUS_D0)
		return HVS_INVALID_DEVICE_ID;
	t = find_target(bus, in.address, in.data, &block);
	if (!t || block->fn != fn) {
		violation("RETARGET_INTERRUPT: device 0x%llx has no message 0x%x/0x%x",
			  (unsigned long long)in.device, in.address, in.data);
		return HVS_INVALID_PARAMETER;
	}
	t->vector = in.vector;
	t->vp = vp;
	return HVS_SUCCESS;
}

/* ---- control commands ---- */

static struct vpci_bus *find_bus(struct vpci *v, const char *name)
{
	for (struct vpci_bus *bus = v->buses; bus; bus = bus->next)
		if (!strcmp(bus->name, name))
			return bus;
	return NULL;
}

static int ctl_list(struct vpci *v, FILE *out)
{
	for (struct vpci_bus *bus = v->buses; bus; bus = bus->next)
		fprintf(out, "%s %s functions=%u id=0x%08x\n", bus->name,
			state_name(bus), bus->nr_funcs,
			vpci_logical_id(bus->guid, 0));
	return 0;
}

static int ctl_eject(struct vpci_bus *bus, FILE *out)
{
	/* A guest drops the eject of a function it has not finished. */
	if (strcmp(state_name(bus), "d0")) {
		fprintf(out, "%s is %s, only a bus in d0 can be ejected",
			bus->name, state_name(bus));
		return -1;
	}
	if (!any_present(bus)) {
		fprintf(out, "%s has no functions left", bus->name);
		return -1;
	}
	bus->ejecting = true;
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++) {
		struct slot_message m = {
			.type = PCI_EJECT,
			.slot = slot_of(fn),
		};

		if (bus->func[fn].present)
			vmbus_send(bus->chan, RING_PKT_INBAND, 0, &m,
				   sizeof(m));
	}
	if (bus->v->eject_limit_ns)
		vm_set_timer(bus->v->vm, &bus->eject_timer,
			     bus->v->eject_limit_ns);
	return 0;
}

static int ctl_rescind(struct vpci_bus *bus, FILE *out)
{
	if (bus->state == BUS_ABSENT || bus->state == BUS_LEAVING) {
		fprintf(out, "%s is %s already", bus->name, state_name(bus));
		return -1;
	}
	end_eject(bus);
	rescind_bus(bus);
	return 0;
}

static int ctl_offer(struct vpci_bus *bus, FILE *out)
{
	if (bus->state != BUS_ABSENT) {
		fprintf(out, "%s is %s, only an absent bus can be offered",
			bus->name, state_name(bus));
		return -1;
	}
	offer_bus(bus);
	return 0;
}

static int ctl_state(struct vpci_bus *bus, FILE *out)
{
	fprintf(out, "%s", state_name(bus));
	return 0;
}

static const struct {
	const char *verb;
	int (*fn)(struct vpci_bus *bus, FILE *out);
} bus_verbs[] = {
	{ "eject", ctl_eject },
	{ "rescind", ctl_rescind },
	{ "offer", ctl_offer },
	{ "state", ctl_state },
};

int vpci_ctl(void *opaque, int argc, char **argv, FILE *out)
{
	struct vpci *v = opaque;
	struct vpci_bus *bus;

	if (argc == 2 && !strcmp(argv[1], "list"))
		return ctl_list(v, out);
	for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(bus_verbs); i++) {
		if (strcmp(argv[1], bus_verbs[i].verb))
			continue;
		bus = find_bus(v, argv[2]);
		if (!bus) {
			fprintf(out, "no bus named %s, see vpci list", argv[2]);
			return -1;
		}
		return bus_verbs[i].fn(bus, out);
	}
	fprintf(out, "usage: vpci list | eject NAME | rescind NAME | offer NAME | state NAME");
	return -1;
}

/* ---- construction ---- */

struct vpci *vpci_new(struct vm *vm, struct vmbus *vmbus, struct iommu *iommu,
		      u32 max_version)
{
	struct vpci *v = calloc(1, sizeof(*v));

	if (!v)
		die("out of memory for vPCI");
	v->vm = vm;
	v->vmbus = vmbus;
	v->iommu = iommu;
	v->max_version = max_version;
	return v;
}

void vpci_set_unclean(struct vpci *v, enum vpci_unclean unclean)
{
	v->unclean = unclean;
}

void vpci_set_boots(struct vpci *v, unsigned long boots)
{
	v->boots = boots;
}

void vpci_set_eject_limit(struct vpci *v, u64 ns)
{
	v->eject_limit_ns = ns;
}

static void plug_functions(struct vpci_bus *bus, struct pci_func **funcs)
{
	for (unsigned fn = 0; fn < bus->nr_funcs; fn++) {
		struct pci_func *f = funcs[fn];

		bus->func[fn].f = f;
		f->bus = bus;
		f->fn = fn;
		/* Header type: several functions in this device. */
		if (bus->nr_funcs > 1)
			f->cfg[0x0e] |= 0x80;
	}
}

struct vpci_bus *vpci_add_bus(struct vpci *v, const char *name,
			      const u8 guid[16], struct pci_func **funcs,
			      unsigned nr_funcs, bool offered, char *err,
			      size_t errlen)
{
	struct vpci_bus **p = &v->buses, *bus;

	if (!nr_funcs || nr_funcs > MAX_FUNCS || v->nr_buses == MAX_BUSES) {
		snprintf(err, errlen, "%s: %u functions, bus %u of %u", name,
			 nr_funcs, v->nr_buses + 1, MAX_BUSES);
		return NULL;
	}
	for (; *p; p = &(*p)->next) {
		u32 id = vpci_logical_id(guid, 0);

		if (offered && id == vpci_logical_id((*p)->guid, 0)) {
			snprintf(err, errlen,
				 "%s: bytes 4 to 7 of the GUID give the device id 0x%08x of %s",
				 name, id, (*p)->name);
			return NULL;
		}
		if (!strcmp(name, (*p)->name)) {
			snprintf(err, errlen, "a second bus named %s", name);
			return NULL;
		}
	}
	bus = calloc(1, sizeof(*bus));
	if (!bus)
		die("out of memory for bus %s", name);
	*p = bus;
	bus->v = v;
	bus->index = v->nr_buses++;
	bus->nr_funcs = nr_funcs;
	bus->eject_work.fn = finish_eject;
	bus->eject_work.arg = bus;
	bus->eject_timer.fn = force_eject;
	bus->eject_timer.arg = bus;
	snprintf(bus->name, sizeof(bus->name), "%s", name);
	memcpy(bus->guid, guid, sizeof(bus->guid));
	plug_functions(bus, funcs);
	drop_earlier_blocks(bus);
	bus->chan = vmbus_chan_new(v->vmbus, vpci_type, guid, &chan_ops, bus);
	if (offered)
		offer_bus(bus);
	return bus;
}
