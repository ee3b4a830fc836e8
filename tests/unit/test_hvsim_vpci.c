// SPDX-License-Identifier: GPL-2.0
/* LINK: ../hvsim/ring.c */
/* LINK: ../hvsim/vmbus.c */
/* LINK: ../hvsim/vpci.c */
/* LINK: ../hvsim/pci.c */
/*
 * VMBus, vPCI and the PCI function of hvsim, driven by a small guest that
 * builds every message by hand. Stock guests behave, so what is tested here
 * is mostly the rest: formats no kernel uses by default, guests that break
 * the protocol, and random bytes. The machine, the SynIC and the IOMMU are
 * replaced by recorders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../hvsim/vpci.h"
#include "seed.h"
#include "test_hvsim_log.h"

#define RAM_SIZE (1024 * 4096ULL)
#define INPUT 0x1000		/* hypercall input */
#define UPSTREAM 0x10000	/* five pages each */
#define DOWNSTREAM (UPSTREAM + 5 * 4096)
#define RING_DATA (4 * 4096u)
#define NR_VCPUS 2
#define WINDOW 0xe0000000ULL
#define BAR 0x800000000ULL
#define RELID 1

static const u8 guid[16] = { 1, 2, 3, 4, 0x01, 0x80, 0xff, 0xff, 9 };
#define DEVICE_ID 0x8001fff8u

/* Message numbers of vPCI. */
#define M(n) (0x42490000u + (n))

/* ---- recorders ---- */

static struct guest_mem mem;

const struct guest_mem *vm_mem(struct vm *vm)
{
	(void)vm;
	return &mem;
}

unsigned vm_nr_vcpus(struct vm *vm)
{
	(void)vm;
	return NR_VCPUS;
}

static struct work *works;

void vm_queue_work(struct vm *vm, struct work *w)
{
	(void)vm;
	if (w->queued)
		return;
	w->queued = true;
	w->next = works;
	works = w;
}

static struct timer *timer;	/* the last one started */

void vm_set_timer(struct vm *vm, struct timer *t, u64 period_ns)
{
	(void)vm;
	t->period_ns = period_ns;
	timer = t;
}

static void run_works(void)
{
	while (works) {
		struct work *w = works;

		works = w->next;
		w->queued = false;
		w->fn(w->arg);
	}
}

static unsigned injections;
static u32 last_apic;
static u8 last_vector;

void vm_inject(struct vm *vm, u32 apic_id, u8 vector)
{
	(void)vm;
	injections++;
	last_apic = apic_id;
	last_vector = vector;
}

static struct {
	u64 base, len;
	const struct mmio_ops *ops;
	void *opaque;
} windows[8];

void vm_mmio_add(struct vm *vm, u64 base, u64 len, const struct mmio_ops *ops,
		 void *opaque)
{
	(void)vm;
	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
		if (windows[i].len)
			continue;
		windows[i].base = base;
		windows[i].len = len;
		windows[i].ops = ops;
		windows[i].opaque = opaque;
		return;
	}
	fail_msg("too many windows");
}

void vm_mmio_del(struct vm *vm, u64 base, const struct mmio_ops *ops,
		 void *opaque)
{
	(void)vm;
	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
		if (windows[i].len && windows[i].base == base &&
		    windows[i].ops == ops && windows[i].opaque == opaque) {
			windows[i].len = 0;
			return;
		}
	}
	fail_msg("no such window");
}

static u64 guest_read(u64 gpa, unsigned size)
{
	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
		if (gpa - windows[i].base < windows[i].len)
			return windows[i].ops->read(windows[i].opaque,
						    gpa - windows[i].base,
						    size);
	return ~0ULL;
}

static void guest_write(u64 gpa, unsigned size, u64 val)
{
	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
		if (gpa - windows[i].base < windows[i].len)
			windows[i].ops->write(windows[i].opaque,
					      gpa - windows[i].base, size,
					      val);
}

static u8 posted[64][240];
static unsigned nr_posted;
static unsigned signals, last_signal_vp;

void synic_post(struct synic *s, unsigned vp, const void *payload, u8 len)
{
	(void)s;
	assert_true(vp < NR_VCPUS);
	memset(posted[nr_posted % 64], 0, 240);
	memcpy(posted[nr_posted++ % 64], payload, len);
}

void synic_signal(struct synic *s, unsigned vp, unsigned flag)
{
	(void)s;
	assert_int_equal(flag, RELID);
	last_signal_vp = vp;
	signals++;
}

/* Bit n: function n is known to the IOMMU. */
static unsigned iommu_functions;
/* Functions of a second bus with the same ids. */
static unsigned unreachable;

void iommu_device_add(struct iommu *mmu, u32 logical_id, const char *name,
		      bool behind_iommu)
{
	(void)mmu;
	(void)name;
	if ((logical_id & ~7u) != DEVICE_ID) {
		assert_false(behind_iommu);
		unreachable++;
		return;
	}
	assert_true(behind_iommu);
	assert_int_equal(logical_id & ~7u, DEVICE_ID);
	assert_false(iommu_functions & 1u << (logical_id & 7));
	iommu_functions |= 1u << (logical_id & 7);
}

void iommu_device_remove(struct iommu *mmu, u32 logical_id)
{
	(void)mmu;
	if ((logical_id & ~7u) != DEVICE_ID) {
		unreachable--;
		return;
	}
	assert_true(iommu_functions & 1u << (logical_id & 7));
	iommu_functions &= ~(1u << (logical_id & 7));
}

/* Bit n: ATS of function n is on, as far as the IOMMU was told. */
static unsigned ats_functions;
static bool ats_aligned;	/* the requests of the last one */

void iommu_device_set_ats(struct iommu *mmu, u32 logical_id, bool on,
			  bool aligned)
{
	(void)mmu;
	ats_aligned = aligned;
	ats_functions &= ~(1u << (logical_id & 7));
	ats_functions |= (unsigned)on << (logical_id & 7);
}

static unsigned dmas;

enum iommu_fault iommu_dma(struct iommu *mmu, u32 logical_id, u64 iova,
			   void *buf, size_t len, enum iommu_op op,
			   u64 *fault_iova)
{
	(void)mmu;
	(void)iova;
	(void)buf;
	(void)len;
	(void)op;
	(void)fault_iova;
	assert_int_equal(logical_id & ~7u, DEVICE_ID);
	dmas++;
	return IOMMU_OK;
}

/* ---- the device: remembers the last write to its BAR ---- */

static u64 bar_value;
static unsigned resets;

static u64 device_read(struct pci_func *f, int bar, u64 off, unsigned size)
{
	(void)f;
	(void)bar;
	(void)off;
	(void)size;
	return bar_value;
}

static void device_write(struct pci_func *f, int bar, u64 off, unsigned size,
			 u64 val)
{
	(void)f;
	(void)bar;
	(void)off;
	(void)size;
	bar_value = val;
}

static void device_reset(struct pci_func *f)
{
	(void)f;
	resets++;
}

static const struct pci_ops device_ops = {
	.bar_read = device_read,
	.bar_write = device_write,
	.reset = device_reset,
};

static struct pci_func funcs[2];
static struct vmbus *vmbus;
static struct vpci *vpci;

/* ---- the guest ---- */

static u16 post(u32 connection, const void *msg, u32 len)
{
	struct hcall h = { .code = 0x5c, .control = 0x5c, .in = INPUT };
	u32 head[4] = { connection, 0, 1, len };

	memcpy(mem.ram + INPUT, head, sizeof(head));
	memcpy(mem.ram + INPUT + 16, msg, len);
	return vmbus_post_message(vmbus, &h);
}

#define POST(...) do {							\
	u32 m_[] = { __VA_ARGS__ };					\
	assert_int_equal(post(4, m_, sizeof(m_)), HVS_SUCCESS);		\
} while (0)

static u32 posted_word(unsigned back, unsigned off)
{
	u32 val;

	assert_true(nr_posted > back);
	memcpy(&val, posted[(nr_posted - 1 - back) % 64] + off, 4);
	return val;
}

static u32 *ring_word(u64 ring, unsigned off)
{
	return (u32 *)(mem.ram + ring + off);
}

static u16 signal_host(void)
{
	struct hcall h = { .code = 0x5d, .control = 0x1005d, .fast = true,
			   .in = 0x2000 + RELID };

	return vmbus_signal_event(vmbus, &h);
}

static void put_bytes(const void *bytes, u32 len)
{
	u32 *index = ring_word(UPSTREAM, 0);

	for (u32 i = 0; i < len; i++)
		mem.ram[UPSTREAM + 4096 + (*index + i) % RING_DATA] =
			((const u8 *)bytes)[i];
	*index = (*index + len) % RING_DATA;
}

/* A request; the payload is padded to 8 bytes. */
static void request(bool answer, u64 tid, const void *payload, u32 len)
{
	u32 padded = (len + 7) & ~7u;
	u16 words[4] = { 6, 2, 2 + padded / 8, answer };
	u64 zero = 0;

	put_bytes(words, 8);
	put_bytes(&tid, 8);
	put_bytes(payload, len);
	put_bytes(&zero, padded - len);
	put_bytes(&zero, 8);
	signal_host();
}

static u8 answer[4096];
static u32 answer_len;
static u64 answer_tid;
static u16 answer_type;

static bool receive(void)
{
	u32 *index = ring_word(DOWNSTREAM, 4);
	u8 head[16];
	u16 length8;

	if (*index == *ring_word(DOWNSTREAM, 0))
		return false;
	for (u32 i = 0; i < 16; i++)
		head[i] = mem.ram[DOWNSTREAM + 4096 + (*index + i) % RING_DATA];
	memcpy(&answer_type, head, 2);
	memcpy(&length8, head + 4, 2);
	memcpy(&answer_tid, head + 8, 8);
	answer_len = length8 * 8 - 16;
	for (u32 i = 0; i < answer_len; i++)
		answer[i] = mem.ram[DOWNSTREAM + 4096 +
				    (*index + 16 + i) % RING_DATA];
	*index = (*index + length8 * 8 + 8) % RING_DATA;
	return true;
}

static u32 answer_word(unsigned off)
{
	u32 val;

	assert_true(off + 4 <= answer_len);
	memcpy(&val, answer + off, 4);
	return val;
}

/* Sends a request and takes its completion; returns the status. */
static u32 ask(const void *payload, u32 len)
{
	static u64 tid;

	request(true, ++tid, payload, len);
	assert_true(receive());
	assert_int_equal(answer_type, 11);
	assert_int_equal(answer_tid, tid);
	return answer_word(0);
}

#define ASK(...) ({ u32 a_[] = { __VA_ARGS__ }; ask(a_, sizeof(a_)); })
#define TELL(...) do {							\
	u32 t_[] = { __VA_ARGS__ };					\
	request(false, 0, t_, sizeof(t_));				\
} while (0)

static void contact(u32 version)
{
	u32 m[10] = { 14, 0, version, 0, version >= 0x50000 ? 2 : 0x3000, 0,
		      0x4000, 0, 0x5000, 0 };

	assert_int_equal(post(version >= 0x50000 ? 4 : 1, m, sizeof(m)), 0);
}

static void create_gpadl(u32 id)
{
	u8 m[28 + 10 * 8];
	u32 head[7] = { 8, 0, RELID, id, 88 | 1 << 16, 10 * 4096, 0 };

	memcpy(m, head, sizeof(head));
	for (u64 i = 0; i < 10; i++) {
		u64 pfn = UPSTREAM / 4096 + i;

		memcpy(m + 28 + i * 8, &pfn, 8);
	}
	assert_int_equal(post(4, m, sizeof(m)), 0);
}

static void open_channel(u32 gpadl, u32 downstream)
{
	u32 m[37] = { 5, 0, RELID, RELID, gpadl, 0, downstream };

	memset(mem.ram + UPSTREAM, 0, 4096);
	memset(mem.ram + DOWNSTREAM, 0, 4096);
	assert_int_equal(post(4, m, sizeof(m)), 0);
}

static void connect_and_open(void)
{
	contact(0x50003);
	POST(3, 0);
	create_gpadl(7);
	open_channel(7, 5);
	assert_int_equal(posted_word(0, 0), 6);
	assert_int_equal(posted_word(0, 16), 0);
}

static void assign_resources(u32 slot)
{
	u32 m[51] = { M(0x16), slot };

	assert_int_equal(ask(m, 202), 0);
}

static void enter_d0(void)
{
	connect_and_open();
	assert_int_equal(ASK(M(0x13), 0x10004), 0);
	assert_int_equal(ASK(M(0x07), 0, WINDOW, 0), 0);
	assign_resources(0);
	assign_resources(0x20);
}

static char ctl_text[256];

static int ctl(const char *verb, const char *name)
{
	char *argv[] = { "vpci", (char *)verb, (char *)name };
	FILE *out = fmemopen(ctl_text, sizeof(ctl_text), "w");
	int ret;

	memset(ctl_text, 0, sizeof(ctl_text));
	ret = vpci_ctl(vpci, name ? 3 : 2, argv, out);
	fclose(out);
	return ret;
}

static void expect_state(const char *state)
{
	assert_int_equal(ctl("state", "dev0"), 0);
	assert_string_equal(ctl_text, state);
}

/* The models live as long as hvsim; here they end with the test. */
static void *arena[64];
static unsigned nr_arena;

static int set_up_after(unsigned long boots)
{
	struct pci_func *list[] = { &funcs[0], &funcs[1] };
	char err[128];

	mem.size = RAM_SIZE;
	mem.ram = calloc(1, RAM_SIZE);
	violations = nr_posted = signals = injections = 0;
	iommu_functions = ats_functions = dmas = resets = 0;
	unreachable = 0;
	works = NULL;
	timer = NULL;
	memset(windows, 0, sizeof(windows));
	vmbus = vmbus_new(NULL, NULL, 0x50003);
	vpci = vpci_new(NULL, vmbus, NULL, 0x10004);
	vpci_set_boots(vpci, boots);
	for (unsigned i = 0; i < 2; i++) {
		pci_func_init(&funcs[i], NULL, NULL, "dev", &device_ops, NULL,
			      0x1234, 0x5678 + i, 0x010802);
		pci_add_bar64(&funcs[i], 0, 0x4000);
		pci_add_msix(&funcs[i], 0, 4, 0x2000, 0x3000);
		pci_add_ats(&funcs[i], i == 0);
	}
	arena[nr_arena++] = vmbus;
	arena[nr_arena++] = vpci;
	if (!vpci_add_bus(vpci, "dev0", guid, list, 2, true, err, sizeof(err)))
		return -1;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_after(0);
}

/* After one reset of the machine. */
static int set_up_again(void **state)
{
	(void)state;
	return set_up_after(1);
}

static int tear_down(void **state)
{
	(void)state;
	free(mem.ram);
	mem.ram = NULL;
	return violations;
}

/* ---- VMBus ---- */

static void test_versions(void **state)
{
	static const u32 good[] = { 0x40000, 0x40001, 0x50000, 0x50001,
				    0x50002, 0x50003 };
	u32 m[10] = { 14, 0, 0x50003, 0, 2, 0, 0x4000, 0, 0x5000, 0 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		contact(good[i]);
		assert_int_equal(posted_word(0, 0), 15);
		assert_int_equal(posted_word(0, 8), 1);
		assert_int_equal(posted_word(0, 12),
				 good[i] >= 0x50000 ? 4 : 0);
	}
	contact(0x60000);
	assert_int_equal(posted_word(0, 8), 0);
	contact(0x30000);
	assert_int_equal(posted_word(0, 8), 0);
	/* Each version has its own connection. */
	assert_int_equal(post(1, m, sizeof(m)), HVS_INVALID_CONNECTION_ID);
	assert_int_equal(post(9, m, sizeof(m)), HVS_INVALID_CONNECTION_ID);
	m[2] = 0x40001;
	assert_int_equal(post(4, m, sizeof(m)), HVS_INVALID_CONNECTION_ID);
	m[2] = 0x50003;
	m[4] = 5;
	post(4, m, sizeof(m));
	expect_violation("SINT");
	m[4] = 2;
	m[7] = 0x7;
	post(4, m, sizeof(m));
	expect_violation("monitor page 1");
	m[7] = 0;
	m[3] = NR_VCPUS;
	post(4, m, sizeof(m));
	expect_violation("target VP 2");
}

static void test_offer(void **state)
{
	(void)state;
	POST(3, 0);
	expect_violation("without a connection");
	contact(0x50003);
	POST(3, 0);
	assert_int_equal(posted_word(0, 0), 4);
	assert_int_equal(posted_word(1, 0), 1);
	assert_memory_equal(posted[(nr_posted - 2) % 64] + 24, guid, 16);
	assert_int_equal(posted_word(1, 56), 0);
	assert_int_equal(posted_word(1, 184), RELID);
	assert_int_equal(posted_word(1, 188), 1 << 16);
	assert_int_equal(posted_word(1, 192), 0x2000 + RELID);
	expect_state("offered");
}

static void test_bad_messages(void **state)
{
	struct hcall h = { .code = 0x5c, .control = 0x5c, .in = INPUT };
	u32 m[64] = { 8, 0, RELID, 3, 16 | 1 << 16, 4096, 0, 0xfffff, 0 };

	(void)state;
	contact(0x50003);
	POST(3, 0);
	assert_int_equal(post(4, m, 4), HVS_INVALID_PARAMETER);
	expect_violation("no header");
	assert_int_equal(post(4, (u32[]){ 99, 0 }, 8), HVS_INVALID_PARAMETER);
	expect_violation("type 99");
	assert_int_equal(post(4, (u32[]){ 7, 0, 1, 0 }, 16),
			 HVS_INVALID_PARAMETER);
	expect_violation("CLOSECHANNEL of 16 bytes");
	POST(7, 0, RELID);
	expect_violation("is not open");
	POST(7, 0, 55);
	expect_violation("unknown relid 55");
	POST(11, 0, RELID, 9);
	expect_violation("TEARDOWN of unknown");
	/* A page frame outside RAM. */
	post(4, m, 36);
	expect_violation("frame 0xfffff");
	assert_int_equal(posted_word(0, 0), 10);
	assert_int_not_equal(posted_word(0, 16), 0);
	/* Geometry of the list. */
	m[7] = 1;
	m[5] = 8192;
	post(4, m, 36);
	expect_violation("do not fill");
	m[4] = 16 | 2 << 16;
	post(4, m, 36);
	expect_violation("2 ranges");
	/* More frames in the message than the range has. */
	m[4] = 16 | 1 << 16;
	m[5] = 4096;
	post(4, m, 28 + 26 * 8);
	expect_violation("236 bytes for 1 pages");
	/* The call itself. */
	memcpy(mem.ram + INPUT, (u32[4]){ 4, 0, 1, 241 }, 16);
	assert_int_equal(vmbus_post_message(vmbus, &h), HVS_INVALID_PARAMETER);
	expect_violation("241 bytes");
	h.in = INPUT + 4;
	assert_int_equal(vmbus_post_message(vmbus, &h), HVS_INVALID_ALIGNMENT);
	expect_violation("aligned");
	h.in = RAM_SIZE - 8;
	assert_int_equal(vmbus_post_message(vmbus, &h), HVS_INVALID_PARAMETER);
	expect_violation("not in RAM");
	memcpy(mem.ram + 0x1fe0, (u32[4]){ 4, 0, 1, 32 }, 16);
	h.in = 0x1fe0;
	assert_int_equal(vmbus_post_message(vmbus, &h), HVS_INVALID_PARAMETER);
	expect_violation("crosses");
	h.var_hdr = 1;
	assert_int_equal(vmbus_post_message(vmbus, &h),
			 HVS_INVALID_HYPERCALL_INPUT);
	expect_violation("control word");
}

static void test_gpadl_bodies(void **state)
{
	u32 m[60] = { 8, 0, RELID, 3, (8 + 8 * 30) | 1 << 16, 30 * 4096, 0 };
	u32 body[60] = { 9, 0, 0, 3 };

	(void)state;
	contact(0x50003);
	POST(3, 0);
	for (unsigned i = 0; i < 26; i++)
		m[7 + 2 * i] = 20 + i;
	post(4, m, 28 + 26 * 8);
	assert_int_equal(posted_word(0, 0), 4);
	open_channel(3, 5);
	expect_violation("is not complete");
	post(4, body, 16 + 5 * 8);
	expect_violation("26 of 30 pages");
	post(4, body, 16 + 4 * 8);
	assert_int_equal(posted_word(0, 0), 10);
	assert_int_equal(posted_word(0, 12), 3);
	assert_int_equal(posted_word(0, 16), 0);
	post(4, m, 28 + 26 * 8);
	expect_violation("exists already");
	POST(11, 0, RELID, 3);
	assert_int_equal(posted_word(0, 0), 12);
}

static void test_open_errors(void **state)
{
	u32 m[37] = { 5, 0, RELID, RELID, 7, NR_VCPUS, 5 };

	(void)state;
	contact(0x50003);
	POST(3, 0);
	open_channel(7, 5);
	expect_violation("does not exist");
	create_gpadl(7);
	post(4, m, sizeof(m));
	expect_violation("target VP 2");
	open_channel(7, 1);
	expect_violation("page 1 of 10");
	open_channel(7, 9);
	expect_violation("page 9 of 10");
	open_channel(7, 0xffffffff);
	expect_violation("page 4294967295 of 10");
	assert_int_not_equal(posted_word(0, 16), 0);
	open_channel(7, 5);
	open_channel(7, 5);
	expect_violation("open already");
	POST(22, 0, RELID, 1);
	assert_int_equal(posted_word(0, 0), 24);
	POST(22, 0, RELID, 9);
	expect_violation("MODIFYCHANNEL");
	POST(11, 0, RELID, 7);
	expect_violation("is open on it");
	expect_state("offered");
}

static void test_unload_and_reconnect(void **state)
{
	(void)state;
	enter_d0();
	expect_state("d0");
	POST(16, 0);
	assert_int_equal(posted_word(0, 0), 17);
	expect_state("offered");
	assert_int_equal(guest_read(WINDOW, 4), ~0ULL);
	assert_int_equal(signal_host(), HVS_INVALID_CONNECTION_ID);
	POST(13, 0, RELID);
	enter_d0();
	contact(0x50003);
	expect_state("offered");
	assert_int_equal(iommu_functions, 3);
}

static unsigned unloads;

static void count_unload(void *opaque)
{
	assert_ptr_equal(opaque, &unloads);
	expect_state("offered");
	unloads++;
}

static void test_on_unload(void **state)
{
	(void)state;
	unloads = 0;
	vmbus_on_unload(vmbus, count_unload, &unloads);
	enter_d0();
	contact(0x50003);
	assert_int_equal(unloads, 0);
	POST(16, 0);
	assert_int_equal(unloads, 1);
}

static void test_full_ring_retries(void **state)
{
	unsigned sent = 0, got = 0;

	(void)state;
	enter_d0();
	for (;;) {
		u32 used = (*ring_word(UPSTREAM, 0) + RING_DATA -
			    *ring_word(UPSTREAM, 4)) % RING_DATA;

		if (used + 32 >= RING_DATA)
			break;
		request(true, 100 + sent++, (u32[]){ M(0x05), 0 }, 8);
	}
	assert_true(sent > RING_DATA / 56);
	assert_int_not_equal(*ring_word(DOWNSTREAM, 12), 0);
	while (receive()) {
		assert_int_equal(answer_tid, 100 + got++);
		signal_host();
		run_works();
	}
	assert_int_equal(got, sent);
	assert_int_equal(*ring_word(DOWNSTREAM, 12), 0);
}

/* More packets than are taken in one go: the worker takes the rest. */
static void test_drain_in_batches(void **state)
{
	u16 words[4] = { 6, 2, 3, 0 };
	u32 m[4] = { M(0x11), 0 };
	u64 zero = 0;
	u32 end;

	(void)state;
	enter_d0();
	for (unsigned i = 0; i < 400; i++) {
		put_bytes(words, 8);
		put_bytes(&zero, 8);
		put_bytes(m, 8);
		put_bytes(&zero, 8);
	}
	end = *ring_word(UPSTREAM, 0);
	resets = 0;
	*ring_word(UPSTREAM, 12) = RING_DATA - 100;
	signal_host();
	assert_int_equal(resets, 256);
	assert_int_not_equal(*ring_word(UPSTREAM, 4), end);
	signals = 0;
	run_works();
	assert_int_equal(resets, 400);
	assert_int_equal(*ring_word(UPSTREAM, 4), end);
	/* Now there is the room the guest has waited for. */
	assert_int_equal(signals, 1);
}

static void test_bad_packets(void **state)
{
	u16 words[4] = { 9, 2, 3, 0 };
	u32 m[6] = { 0, 0, M(0x11), 0 };

	(void)state;
	enter_d0();
	put_bytes(words, 8);
	put_bytes(m, sizeof(m));
	signal_host();
	expect_violation("packet of type 9");
	words[0] = 6;
	words[3] = 2;
	put_bytes(words, 8);
	put_bytes(m, sizeof(m));
	signal_host();
	expect_violation("packet flags 0x2");
	words[2] = 2;
	words[3] = 0;
	put_bytes(words, 8);
	put_bytes(m, 16);
	signal_host();
	expect_violation("message of 0 bytes");
	/* The downstream ring, with answers waiting for room. */
	*ring_word(DOWNSTREAM, 4) = 4;
	request(true, 1, (u32[]){ M(0x05), 0 }, 8);
	expect_violation("to the guest: read index");
}

static void test_signal_errors(void **state)
{
	struct hcall h = { .code = 0x5d, .fast = true,
			   .in = 1ULL << 32 | (0x2000 + RELID) };
	u64 slow = 0x2000 + RELID;

	(void)state;
	enter_d0();
	assert_int_equal(vmbus_signal_event(vmbus, &h), HVS_INVALID_PARAMETER);
	expect_violation("flag 1");
	h.in = 0x2000;
	assert_int_equal(vmbus_signal_event(vmbus, &h),
			 HVS_INVALID_CONNECTION_ID);
	h.fast = false;
	h.in = INPUT;
	memcpy(mem.ram + INPUT, &slow, sizeof(slow));
	assert_int_equal(vmbus_signal_event(vmbus, &h), HVS_SUCCESS);
	h.in = INPUT + 2;
	assert_int_equal(vmbus_signal_event(vmbus, &h), HVS_INVALID_ALIGNMENT);
	expect_violation("input at");
	h.in = RAM_SIZE;
	assert_int_equal(vmbus_signal_event(vmbus, &h), HVS_INVALID_PARAMETER);
	expect_violation("input at");
	h.rep_count = 1;
	assert_int_equal(vmbus_signal_event(vmbus, &h),
			 HVS_INVALID_HYPERCALL_INPUT);
	expect_violation("control word");
}

static void test_broken_ring(void **state)
{
	(void)state;
	enter_d0();
	*ring_word(UPSTREAM, 0) = RING_DATA;
	signal_host();
	expect_violation("from the guest: write index");
	signal_host();
	/* A new open starts afresh. */
	POST(7, 0, RELID);
	POST(11, 0, RELID, 7);
	create_gpadl(8);
	open_channel(8, 5);
	assert_int_equal(ASK(M(0x13), 0x10004), 0);
	expect_state("open");
}

/* ---- vPCI ---- */

static void test_protocol_order(void **state)
{
	(void)state;
	connect_and_open();
	assert_int_not_equal(ASK(M(0x07), 0, WINDOW, 0), 0);
	expect_violation("BUS_D0ENTRY with protocol version 0x0");
	assert_int_equal(ASK(M(0x13), 0x10005), 0xc0000059);
	assert_int_equal(ASK(M(0x13), 0x10002), 0);
	assert_int_equal(ASK(M(0x13), 0x10004), 0);
	TELL(M(0x77));
	expect_violation("unknown message");
	TELL(M(0x13), 0x10004);
	expect_violation("asks for no completion");
	assert_int_not_equal(ASK(M(0x05), 0, 0, 0), 0);
	expect_violation("16 bytes, expected 8");
	assert_int_not_equal(ASK(M(0x05), 0x40), 0);
	expect_violation("slot 0x40");
	assert_int_not_equal(ASK(M(0x05), 1), 0);
	expect_violation("slot 0x1");
	assert_int_not_equal(ASK(M(0x07), 0, WINDOW + 16, 0), 0);
	expect_violation("window at");
	assert_int_not_equal(ASK(M(0x07), 0, 0x2000, 0), 0);
	expect_violation("window at 0x2000");
	assert_int_equal(ASK(M(0x07), 0, WINDOW, 0), 0);
	assert_int_not_equal(ASK(M(0x07), 0, WINDOW, 0), 0);
	expect_violation("in D0");
	TELL(M(0x0f), 0, 0);
	expect_violation("not asked for");
	assert_int_equal(ASK(M(0x09), 1, 0, 4), 0xc0000002);
	assert_int_equal(ASK(M(0x08)), 0);
	expect_state("open");
}

static void test_relations(void **state)
{
	static const struct {
		u32 version, type, size;
	} form[] = {
		{ 0x10001, M(0x00), 20 },
		{ 0x10002, M(0x00), 20 },
		{ 0x10003, M(0x19), 28 },
		{ 0x10004, M(0x19), 28 },
	};

	(void)state;
	connect_and_open();
	for (unsigned i = 0; i < ARRAY_SIZE(form); i++) {
		u32 second = 8 + form[i].size;

		assert_int_equal(ASK(M(0x13), form[i].version), 0);
		TELL(M(0x01));
		assert_true(receive());
		assert_int_equal(answer_type, 6);
		assert_int_equal(answer_tid, 0);
		assert_int_equal(answer_word(0), form[i].type);
		assert_int_equal(answer_word(4), 2);
		assert_int_equal(answer_len, 8 + 2 * form[i].size);
		assert_int_equal(answer_word(8), 0x56781234);
		assert_int_equal(answer_word(12), 0x01080200);
		assert_int_equal(answer_word(20), 0);
		assert_int_equal(answer_word(second), 0x56791234);
		assert_int_equal(answer_word(second + 12), 0x20);
		assert_int_not_equal(answer_word(24),
				     answer_word(second + 16));
	}
	assert_int_equal(ASK(M(0x05), 0), 0);
	assert_int_equal(answer_word(4), 0xffffc004);
	assert_int_equal(answer_word(8), 0xffffffff);
	assert_int_equal(answer_word(12), 0);
}

static void config_write(u32 slot, u32 off, unsigned size, u32 val)
{
	guest_write(WINDOW, 4, slot);
	guest_write(WINDOW + 0x1000 + off, size, val);
}

static u32 config_read(u32 slot, u32 off, unsigned size)
{
	guest_write(WINDOW, 4, slot);
	return guest_read(WINDOW + 0x1000 + off, size) &
	       (u32)((1ULL << 8 * size) - 1);
}

static void map_bar(u32 slot)
{
	config_write(slot, 0x10, 4, (u32)BAR);
	config_write(slot, 0x14, 4, BAR >> 32);
	config_write(slot, 0x04, 2, 6);
}

static void test_config_space(void **state)
{
	(void)state;
	enter_d0();
	assert_int_equal(config_read(0, 0, 4), 0x56781234);
	assert_int_equal(config_read(0x20, 0, 4), 0x56791234);
	assert_int_equal(config_read(0x40, 0, 4), 0xffffffff);
	assert_int_equal(config_read(0, 0x0e, 1), 0x80);
	config_write(0, 0, 4, 0);
	assert_int_equal(config_read(0, 0, 2), 0x1234);
	/* Sizing, with memory decoding off. */
	config_write(0, 0x10, 4, ~0u);
	config_write(0, 0x14, 4, ~0u);
	assert_int_equal(config_read(0, 0x10, 4), 0xffffc004);
	assert_int_equal(config_read(0, 0x14, 4), 0xffffffff);
	config_write(0, 0x18, 4, ~0u);
	assert_int_equal(config_read(0, 0x18, 4), 0);
	/* Decoded with memory enabled only, and moved at once. */
	config_write(0, 0x10, 4, (u32)BAR);
	config_write(0, 0x14, 4, BAR >> 32);
	assert_int_equal(guest_read(BAR, 4), ~0ULL);
	config_write(0, 0x04, 2, 2);
	guest_write(BAR, 4, 0xabcd);
	assert_int_equal(guest_read(BAR, 4), 0xabcd);
	config_write(0, 0x10, 4, 0x8000);
	assert_int_equal(guest_read(BAR, 4), ~0ULL);
	assert_int_equal(guest_read(BAR + 0x8000, 4), 0xabcd);
	config_write(0, 0x04, 2, 0);
	assert_int_equal(guest_read(BAR + 0x8000, 4), ~0ULL);
	/* A BAR over RAM is not decoded. */
	config_write(0, 0x14, 4, 0);
	config_write(0, 0x04, 2, 2);
	assert_int_equal(guest_read(0x8000, 4), ~0ULL);
	/* Bus mastering gates DMA. */
	assert_int_equal(pci_dma(&funcs[0], 0, NULL, 0, IOMMU_READ, NULL),
			 IOMMU_FAULT_NO_DEVICE);
	config_write(0, 0x04, 2, 4);
	assert_int_equal(pci_dma(&funcs[0], 0, NULL, 0, IOMMU_READ, NULL),
			 IOMMU_OK);
	assert_int_equal(dmas, 1);
	guest_read(WINDOW + 0x1001, 4);
	expect_violation("configuration access");
	pci_cfg_read(&funcs[0], 4096, 4);
	expect_violation("configuration access");
	guest_write(WINDOW + 8, 4, 0);
	expect_violation("function select");
	/* Function level reset. */
	resets = 0;
	config_write(0, 0x48, 2, 0x8000 | config_read(0, 0x48, 2));
	assert_int_equal(resets, 1);
	assert_int_equal(config_read(0, 0x04, 2), 0);
}

static bool does_dma(void)
{
	return pci_dma(&funcs[0], 0, NULL, 0, IOMMU_READ, NULL) == IOMMU_OK;
}

/* Connects as a kernel after a crash does, up to D0 entry; its status. */
static u32 enter_d0_again(void)
{
	connect_and_open();
	assert_int_equal(ASK(M(0x13), 0x10004), 0);
	return ASK(M(0x07), 0, WINDOW, 0);
}

static void test_unclean(void **state)
{
	(void)state;
	/* Powered down, as long as nothing else was asked for. */
	enter_d0();
	map_bar(0);
	assert_true(does_dma());
	POST(16, 0);
	assert_false(does_dma());

	/* Still there, and in the way until D0EXIT. */
	vpci_set_unclean(vpci, VPCI_HELD);
	enter_d0();
	map_bar(0);
	resets = 0;
	POST(16, 0);
	assert_true(does_dma());
	assert_int_equal(guest_read(WINDOW, 4), ~0ULL);
	assert_int_equal(enter_d0_again(), 0xc0000184);
	assert_int_equal(ASK(M(0x07), 0, WINDOW, 0), 0xc0000184);
	assert_true(does_dma());
	assert_int_equal(resets, 0);
	assert_int_equal(ASK(M(0x08)), 0);
	assert_false(does_dma());
	assert_int_equal(resets, 2);
	assert_int_equal(ASK(M(0x07), 0, WINDOW, 0), 0);
	assert_int_equal(config_read(0, 0x04, 2), 0);

	/* Still there, and taken over as it is. */
	vpci_set_unclean(vpci, VPCI_RUNNING);
	map_bar(0);
	POST(16, 0);
	contact(0x50003);
	assert_true(does_dma());
	assert_int_equal(enter_d0_again(), 0);
	assert_true(does_dma());
	assert_int_equal(config_read(0, 0x04, 2), 6);

	/* A clean end is one: nothing goes on, and nothing is in the way. */
	vpci_set_unclean(vpci, VPCI_HELD);
	assert_int_equal(ASK(M(0x08)), 0);
	POST(16, 0);
	assert_false(does_dma());
	assert_int_equal(enter_d0_again(), 0);

	/* Taking the bus away ends all. */
	POST(16, 0);
	contact(0x50003);
	POST(3, 0);
	assert_int_equal(ctl("rescind", "dev0"), 0);
	assert_false(does_dma());
	POST(13, 0, RELID);
	assert_int_equal(ctl("offer", "dev0"), 0);
	create_gpadl(7);
	open_channel(7, 5);
	assert_int_equal(ASK(M(0x13), 0x10004), 0);
	assert_int_equal(ASK(M(0x07), 0, WINDOW, 0), 0);
}

static void test_ats(void **state)
{
	(void)state;
	enter_d0();
	assert_int_equal(config_read(0, 0x100, 4), 0x0001000f);
	assert_int_equal(config_read(0, 0x104, 2), 0x0020);
	assert_int_equal(config_read(0x20, 0x104, 2), 0);
	assert_int_equal(config_read(0, 0x106, 2), 0);
	assert_int_equal(config_read(0, 0x108, 4), 0);
	config_write(0, 0x106, 2, 0x8000);
	assert_int_equal(ats_functions, 1);
	config_write(0, 0x104, 4, 0);
	assert_int_equal(ats_functions, 0);
	assert_int_equal(config_read(0, 0x104, 4), 0x20);
	config_write(0, 0x107, 1, 0x80);
	assert_int_equal(ats_functions, 1);
	/* Every way to reset a function. */
	config_write(0, 0x48, 2, 0x8000 | config_read(0, 0x48, 2));
	assert_int_equal(ats_functions, 0);
	assert_int_equal(config_read(0, 0x106, 2), 0);
	config_write(0, 0x106, 2, 0x8000);
	assert_int_equal(ASK(M(0x08)), 0);
	assert_int_equal(ats_functions, 0);
	assert_int_equal(pci_cfg_read(&funcs[0], 0x106, 2), 0);
	/* What no driver does. */
	assert_int_equal(violations, 0);
	pci_cfg_write(&funcs[0], 0x106, 2, 0xffff);
	assert_true(ats_aligned);
	expect_violation("at least");
	assert_int_equal(pci_cfg_read(&funcs[0], 0x106, 2), 0x801f);
	pci_cfg_write(&funcs[1], 0x106, 2, 0x8000);
	assert_false(ats_aligned);
	pci_cfg_write(&funcs[1], 0x106, 2, 0x001f);
	assert_int_equal(violations, 0);
}

/* Creates an interrupt in the format of @version. */
static u32 create_interrupt(u32 version, u32 slot, u32 vector, u16 count,
			    u16 vp)
{
	u8 m[82] = { 0 };
	u32 type = M(version == 0x10001 ? 0x14 :
		     version == 0x10004 ? 0x1b : 0x17);
	u64 mask = ~0ULL;
	u16 one = 1;

	memcpy(m, &type, 4);
	memcpy(m + 4, &slot, 4);
	if (version == 0x10004) {
		memcpy(m + 8, &vector, 4);
		memcpy(m + 14, &count, 2);
		memcpy(m + 16, &one, 2);
		memcpy(m + 18, &vp, 2);
		return ask(m, 82);
	}
	m[8] = vector;
	memcpy(m + 10, &count, 2);
	if (version == 0x10001) {
		memcpy(m + 16, &mask, 8);
		return ask(m, 24);
	}
	memcpy(m + 12, &one, 2);
	memcpy(m + 14, &vp, 2);
	return ask(m, 78);
}

/* The message of the last create_interrupt(). */
static void last_message(u32 msg[4])
{
	assert_int_equal(answer_len, 24);
	memcpy(msg, answer + 8, 16);
}

static void program_msix(unsigned entry, const u32 msg[4], u32 ctrl)
{
	u64 at = BAR + 0x2000 + 16 * entry;

	guest_write(at, 4, msg[2]);
	guest_write(at + 4, 4, msg[3]);
	guest_write(at + 8, 4, msg[1]);
	guest_write(at + 12, 4, ctrl);
}

static void test_interrupt_formats(void **state)
{
	static const u32 versions[] = { 0x10001, 0x10002, 0x10003, 0x10004 };

	(void)state;
	connect_and_open();
	for (unsigned i = 0; i < ARRAY_SIZE(versions); i++) {
		u32 version = versions[i], msg[4];
		u32 res[51] = { M(version == 0x10001 ? 0x10 : 0x16), 0 };

		assert_int_equal(ASK(M(0x13), version), 0);
		assert_int_equal(ASK(M(0x07), 0, WINDOW, 0), 0);
		assert_int_equal(ask(res, version == 0x10001 ? 148 : 202), 0);
		map_bar(0);
		assert_int_equal(create_interrupt(version, 0, 0x40 + i, 1, 1),
				 0);
		last_message(msg);
		assert_int_equal(msg[0], 1 << 16);
		config_write(0, 0x82, 2, 0x8000);
		program_msix(3, msg, 0);
		injections = 0;
		pci_msix_raise(&funcs[0], 3);
		assert_int_equal(injections, 1);
		assert_int_equal(last_vector, 0x40 + i);
		assert_int_equal(last_apic, version == 0x10001 ? 0 : 1);
		/* The format of another version is refused. */
		assert_int_not_equal(create_interrupt(
			version == 0x10001 ? 0x10004 : 0x10001, 0, 64, 1, 0),
			0);
		expect_violation("with protocol version");
		assert_int_equal(ASK(M(0x08)), 0);
		injections = 0;
		vpci_msi(funcs[0].bus, (u64)msg[3] << 32 | msg[2], msg[1]);
		assert_int_equal(injections, 0);
	}
}

static void test_interrupt_errors(void **state)
{
	u32 msg[4];

	(void)state;
	enter_d0();
	create_interrupt(0x10004, 0x40, 64, 1, 0);
	expect_violation("slot 0x40");
	create_interrupt(0x10004, 0, 64, 33, 0);
	expect_violation("33 messages");
	create_interrupt(0x10004, 0, 64, 0, 0);
	expect_violation("0 messages");
	create_interrupt(0x10004, 0, 5, 1, 0);
	expect_violation("vector 5");
	create_interrupt(0x10004, 0, 250, 8, 0);
	expect_violation("vector 250");
	/* Vector and count wrap around to 15. */
	create_interrupt(0x10004, 0, 0xfffffff0, 32, 0);
	expect_violation("vector 4294967280");
	create_interrupt(0x10004, 0, 64, 1, 2);
	expect_violation("VP 2 of 2");
	assert_int_equal(answer_len, 24);
	assert_true(answer_word(0) >> 31);

	assert_int_equal(create_interrupt(0x10004, 0, 64, 1, 0), 0);
	last_message(msg);
	TELL(M(0x15), 0x20, msg[0], msg[1], msg[2], msg[3]);
	expect_violation("was slot 0x0");
	TELL(M(0x15), 0, msg[0], msg[1] + 32, msg[2], msg[3]);
	expect_violation("never handed out");
	TELL(M(0x15), 0, msg[0], msg[1], msg[2], msg[3]);
	TELL(M(0x15), 0, msg[0], msg[1], msg[2], msg[3]);
	expect_violation("deleted before");
	/* What D0EXIT has dropped may be deleted once. */
	assert_int_equal(create_interrupt(0x10004, 0, 64, 1, 0), 0);
	last_message(msg);
	assert_int_equal(ASK(M(0x08)), 0);
	TELL(M(0x15), 0, msg[0], msg[1], msg[2], msg[3]);
	assert_int_equal(violations, 0);
	TELL(M(0x15), 0, msg[0], msg[1], msg[2], msg[3]);
	expect_violation("deleted before");
}

/*
 * A guest back from hibernation gives back the messages of an earlier boot,
 * one by one, while it gets new ones.
 */
static void test_earlier_boot(void **state)
{
	u32 msg[4];

	(void)state;
	enter_d0();
	assert_int_equal(create_interrupt(0x10004, 0, 64, 1, 0), 0);
	last_message(msg);
	/* Not one that an earlier boot may have been handed out. */
	assert_true(msg[1] / 32 >= 256);
	for (u32 nr = 0; nr < 256; nr++)
		TELL(M(0x15), 0, msg[0], nr * 32, msg[2], msg[3]);
	assert_int_equal(violations, 0);
	/* Each of them once, and this boot's are live. */
	TELL(M(0x15), 0, msg[0], 0, msg[2], msg[3]);
	expect_violation("deleted before");
	TELL(M(0x15), 0, msg[0], msg[1] + 32, msg[2], msg[3]);
	expect_violation("never handed out");
	TELL(M(0x15), 0, msg[0], msg[1], msg[2], msg[3]);
	assert_int_equal(violations, 0);
}

static void test_msix_masks(void **state)
{
	u32 msg[4];

	(void)state;
	enter_d0();
	map_bar(0);
	assert_int_equal(create_interrupt(0x10004, 0, 64, 1, 0), 0);
	last_message(msg);
	program_msix(1, msg, 0);
	injections = 0;
	/* Disabled: nothing, and nothing is kept. */
	pci_msix_raise(&funcs[0], 1);
	config_write(0, 0x82, 2, 0xc000);
	assert_int_equal(guest_read(BAR + 0x3000, 8), 0);
	/* Function mask. */
	pci_msix_raise(&funcs[0], 1);
	assert_int_equal(guest_read(BAR + 0x3000, 8), 2);
	guest_write(BAR + 0x3000, 8, 0);
	assert_int_equal(guest_read(BAR + 0x3000, 4), 2);
	assert_int_equal(injections, 0);
	config_write(0, 0x82, 2, 0x8000);
	assert_int_equal(injections, 1);
	assert_int_equal(guest_read(BAR + 0x3000, 8), 0);
	/* Entry mask; the table keeps what was written. */
	guest_write(BAR + 0x201c, 4, 1);
	pci_msix_raise(&funcs[0], 1);
	pci_msix_raise(&funcs[0], 1);
	assert_int_equal(injections, 1);
	guest_write(BAR + 0x201c, 4, 0);
	assert_int_equal(injections, 2);
	assert_int_equal(guest_read(BAR + 0x2018, 4), msg[1]);
	assert_int_equal(guest_read(BAR + 0x2010, 8), msg[2]);
	guest_read(BAR + 0x2011, 1);
	expect_violation("MSI-X table access");
	/* Other offsets are the device's. */
	guest_write(BAR + 0x2040, 4, 77);
	assert_int_equal(bar_value, 77);
}

struct retarget {
	u64 partition, device;
	u32 source, reserved, address, data;
	u64 reserved2;
	u32 vector, flags;
	u64 format, banks[4];
};

static u16 retarget(const struct retarget *r, u16 var_hdr)
{
	struct hcall h = { .code = 0x7e, .in = INPUT, .var_hdr = var_hdr };

	memcpy(mem.ram + INPUT, r, sizeof(*r));
	return vpci_retarget(vpci, &h);
}

static void test_retarget(void **state)
{
	struct retarget r = {
		.partition = ~0ULL, .device = 0xffffffff00000000 | DEVICE_ID,
		.source = 1, .vector = 0x77, .flags = 2,
		.banks = { 1, 2 },
	}, bad;
	u32 msg[4];

	(void)state;
	enter_d0();
	assert_int_equal(create_interrupt(0x10004, 0, 32, 8, 0), 0);
	last_message(msg);
	assert_int_equal(msg[0], 8 << 16);
	assert_int_equal(msg[1] % 32, 0);
	r.address = msg[2];
	r.data = msg[1] + 5;
	/* Until then, what the create said. */
	vpci_msi(funcs[0].bus, msg[2], r.data);
	assert_int_equal(last_vector, 37);
	assert_int_equal(last_apic, 0);
	assert_int_equal(retarget(&r, 2), HVS_SUCCESS);
	vpci_msi(funcs[0].bus, msg[2], r.data);
	assert_int_equal(last_vector, 0x77);
	assert_int_equal(last_apic, 1);
	vpci_msi(funcs[0].bus, msg[2], r.data - 1);
	assert_int_equal(last_vector, 36);
	/* The mask of protocol 1.1, zero-extended id, and "all". */
	r.device = DEVICE_ID;
	r.flags = 0;
	r.format = 1;
	assert_int_equal(retarget(&r, 0), HVS_SUCCESS);
	vpci_msi(funcs[0].bus, msg[2], r.data);
	assert_int_equal(last_apic, 0);
	r.flags = 2;
	assert_int_equal(retarget(&r, 0), HVS_SUCCESS);
	r.format = 0;

#define REFUSE(field, value, hdr, status, text) do {			\
	bad = r;							\
	bad.field = (value);						\
	assert_int_equal(retarget(&bad, hdr), status);			\
	expect_violation(text);						\
} while (0)
	REFUSE(partition, 0, 2, HVS_INVALID_PARAMETER, "partition 0x0");
	REFUSE(source, 2, 2, HVS_INVALID_PARAMETER, "source 2");
	REFUSE(reserved, 1, 2, HVS_INVALID_PARAMETER, "reserved 0x1");
	REFUSE(reserved2, 1, 2, HVS_INVALID_PARAMETER, "reserved 0x0 0x1");
	REFUSE(device, 0x1234, 2, HVS_INVALID_DEVICE_ID, "unknown device");
	REFUSE(device, DEVICE_ID | 4, 2, HVS_INVALID_DEVICE_ID, "unknown");
	REFUSE(device, 1ULL << 40 | DEVICE_ID, 2, HVS_INVALID_PARAMETER,
	       "device id");
	REFUSE(device, DEVICE_ID | 1, 2, HVS_INVALID_PARAMETER, "no message");
	REFUSE(data, msg[1] + 8, 2, HVS_INVALID_PARAMETER, "no message");
	REFUSE(vector, 256, 2, HVS_INVALID_PARAMETER, "vector 256");
	REFUSE(flags, 1, 2, HVS_INVALID_PARAMETER, "flags 0x1");
	REFUSE(format, 2, 2, HVS_INVALID_PARAMETER, "format 2");
	REFUSE(banks[0], 3, 2, HVS_INVALID_PARAMETER, "bank mask 0x3");
	REFUSE(banks[1], 0, 2, HVS_INVALID_PARAMETER, "empty");
	REFUSE(banks[1], 4, 2, HVS_INVALID_PARAMETER, "VP 2 of 2");
	REFUSE(flags, 0, 0, HVS_INVALID_PARAMETER, "mask 0x0");
	REFUSE(vector, 64, 1000, HVS_INVALID_HYPERCALL_INPUT, "control word");
#undef REFUSE
	/* A rescinded device is no violation. */
	assert_int_equal(ctl("rescind", "dev0"), 0);
	assert_int_equal(retarget(&r, 2), HVS_INVALID_DEVICE_ID);
}

static void test_eject(void **state)
{
	(void)state;
	enter_d0();
	assert_int_equal(ctl("eject", "dev0"), 0);
	expect_state("ejecting");
	for (u32 slot = 0; slot <= 0x20; slot += 0x20) {
		assert_true(receive());
		assert_int_equal(answer_type, 6);
		assert_int_equal(answer_tid, 0);
		assert_int_equal(answer_word(0), M(0x0b));
		assert_int_equal(answer_word(4), slot);
	}
	assert_int_equal(config_read(0, 0, 2), 0x1234);
	TELL(M(0x0f), 0, 0);
	assert_int_equal(iommu_functions, 2);
	assert_int_equal(config_read(0, 0, 2), 0xffff);
	run_works();
	expect_state("ejecting");
	TELL(M(0x0f), 0x20, 0);
	assert_int_equal(iommu_functions, 0);
	run_works();
	expect_state("ejecting");
	assert_int_equal(posted_word(0, 0), 2);
	assert_int_equal(posted_word(0, 8), RELID);
	assert_int_equal(ctl("offer", "dev0"), -1);
	POST(7, 0, RELID);
	POST(13, 0, RELID);
	expect_state("absent");
	assert_int_equal(ctl("eject", "dev0"), -1);
	assert_int_equal(ctl("rescind", "dev0"), -1);
	assert_int_equal(ctl("offer", "dev0"), 0);
	assert_int_equal(posted_word(0, 0), 1);
	assert_int_equal(iommu_functions, 3);
	/* The GPADL of this number went with the first channel. */
	create_gpadl(7);
	open_channel(7, 5);
	expect_state("open");
	assert_int_equal(ctl("eject", "dev0"), -1);
}

static void test_eject_then_close(void **state)
{
	(void)state;
	enter_d0();
	assert_int_equal(ctl("eject", "dev0"), 0);
	POST(7, 0, RELID);
	assert_int_equal(iommu_functions, 0);
	run_works();
	assert_int_equal(posted_word(0, 0), 2);
	POST(13, 0, RELID);
	expect_state("absent");
	/* And with a guest that goes away altogether. */
	assert_int_equal(ctl("offer", "dev0"), 0);
	enter_d0();
	assert_int_equal(ctl("eject", "dev0"), 0);
	POST(16, 0);
	run_works();
	expect_state("absent");
}

static void test_eject_limit(void **state)
{
	(void)state;
	vpci_set_eject_limit(vpci, 60000000000);
	enter_d0();
	assert_int_equal(ctl("eject", "dev0"), 0);
	assert_non_null(timer);
	assert_true(timer->period_ns == 60000000000ULL);
	assert_int_equal(iommu_functions, 3);
	timer->fn(timer->arg);
	assert_int_equal(posted_word(0, 0), 2);
	assert_int_equal(iommu_functions, 0);
	assert_true(!timer->period_ns);
	expect_state("rescinded");
	POST(7, 0, RELID);
	POST(13, 0, RELID);
	expect_state("absent");
	/* An answer in time stops it. */
	assert_int_equal(ctl("offer", "dev0"), 0);
	enter_d0();
	assert_int_equal(ctl("eject", "dev0"), 0);
	assert_true(timer->period_ns);
	TELL(M(0x0f), 0, 0);
	TELL(M(0x0f), 0x20, 0);
	run_works();
	POST(7, 0, RELID);
	POST(13, 0, RELID);
	expect_state("absent");
	assert_true(!timer->period_ns);
}

static void test_rescind(void **state)
{
	(void)state;
	enter_d0();
	map_bar(0);
	assert_int_equal(ctl("rescind", "dev0"), 0);
	expect_state("rescinded");
	assert_int_equal(iommu_functions, 0);
	assert_int_equal(guest_read(WINDOW + 0x1000, 4), ~0ULL);
	assert_int_equal(guest_read(BAR, 4), ~0ULL);
	/* What a guest may still do before it notices. */
	assert_int_equal(signal_host(), HVS_INVALID_CONNECTION_ID);
	POST(11, 0, RELID, 7);
	POST(7, 0, RELID);
	POST(13, 0, RELID);
	expect_state("absent");
	/* A guest that leaves has released everything. */
	assert_int_equal(ctl("offer", "dev0"), 0);
	assert_int_equal(ctl("rescind", "dev0"), 0);
	expect_state("rescinded");
	POST(16, 0);
	expect_state("absent");
	contact(0x50003);
	/* Before the guest has asked for offers nothing is posted. */
	POST(16, 0);
	nr_posted = 0;
	assert_int_equal(ctl("offer", "dev0"), 0);
	assert_int_equal(ctl("rescind", "dev0"), 0);
	expect_state("absent");
	assert_int_equal(nr_posted, 0);
	assert_int_equal(ctl("frobnicate", "dev0"), -1);
	assert_int_equal(ctl("state", "dev1"), -1);
	assert_int_equal(ctl("list", NULL), 0);
	assert_string_equal(ctl_text,
			    "dev0 absent functions=2 id=0x8001fff8\n");
}

static void test_guid_collision(void **state)
{
	struct pci_func *list[] = { &funcs[0] };
	u8 other[16] = { 9, 9, 9, 9 };
	char err[128] = "";

	(void)state;
	memcpy(other + 4, guid + 4, 4);
	other[6] &= 0xf8;
	assert_null(vpci_add_bus(vpci, "dev1", other, list, 1, true, err,
				 sizeof(err)));
	assert_non_null(strstr(err, "0x8001fff8 of dev0"));
	assert_int_equal(vpci_logical_id(guid, 7), 0x8001ffff);
	assert_int_equal(vpci_logical_id((u8[16]){ [4] = 0xd7, [5] = 0x13,
				[6] = 0x5f, [7] = 0x4a }, 3), 0x13d74a5b);
}

/* The same ids twice mean the bus that was there first. */
static void test_twin(void **state)
{
	static struct pci_func twin;
	struct pci_func *list[] = { &twin };
	u8 other[16] = { 9, 9, 9, 9 };
	char err[128] = "";

	(void)state;
	memcpy(other + 4, guid + 4, 4);
	pci_func_init(&twin, NULL, NULL, "twin", &device_ops, NULL, 0x1234,
		      0x9abc, 0x010802);
	assert_non_null(vpci_add_bus(vpci, "dev1", other, list, 1, false, err,
				     sizeof(err)));
	enter_d0();
	assert_int_equal(ctl("offer", "dev1"), 0);
	assert_int_equal(unreachable, 1);
	assert_int_equal(iommu_functions, 3);
	assert_int_not_equal(twin.logical_id & ~7u, DEVICE_ID);
	/* Once the first one has gone they mean the other. */
	assert_int_equal(ctl("rescind", "dev0"), 0);
	assert_int_equal(unreachable, 0);
	assert_int_equal(iommu_functions, 1);
	assert_int_equal(twin.logical_id, DEVICE_ID);
	/* Also if it comes later. */
	assert_int_equal(ctl("rescind", "dev1"), 0);
	assert_int_equal(iommu_functions, 0);
	POST(13, 0, RELID + 1);
	assert_int_equal(ctl("offer", "dev1"), 0);
	assert_int_equal(iommu_functions, 1);
	assert_int_equal(twin.logical_id, DEVICE_ID);
	assert_int_equal(ctl("rescind", "dev1"), 0);
}

/* Random requests in a valid ring, random messages, random calls. */
static void test_random_guest(void **state)
{
	u64 rng = test_seed();

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		POST(16, 0);
		run_works();
		ctl("offer", "dev0");
		/* Whatever the last round has left behind. */
		enter_d0();
		violations = 0;
		for (unsigned step = 0; step < 100; step++) {
			u32 words[60];
			u32 len = random_below(&rng, 60) * 4;

			for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
				words[i] = random_below(&rng, 4) ?
					   random_below(&rng, 40) :
					   next_random(&rng);
			switch (random_below(&rng, 6)) {
			case 0:
				words[0] = random_below(&rng, 26);
				words[2] = random_below(&rng, 3);
				post(4, words, len);
				break;
			case 1:
				retarget((void *)words,
					 random_below(&rng, 4));
				break;
			case 2:
				config_write(random_below(&rng, 3) * 0x20,
					     random_below(&rng, 256), 1 <<
					     random_below(&rng, 3), words[0]);
				break;
			case 3:
				guest_write(BAR + words[0] % 0x4000 / 4 * 4, 4,
					    words[1]);
				pci_msix_raise(&funcs[0], words[2] % 4);
				break;
			default:
				words[0] = M(random_below(&rng, 0x20));
				words[1] = random_below(&rng, 3) * 0x20;
				request(random_below(&rng, 2), words[3],
					words, len);
				while (receive())
					signal_host();
				break;
			}
			run_works();
		}
		violations = 0;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_versions),
		TEST(test_offer),
		TEST(test_bad_messages),
		TEST(test_gpadl_bodies),
		TEST(test_open_errors),
		TEST(test_unload_and_reconnect),
		TEST(test_on_unload),
		TEST(test_unclean),
		TEST(test_full_ring_retries),
		TEST(test_drain_in_batches),
		TEST(test_bad_packets),
		TEST(test_signal_errors),
		TEST(test_broken_ring),
		TEST(test_protocol_order),
		TEST(test_relations),
		TEST(test_config_space), TEST(test_ats),
		TEST(test_interrupt_formats),
		TEST(test_interrupt_errors),
		cmocka_unit_test_setup_teardown(test_earlier_boot,
						set_up_again, tear_down),
		TEST(test_msix_masks),
		TEST(test_retarget),
		TEST(test_eject),
		TEST(test_eject_then_close),
		TEST(test_eject_limit),
		TEST(test_rescind),
		TEST(test_guid_collision),
		TEST(test_twin),
		TEST(test_random_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
