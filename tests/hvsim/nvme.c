// SPDX-License-Identifier: GPL-2.0
/*
 * An NVMe 1.4 controller with one namespace (NVM Express base specification
 * 1.4, section numbers below are those of that document).
 *
 * Owns: the controller registers and doorbells in BAR 0, the queues, the
 * features and the medium (memory that survives a reset, or an image file).
 * MSI-X table and PBA sit in BAR 0 as well, behind the doorbells.
 *
 * Locking: everything runs under vm->lock. A doorbell write only notes the new
 * index and queues work, so that commands run later than the write that
 * announced them, as on hardware. Nothing waits; with an image file a flush
 * lasts as long as the file system of the test machine takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pci.h"

#define NVME_VENDOR		0x1234
#define NVME_DEVICE		0xd3e0
#define NVME_CLASS		0x010802

#define BAR_SIZE		0x4000
#define BAR_DOORBELLS		0x1000
#define BAR_MSIX_TABLE		0x2000
#define BAR_MSIX_PBA		0x3000

#define NVME_PAGE		4096U
#define LBA_SHIFT		9
#define LBA_SIZE		(1U << LBA_SHIFT)
#define MDTS			6	/* 2^6 pages = 256 KiB */
#define MAX_TRANSFER		(NVME_PAGE << MDTS)
#define MQES			1023	/* zero's based */
#define DEFAULT_QUEUES		4
/* One MSI-X vector per I/O queue and one for the admin queue. */
#define MAX_QUEUES		(PCI_MAX_MSIX - 1)
#define DEFAULT_SIZE		(64ULL << 20)
#define NR_AER			4
#define NR_ERRORS		4
#define BATCH			16	/* commands per run of the work */
#define DSM_MAX_RANGES		256
#define TEMPERATURE		300	/* kelvin */
#define NSID_ALL		0xffffffffU
#define SUBSYSTEM_NQN \
	"nqn.2014-08.org.nvmexpress:uuid:68767369-6d00-4000-8000-%012x"

/* Registers (3.1). */
enum {
	REG_CAP = 0x00,
	REG_VS = 0x08,
	REG_CC = 0x14,
	REG_CSTS = 0x1c,
	REG_AQA = 0x24,
	REG_ASQ = 0x28,
	REG_ACQ = 0x30,
};

#define VS_1_4			0x00010400U
/* CAP: queues physically contiguous, 10 s to become ready, NVM command set. */
#define CAP_VALUE		((u64)MQES | BIT_ULL(16) | 20ULL << 24 | \
				 BIT_ULL(37))
#define CC_EN			0x1U
#define CC_CSS(cc)		((cc) >> 4 & 7)
#define CC_MPS(cc)		((cc) >> 7 & 15)
#define CC_AMS(cc)		((cc) >> 11 & 7)
#define CC_SHN(cc)		((cc) >> 14 & 3)
#define CC_IOSQES(cc)		((cc) >> 16 & 15)
#define CC_IOCQES(cc)		((cc) >> 20 & 15)
#define CSTS_RDY		0x1U
#define CSTS_CFS		0x2U
#define CSTS_SHST_MASK		0xcU
#define CSTS_SHST_DONE		0x8U

enum {
	ADMIN_DELETE_SQ = 0x00,
	ADMIN_CREATE_SQ = 0x01,
	ADMIN_GET_LOG = 0x02,
	ADMIN_DELETE_CQ = 0x04,
	ADMIN_CREATE_CQ = 0x05,
	ADMIN_IDENTIFY = 0x06,
	ADMIN_ABORT = 0x08,
	ADMIN_SET_FEATURES = 0x09,
	ADMIN_GET_FEATURES = 0x0a,
	ADMIN_ASYNC_EVENT = 0x0c,
};

enum {
	IO_FLUSH = 0x00,
	IO_WRITE = 0x01,
	IO_READ = 0x02,
	IO_COMPARE = 0x05,
	IO_WRITE_ZEROES = 0x08,
	IO_DSM = 0x09,
};

enum {
	FEAT_ARBITRATION = 0x01,
	FEAT_POWER = 0x02,
	FEAT_TEMP_THRESHOLD = 0x04,
	FEAT_ERROR_RECOVERY = 0x05,
	FEAT_WRITE_CACHE = 0x06,
	FEAT_NR_QUEUES = 0x07,
	FEAT_IRQ_COALESCE = 0x08,
	FEAT_IRQ_CONFIG = 0x09,
	FEAT_WRITE_ATOMIC = 0x0a,
	FEAT_ASYNC_EVENT = 0x0b,
	FEAT_TIMESTAMP = 0x0e,
	FEAT_HOST_BEHAVIOUR = 0x16,
};

/* Status code type and code (4.6.1); DNR is or-ed in where it is sent. */
enum {
	SC_SUCCESS = 0x000,
	SC_INVALID_OPCODE = 0x001,
	SC_INVALID_FIELD = 0x002,
	SC_DATA_TRANSFER = 0x004,
	SC_ABORT_REQUESTED = 0x007,
	SC_INVALID_NS = 0x00b,
	SC_SEQUENCE = 0x00c,
	SC_PRP_OFFSET = 0x013,
	SC_LBA_RANGE = 0x080,
	SC_CQ_INVALID = 0x100,
	SC_QUEUE_ID = 0x101,
	SC_QUEUE_SIZE = 0x102,
	SC_AER_LIMIT = 0x105,
	SC_IRQ_VECTOR = 0x108,
	SC_LOG_PAGE = 0x109,
	SC_QUEUE_DELETE = 0x10c,
	SC_NOT_SAVEABLE = 0x10d,
	SC_WRITE_FAULT = 0x280,
	SC_READ_ERROR = 0x281,
	SC_COMPARE = 0x285,
	SC_DNR = 0x4000,
	/* Not a status: the command stays open (asynchronous event request). */
	SC_HELD = 0xffff,
};

struct nvme_sqe {
	u8 opcode;
	u8 flags;		/* fused operation, PRP or SGL */
	u16 cid;
	u32 nsid;
	u32 cdw2, cdw3;
	u64 mptr;
	u64 prp1, prp2;
	u32 cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == 64, "submission entry is 64 bytes");

struct nvme_cqe {
	u32 result;
	u32 reserved;
	u16 sq_head, sq_id;
	u16 cid, status;	/* status: bit 0 is the phase */
};
_Static_assert(sizeof(struct nvme_cqe) == 16, "completion entry is 16 bytes");

struct nvme_sq {
	bool live;
	u16 cqid;
	u64 base;
	u32 size, head, tail;
};

struct nvme_cq {
	bool live;
	bool phase;
	bool irq_on;
	bool raise;		/* entries posted since the last interrupt */
	u16 vector;
	u64 base;
	u32 size, head, tail;
	unsigned nr_sqs;
};

struct nvme_error {
	u64 count;
	u16 sqid, cid, status;
	u32 nsid;
	u64 lba;
};

struct nvme {
	struct pci_func func;
	struct work work;
	unsigned index;
	unsigned nr_queues;

	u32 cc, csts, aqa;
	u64 asq, acq;
	struct nvme_sq sq[MAX_QUEUES + 1];
	struct nvme_cq cq[MAX_QUEUES + 1];
	unsigned last_sq;	/* round robin */

	/* asynchronous events: only of type "error" (5.2) */
	u16 aer_cid[NR_AER];
	unsigned nr_aer;
	bool event_pending;
	bool event_masked;	/* until the error log is read */
	u32 event_result;

	u32 features[256];
	u32 temp_under;
	u16 irq_config[PCI_MAX_MSIX];
	u64 timestamp;
	struct timespec timestamp_set;
	u8 timestamp_origin;
	u8 host_behaviour[512];

	u64 nr_reads, nr_writes, blocks_read, blocks_written;
	u64 nr_errors;
	struct nvme_error errors[NR_ERRORS];

	u8 *media;		/* NULL when the medium is a file */
	int fd;
	u64 nr_blocks;
	u8 *bounce;		/* MAX_TRANSFER bytes, one command's data */
};

/* ---- medium ---- */

static u16 read_media(struct nvme *n, u64 off, void *buf, size_t len)
{
	if (n->media) {
		memcpy(buf, n->media + off, len);
		return SC_SUCCESS;
	}
	while (len) {
		ssize_t done = pread(n->fd, buf, len, off);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			log_info("%s: cannot read %zu bytes at %" PRIu64 ": %s",
				 n->func.name, len, off,
				 done ? strerror(errno) : "file was cut");
			return SC_READ_ERROR;
		}
		buf = (u8 *)buf + done;
		off += done;
		len -= done;
	}
	return SC_SUCCESS;
}

static u16 write_media(struct nvme *n, u64 off, const void *buf, size_t len)
{
	if (n->media) {
		memcpy(n->media + off, buf, len);
		return SC_SUCCESS;
	}
	while (len) {
		ssize_t done = pwrite(n->fd, buf, len, off);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			log_info("%s: cannot write %zu bytes at %" PRIu64
				 ": %s", n->func.name, len, off,
				 strerror(errno));
			return SC_WRITE_FAULT;
		}
		buf = (const u8 *)buf + done;
		off += done;
		len -= done;
	}
	return SC_SUCCESS;
}

static u16 zero_media(struct nvme *n, u64 off, u64 len)
{
	static const u8 zeroes[64 * 1024];

	if (n->media) {
		memset(n->media + off, 0, len);
		return SC_SUCCESS;
	}
	/* A hole reads as zeroes; where none can be made, write them. */
	if (!len || !fallocate(n->fd, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, off, len))
		return SC_SUCCESS;
	while (len) {
		size_t part = len < sizeof(zeroes) ? len : sizeof(zeroes);
		u16 status = write_media(n, off, zeroes, part);

		if (status)
			return status;
		off += part;
		len -= part;
	}
	return SC_SUCCESS;
}

static u16 flush_media(struct nvme *n)
{
	if (n->fd >= 0 && fdatasync(n->fd)) {
		log_info("%s: cannot flush: %s", n->func.name,
			 strerror(errno));
		return SC_WRITE_FAULT;
	}
	return SC_SUCCESS;
}

/* ---- data transfer ---- */

static u16 copy_page(struct nvme *n, u64 iova, void *buf, u32 len,
		     enum iommu_op op)
{
	enum iommu_fault fault = pci_dma(&n->func, iova, buf, len, op, NULL);

	if (fault == IOMMU_OK)
		return SC_SUCCESS;
	log_debug("%s: %s of %u bytes at 0x%" PRIx64 ": %s", n->func.name,
		  op == IOMMU_READ ? "read" : "write", len, iova,
		  iommu_fault_name(fault));
	return SC_DATA_TRANSFER | SC_DNR;
}

/*
 * Moves @len bytes between @buf and the pages a PRP list names (4.3). The
 * last entry of a list page is a pointer to the next list page when more than
 * that one entry would be needed.
 */
static u16 copy_prp_list(struct nvme *n, u64 list, u8 *buf, u32 len,
			 enum iommu_op op)
{
	u64 entries[NVME_PAGE / sizeof(u64)];
	u16 status;

	if (list % sizeof(u64))
		return SC_PRP_OFFSET | SC_DNR;
	while (len) {
		u32 pages = (len + NVME_PAGE - 1) / NVME_PAGE;
		u32 room = (NVME_PAGE - list % NVME_PAGE) / sizeof(u64);
		bool chained = pages > room;
		u32 nr = chained ? room : pages;

		status = copy_page(n, list, entries, nr * sizeof(u64),
				   IOMMU_READ);
		if (status)
			return status;
		for (u32 i = 0; i < nr - chained; i++) {
			u32 part = len < NVME_PAGE ? len : NVME_PAGE;

			if (entries[i] % NVME_PAGE)
				return SC_PRP_OFFSET | SC_DNR;
			status = copy_page(n, entries[i], buf, part, op);
			if (status)
				return status;
			buf += part;
			len -= part;
		}
		if (!chained)
			break;
		list = entries[nr - 1];
		if (list % NVME_PAGE)
			return SC_PRP_OFFSET | SC_DNR;
	}
	return SC_SUCCESS;
}

/* The data of one command: READ fills @buf from memory, WRITE empties it. */
static u16 copy_data(struct nvme *n, const struct nvme_sqe *cmd, void *buf,
		     u32 len, enum iommu_op op)
{
	u32 first = NVME_PAGE - cmd->prp1 % NVME_PAGE;
	u16 status;

	if (cmd->prp1 % sizeof(u32))
		return SC_PRP_OFFSET | SC_DNR;
	if (first > len)
		first = len;
	status = copy_page(n, cmd->prp1, buf, first, op);
	len -= first;
	if (status || !len)
		return status;
	buf = (u8 *)buf + first;
	if (len > NVME_PAGE)
		return copy_prp_list(n, cmd->prp2, buf, len, op);
	if (cmd->prp2 % NVME_PAGE)
		return SC_PRP_OFFSET | SC_DNR;
	return copy_page(n, cmd->prp2, buf, len, op);
}

/* ---- queues ---- */

static bool is_running(const struct nvme *n)
{
	return n->cc & CC_EN && n->csts & CSTS_RDY && !(n->csts & CSTS_CFS) &&
		!(n->csts & CSTS_SHST_MASK);
}

static void fail_controller(struct nvme *n, const char *what, u64 where,
			    enum iommu_fault fault)
{
	log_info("%s: fatal: %s at 0x%" PRIx64 ": %s", n->func.name, what,
		 where, fault ? iommu_fault_name(fault) : "not supported");
	n->csts |= CSTS_CFS;
}

static bool is_full(const struct nvme_cq *cq)
{
	return (cq->tail + 1) % cq->size == cq->head;
}

static void record_error(struct nvme *n, const struct nvme_sqe *cmd, u16 sqid,
			 u16 status)
{
	struct nvme_error *e = &n->errors[n->nr_errors++ % NR_ERRORS];

	e->count = n->nr_errors;
	e->sqid = sqid;
	e->cid = cmd->cid;
	e->status = status << 1;
	e->nsid = cmd->nsid;
	e->lba = sqid ? (u64)cmd->cdw11 << 32 | cmd->cdw10 : 0;
}

/* The caller has made sure that the completion queue has room. */
static void post_completion(struct nvme *n, u16 sqid, u16 cid, u16 status,
			    u32 result)
{
	struct nvme_sq *sq = &n->sq[sqid];
	struct nvme_cq *cq = &n->cq[sq->cqid];
	u64 where = cq->base + (u64)cq->tail * sizeof(struct nvme_cqe);
	struct nvme_cqe cqe = {
		.result = result,
		.sq_head = sq->head,
		.sq_id = sqid,
		.cid = cid,
		.status = status << 1 | cq->phase,
	};
	const size_t half = sizeof(cqe) / 2;
	enum iommu_fault fault;

	/* The half with the phase goes last: the guest polls for it. */
	fault = pci_dma(&n->func, where, &cqe, half, IOMMU_WRITE, NULL);
	if (!fault)
		fault = pci_dma(&n->func, where + half, (u8 *)&cqe + half,
				half, IOMMU_WRITE, NULL);
	if (fault) {
		fail_controller(n, "cannot post a completion", where, fault);
		return;
	}
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase = !cq->phase;
	}
	cq->raise = true;
}

static void post_event(struct nvme *n)
{
	u16 cid;

	if (!n->event_pending || n->event_masked || !n->nr_aer ||
	    is_full(&n->cq[0]))
		return;
	n->event_pending = false;
	n->event_masked = true;
	cid = n->aer_cid[0];
	n->nr_aer--;
	memmove(n->aer_cid, n->aer_cid + 1, n->nr_aer * sizeof(n->aer_cid[0]));
	post_completion(n, 0, cid, SC_SUCCESS, n->event_result);
}

/* Error event: @info 0 = unknown doorbell, 1 = bad doorbell value. */
static void note_doorbell_error(struct nvme *n, u8 info, u64 off, u64 val)
{
	log_info("%s: %s: 0x%" PRIx64 " written to doorbell 0x%" PRIx64,
		 n->func.name, info ? "invalid doorbell value" :
		 "doorbell of no queue", val, off);
	n->event_pending = true;
	n->event_result = (u32)info << 8 | 1U << 16;
	vm_queue_work(n->func.vm, &n->work);
}

static void ring_doorbell(struct nvme *n, u64 off, u32 val)
{
	unsigned nr = (off - BAR_DOORBELLS) / 4;
	unsigned qid = nr / 2;
	struct nvme_cq *cq;

	if (!is_running(n))
		return;
	if (qid > n->nr_queues ||
	    !(nr & 1 ? n->cq[qid].live : n->sq[qid].live)) {
		note_doorbell_error(n, 0, off, val);
		return;
	}
	if (!(nr & 1)) {
		if (val >= n->sq[qid].size) {
			note_doorbell_error(n, 1, off, val);
			return;
		}
		n->sq[qid].tail = val;
		vm_queue_work(n->func.vm, &n->work);
		return;
	}
	cq = &n->cq[qid];
	/* The head may move over posted entries only. */
	if (val >= cq->size || (val + cq->size - cq->head) % cq->size >
	    (cq->tail + cq->size - cq->head) % cq->size) {
		note_doorbell_error(n, 1, off, val);
		return;
	}
	/* A queue that was full may hold up commands. */
	if (is_full(cq))
		vm_queue_work(n->func.vm, &n->work);
	cq->head = val;
}

/* ---- admin commands ---- */

static u16 create_cq(struct nvme *n, const struct nvme_sqe *cmd)
{
	u16 qid = cmd->cdw10;
	u32 size = (cmd->cdw10 >> 16) + 1;
	u16 vector = cmd->cdw11 >> 16;
	struct nvme_cq *cq;

	if (!qid || qid > n->nr_queues || n->cq[qid].live)
		return SC_QUEUE_ID | SC_DNR;
	if (size < 2 || size > MQES + 1 || CC_IOCQES(n->cc) != 4)
		return SC_QUEUE_SIZE | SC_DNR;
	if (!(cmd->cdw11 & 1))
		return SC_INVALID_FIELD | SC_DNR;
	if (cmd->prp1 % NVME_PAGE)
		return SC_PRP_OFFSET | SC_DNR;
	if (vector >= n->func.nr_msix)
		return SC_IRQ_VECTOR | SC_DNR;
	cq = &n->cq[qid];
	*cq = (struct nvme_cq){
		.live = true,
		.phase = true,
		.irq_on = cmd->cdw11 & 2,
		.vector = vector,
		.base = cmd->prp1,
		.size = size,
	};
	return SC_SUCCESS;
}

static u16 create_sq(struct nvme *n, const struct nvme_sqe *cmd)
{
	u16 qid = cmd->cdw10;
	u32 size = (cmd->cdw10 >> 16) + 1;
	u16 cqid = cmd->cdw11 >> 16;

	if (!qid || qid > n->nr_queues || n->sq[qid].live)
		return SC_QUEUE_ID | SC_DNR;
	if (size < 2 || size > MQES + 1 || CC_IOSQES(n->cc) != 6)
		return SC_QUEUE_SIZE | SC_DNR;
	if (!cqid || cqid > n->nr_queues || !n->cq[cqid].live)
		return SC_CQ_INVALID | SC_DNR;
	if (!(cmd->cdw11 & 1))
		return SC_INVALID_FIELD | SC_DNR;
	if (cmd->prp1 % NVME_PAGE)
		return SC_PRP_OFFSET | SC_DNR;
	n->sq[qid] = (struct nvme_sq){
		.live = true,
		.cqid = cqid,
		.base = cmd->prp1,
		.size = size,
	};
	n->cq[cqid].nr_sqs++;
	return SC_SUCCESS;
}

static u16 delete_sq(struct nvme *n, const struct nvme_sqe *cmd)
{
	u16 qid = cmd->cdw10;

	if (!qid || qid > n->nr_queues || !n->sq[qid].live)
		return SC_QUEUE_ID | SC_DNR;
	n->sq[qid].live = false;
	n->cq[n->sq[qid].cqid].nr_sqs--;
	return SC_SUCCESS;
}

static u16 delete_cq(struct nvme *n, const struct nvme_sqe *cmd)
{
	u16 qid = cmd->cdw10;

	if (!qid || qid > n->nr_queues || !n->cq[qid].live)
		return SC_QUEUE_ID | SC_DNR;
	if (n->cq[qid].nr_sqs)
		return SC_QUEUE_DELETE | SC_DNR;
	n->cq[qid].live = false;
	return SC_SUCCESS;
}

static void put_le(u8 *p, u64 val, unsigned bytes)
{
	memcpy(p, &val, bytes);
}

/* Fixed-width text fields are padded with blanks, not ended by NUL. */
static void put_text(u8 *p, size_t len, const char *text)
{
	memset(p, ' ', len);
	memcpy(p, text, strnlen(text, len));
}

/* Locally administered EUI-64, different for every controller. */
static void put_eui64(const struct nvme *n, u8 *p)
{
	const u8 eui[8] = { 0x02, 'h', 'v', 's', 'i', 'm', n->index >> 8,
			    n->index };

	memcpy(p, eui, sizeof(eui));
}

/* Figure 247. */
static void fill_controller(const struct nvme *n, u8 *p)
{
	char text[80];

	put_le(p + 0, NVME_VENDOR, 2);
	put_le(p + 2, NVME_VENDOR, 2);
	snprintf(text, sizeof(text), "HVSIM%04u", n->index);
	put_text(p + 4, 20, text);
	put_text(p + 24, 40, "hvsim NVMe");
	put_text(p + 64, 8, "1.0");
	p[77] = MDTS;
	put_le(p + 80, VS_1_4, 4);
	p[111] = 1;		/* CNTRLTYPE: I/O controller */
	p[258] = 3;		/* ACL */
	p[259] = NR_AER - 1;
	p[260] = 0x03;		/* FRMW: one slot, read-only */
	p[261] = 0x06;		/* LPA: effects log, long log offsets */
	p[262] = NR_ERRORS - 1;
	put_le(p + 266, 343, 2);	/* WCTEMP */
	put_le(p + 268, 353, 2);	/* CCTEMP */
	p[512] = 0x66;		/* SQES */
	p[513] = 0x44;		/* CQES */
	put_le(p + 516, 1, 4);	/* NN */
	/* ONCS: compare, dataset management, write zeroes, timestamp */
	put_le(p + 520, 0x4d, 2);
	p[525] = 0x07;		/* VWC: present, flush of all namespaces */
	snprintf(text, sizeof(text), SUBSYSTEM_NQN, n->index);
	memcpy(p + 768, text, strlen(text));
	put_le(p + 2048, 2500, 2);	/* PSD0: 25 W */
}

/* Figure 245. */
static void fill_namespace(const struct nvme *n, u8 *p)
{
	put_le(p + 0, n->nr_blocks, 8);		/* NSZE */
	put_le(p + 8, n->nr_blocks, 8);		/* NCAP */
	put_le(p + 16, n->nr_blocks, 8);	/* NUSE */
	/* DLFEAT: deallocated blocks read as zero, write zeroes may do that */
	p[33] = 0x09;
	put_eui64(n, p + 120);
	p[128 + 2] = LBA_SHIFT;	/* LBAF0.LBADS */
}

static u16 identify(struct nvme *n, const struct nvme_sqe *cmd)
{
	u8 page[NVME_PAGE] = { 0 };

	switch (cmd->cdw10 & 0xff) {
	case 0x00:		/* namespace */
		if (cmd->nsid != 1 && cmd->nsid != NSID_ALL)
			return SC_INVALID_NS | SC_DNR;
		fill_namespace(n, page);
		break;
	case 0x01:		/* controller */
		fill_controller(n, page);
		break;
	case 0x02:		/* active namespaces above NSID */
		if (cmd->nsid >= NSID_ALL - 1)
			return SC_INVALID_NS | SC_DNR;
		if (!cmd->nsid)
			put_le(page, 1, 4);
		break;
	case 0x03:		/* namespace identification descriptors */
		if (cmd->nsid != 1)
			return SC_INVALID_NS | SC_DNR;
		page[0] = 1;	/* EUI-64 */
		page[1] = 8;
		put_eui64(n, page + 4);
		break;
	case 0x06:		/* I/O command set, controller: no limits */
		if (cmd->cdw11 >> 24)
			return SC_INVALID_FIELD | SC_DNR;
		break;
	default:
		return SC_INVALID_FIELD | SC_DNR;
	}
	return copy_data(n, cmd, page, sizeof(page), IOMMU_WRITE);
}

static void fill_error_log(const struct nvme *n, u8 *p)
{
	for (unsigned i = 0; i < NR_ERRORS && i < n->nr_errors; i++) {
		u64 nr = n->nr_errors - 1 - i;
		const struct nvme_error *e = &n->errors[nr % NR_ERRORS];
		u8 *to = p + i * 64;

		put_le(to, e->count, 8);
		put_le(to + 8, e->sqid, 2);
		put_le(to + 10, e->cid, 2);
		put_le(to + 12, e->status, 2);
		put_le(to + 14, 0xffff, 2);
		put_le(to + 16, e->lba, 8);
		put_le(to + 24, e->nsid, 4);
	}
}

static void fill_smart_log(const struct nvme *n, u8 *p)
{
	u32 over = n->features[FEAT_TEMP_THRESHOLD] & 0xffff;

	if (TEMPERATURE >= over || TEMPERATURE <= n->temp_under)
		p[0] = 0x02;
	put_le(p + 1, TEMPERATURE, 2);
	p[3] = 100;		/* available spare, percent */
	p[4] = 10;
	/* data units: thousands of 512-byte blocks, rounded up */
	put_le(p + 32, (n->blocks_read + 999) / 1000, 8);
	put_le(p + 48, (n->blocks_written + 999) / 1000, 8);
	put_le(p + 64, n->nr_reads, 8);
	put_le(p + 80, n->nr_writes, 8);
	put_le(p + 112, 1, 8);	/* power cycles */
	put_le(p + 176, n->nr_errors, 8);
}

static void fill_effects_log(u8 *p)
{
	static const u8 admin[] = {
		ADMIN_DELETE_SQ, ADMIN_CREATE_SQ, ADMIN_GET_LOG,
		ADMIN_DELETE_CQ, ADMIN_CREATE_CQ, ADMIN_IDENTIFY, ADMIN_ABORT,
		ADMIN_SET_FEATURES, ADMIN_GET_FEATURES, ADMIN_ASYNC_EVENT,
	};
	static const u8 io[] = {
		IO_FLUSH, IO_WRITE, IO_READ, IO_COMPARE, IO_WRITE_ZEROES,
		IO_DSM,
	};
	u8 *io_part = p + 1024;

	/* bit 0: supported, bit 1: changes logical block content */
	for (size_t i = 0; i < ARRAY_SIZE(admin); i++)
		p[admin[i] * 4] = 1;
	for (size_t i = 0; i < ARRAY_SIZE(io); i++)
		io_part[io[i] * 4] = 1;
	io_part[IO_WRITE * 4] |= 2;
	io_part[IO_WRITE_ZEROES * 4] |= 2;
	io_part[IO_DSM * 4] |= 2;
}

static u16 get_log_page(struct nvme *n, const struct nvme_sqe *cmd)
{
	u64 len = ((u64)(cmd->cdw11 & 0xffff) << 16 | cmd->cdw10 >> 16) + 1;
	u64 off = (u64)cmd->cdw13 << 32 | cmd->cdw12;
	u8 page[NVME_PAGE] = { 0 };
	u32 size;
	u16 status;

	len *= 4;
	switch (cmd->cdw10 & 0xff) {
	case 0x01:
		fill_error_log(n, page);
		size = NR_ERRORS * 64;
		break;
	case 0x02:
		fill_smart_log(n, page);
		size = 512;
		break;
	case 0x03:		/* firmware slots */
		page[0] = 1;
		put_text(page + 8, 8, "1.0");
		size = 512;
		break;
	case 0x04:		/* changed namespaces: never any */
		size = NVME_PAGE;
		break;
	case 0x05:
		fill_effects_log(page);
		size = NVME_PAGE;
		break;
	default:
		return SC_LOG_PAGE | SC_DNR;
	}
	if (off % 4 || off >= size || len > MAX_TRANSFER)
		return SC_INVALID_FIELD | SC_DNR;
	memset(n->bounce, 0, len);
	memcpy(n->bounce, page + off, len < size - off ? len : size - off);
	status = copy_data(n, cmd, n->bounce, len, IOMMU_WRITE);
	/* Reading the log re-arms the event, unless "retain" is set. */
	if (!status && (cmd->cdw10 & 0xff) == 0x01 && !(cmd->cdw10 & 0x8000))
		n->event_masked = false;
	return status;
}

/* Milliseconds of the feature's clock (5.21.1.14). */
static u64 read_timestamp(const struct nvme *n)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return n->timestamp +
		(now.tv_sec - n->timestamp_set.tv_sec) * 1000 +
		(now.tv_nsec - n->timestamp_set.tv_nsec) / 1000000;
}

static void set_timestamp(struct nvme *n, u64 ms, u8 origin)
{
	n->timestamp = ms;
	n->timestamp_origin = origin;
	clock_gettime(CLOCK_MONOTONIC, &n->timestamp_set);
}

static u16 set_threshold(struct nvme *n, u32 val)
{
	/* Only the composite temperature, over (0) or under (1). */
	if (val >> 16 & 15)
		return SC_INVALID_FIELD | SC_DNR;
	switch (val >> 20 & 3) {
	case 0:
		n->features[FEAT_TEMP_THRESHOLD] = val & 0xffff;
		return SC_SUCCESS;
	case 1:
		n->temp_under = val & 0xffff;
		return SC_SUCCESS;
	default:
		return SC_INVALID_FIELD | SC_DNR;
	}
}

static bool has_io_queue(const struct nvme *n)
{
	for (unsigned i = 1; i <= n->nr_queues; i++)
		if (n->sq[i].live || n->cq[i].live)
			return true;
	return false;
}

static u32 nr_queues_result(const struct nvme *n)
{
	return (n->nr_queues - 1) << 16 | (n->nr_queues - 1);
}

static u16 set_features(struct nvme *n, const struct nvme_sqe *cmd,
			u32 *result)
{
	u8 fid = cmd->cdw10;
	u32 val = cmd->cdw11;
	u64 ms = 0;
	u16 status;

	if (cmd->cdw10 & 1U << 31)
		return SC_NOT_SAVEABLE | SC_DNR;
	switch (fid) {
	case FEAT_ARBITRATION:
	case FEAT_ERROR_RECOVERY:
	case FEAT_WRITE_CACHE:
	case FEAT_IRQ_COALESCE:
	case FEAT_WRITE_ATOMIC:
	case FEAT_ASYNC_EVENT:
		n->features[fid] = val;
		return SC_SUCCESS;
	case FEAT_POWER:
		if (val & 0x1f)		/* there is power state 0 only */
			return SC_INVALID_FIELD | SC_DNR;
		n->features[fid] = val;
		return SC_SUCCESS;
	case FEAT_TEMP_THRESHOLD:
		return set_threshold(n, val);
	case FEAT_NR_QUEUES:
		if ((val & 0xffff) == 0xffff || val >> 16 == 0xffff)
			return SC_INVALID_FIELD | SC_DNR;
		if (has_io_queue(n))
			return SC_SEQUENCE | SC_DNR;
		*result = nr_queues_result(n);
		return SC_SUCCESS;
	case FEAT_IRQ_CONFIG:
		if ((val & 0xffff) >= n->func.nr_msix)
			return SC_INVALID_FIELD | SC_DNR;
		n->irq_config[val & 0xffff] = val >> 16 & 1;
		return SC_SUCCESS;
	case FEAT_TIMESTAMP:
		status = copy_data(n, cmd, &ms, 8, IOMMU_READ);
		if (!status)
			set_timestamp(n, ms & (BIT_ULL(48) - 1), 1);
		return status;
	case FEAT_HOST_BEHAVIOUR:
		status = copy_data(n, cmd, n->bounce,
				   sizeof(n->host_behaviour), IOMMU_READ);
		if (!status)
			memcpy(n->host_behaviour, n->bounce,
			       sizeof(n->host_behaviour));
		return status;
	default:
		return SC_INVALID_FIELD | SC_DNR;
	}
}

static u16 get_features(struct nvme *n, const struct nvme_sqe *cmd,
			u32 *result)
{
	u8 fid = cmd->cdw10;
	u32 val = cmd->cdw11;
	u64 stamp;

	/* Only current values: ONCS does not announce the select field. */
	if (cmd->cdw10 >> 8 & 7)
		return SC_INVALID_FIELD | SC_DNR;
	switch (fid) {
	case FEAT_ARBITRATION:
	case FEAT_POWER:
	case FEAT_ERROR_RECOVERY:
	case FEAT_WRITE_CACHE:
	case FEAT_IRQ_COALESCE:
	case FEAT_WRITE_ATOMIC:
	case FEAT_ASYNC_EVENT:
		*result = n->features[fid];
		return SC_SUCCESS;
	case FEAT_TEMP_THRESHOLD:
		if (val >> 16 & 15 || val >> 20 & 2)
			return SC_INVALID_FIELD | SC_DNR;
		*result = val >> 20 & 1 ? n->temp_under : n->features[fid];
		return SC_SUCCESS;
	case FEAT_NR_QUEUES:
		*result = nr_queues_result(n);
		return SC_SUCCESS;
	case FEAT_IRQ_CONFIG:
		if ((val & 0xffff) >= n->func.nr_msix)
			return SC_INVALID_FIELD | SC_DNR;
		*result = (u32)n->irq_config[val & 0xffff] << 16 |
			(val & 0xffff);
		return SC_SUCCESS;
	case FEAT_TIMESTAMP:
		stamp = (read_timestamp(n) & (BIT_ULL(48) - 1)) |
			(u64)n->timestamp_origin << 49;
		return copy_data(n, cmd, &stamp, sizeof(stamp), IOMMU_WRITE);
	case FEAT_HOST_BEHAVIOUR:
		return copy_data(n, cmd, n->host_behaviour,
				 sizeof(n->host_behaviour), IOMMU_WRITE);
	default:
		return SC_INVALID_FIELD | SC_DNR;
	}
}

/*
 * Commands complete as they are fetched, so that only an asynchronous event
 * request can still be found by an abort. Result bit 0: nothing was aborted.
 */
static u16 abort_command(struct nvme *n, const struct nvme_sqe *cmd,
			 u32 *result)
{
	u16 sqid = cmd->cdw10, cid = cmd->cdw10 >> 16;

	*result = 1;
	/* Two completions are posted: the caller made room for one. */
	if (sqid || (n->cq[0].tail + 2) % n->cq[0].size == n->cq[0].head)
		return SC_SUCCESS;
	for (unsigned i = 0; i < n->nr_aer; i++) {
		if (n->aer_cid[i] != cid)
			continue;
		n->nr_aer--;
		memmove(n->aer_cid + i, n->aer_cid + i + 1,
			(n->nr_aer - i) * sizeof(n->aer_cid[0]));
		post_completion(n, 0, cid, SC_ABORT_REQUESTED, 0);
		*result = 0;
		break;
	}
	return SC_SUCCESS;
}

static u16 hold_event_request(struct nvme *n, const struct nvme_sqe *cmd)
{
	if (n->nr_aer == NR_AER)
		return SC_AER_LIMIT | SC_DNR;
	n->aer_cid[n->nr_aer++] = cmd->cid;
	return SC_HELD;
}

static u16 run_admin(struct nvme *n, const struct nvme_sqe *cmd, u32 *result)
{
	switch (cmd->opcode) {
	case ADMIN_DELETE_SQ:
		return delete_sq(n, cmd);
	case ADMIN_CREATE_SQ:
		return create_sq(n, cmd);
	case ADMIN_GET_LOG:
		return get_log_page(n, cmd);
	case ADMIN_DELETE_CQ:
		return delete_cq(n, cmd);
	case ADMIN_CREATE_CQ:
		return create_cq(n, cmd);
	case ADMIN_IDENTIFY:
		return identify(n, cmd);
	case ADMIN_ABORT:
		return abort_command(n, cmd, result);
	case ADMIN_SET_FEATURES:
		return set_features(n, cmd, result);
	case ADMIN_GET_FEATURES:
		return get_features(n, cmd, result);
	case ADMIN_ASYNC_EVENT:
		return hold_event_request(n, cmd);
	default:
		return SC_INVALID_OPCODE | SC_DNR;
	}
}

/* ---- I/O commands ---- */

static bool is_outside(const struct nvme *n, u64 lba, u64 nr)
{
	return lba >= n->nr_blocks || nr > n->nr_blocks - lba;
}

static u16 trim_ranges(struct nvme *n, const struct nvme_sqe *cmd)
{
	struct {
		u32 attributes;
		u32 nr;
		u64 lba;
	} range[DSM_MAX_RANGES];
	unsigned nr = (cmd->cdw10 & 0xff) + 1;
	u16 status;

	status = copy_data(n, cmd, range, nr * sizeof(range[0]), IOMMU_READ);
	if (status)
		return status;
	for (unsigned i = 0; i < nr; i++)
		if (range[i].nr && is_outside(n, range[i].lba, range[i].nr))
			return SC_LBA_RANGE | SC_DNR;
	if (!(cmd->cdw11 & 4))		/* hints only, no deallocate */
		return SC_SUCCESS;
	for (unsigned i = 0; i < nr; i++) {
		status = zero_media(n, range[i].lba << LBA_SHIFT,
				    (u64)range[i].nr << LBA_SHIFT);
		if (status)
			return status;
	}
	return SC_SUCCESS;
}

static u16 read_blocks(struct nvme *n, const struct nvme_sqe *cmd, u64 off,
		       u32 len)
{
	u16 status = read_media(n, off, n->bounce, len);

	if (!status)
		status = copy_data(n, cmd, n->bounce, len, IOMMU_WRITE);
	if (status)
		return status;
	n->nr_reads++;
	n->blocks_read += len >> LBA_SHIFT;
	return SC_SUCCESS;
}

/* A fault while the data is fetched leaves the medium as it was. */
static u16 write_blocks(struct nvme *n, const struct nvme_sqe *cmd, u64 off,
			u32 len)
{
	u16 status = copy_data(n, cmd, n->bounce, len, IOMMU_READ);

	if (!status)
		status = write_media(n, off, n->bounce, len);
	if (status)
		return status;
	n->nr_writes++;
	n->blocks_written += len >> LBA_SHIFT;
	return SC_SUCCESS;
}

static u16 compare_blocks(struct nvme *n, const struct nvme_sqe *cmd, u64 off,
			  u32 len)
{
	u16 status = copy_data(n, cmd, n->bounce, len, IOMMU_READ);
	u8 block[LBA_SIZE];

	for (u32 at = 0; !status && at < len; at += LBA_SIZE) {
		status = read_media(n, off + at, block, LBA_SIZE);
		if (!status && memcmp(block, n->bounce + at, LBA_SIZE))
			status = SC_COMPARE | SC_DNR;
	}
	return status;
}

static u16 run_io(struct nvme *n, const struct nvme_sqe *cmd)
{
	u64 lba = (u64)cmd->cdw11 << 32 | cmd->cdw10;
	u32 nr = (cmd->cdw12 & 0xffff) + 1;
	u32 len = nr << LBA_SHIFT;
	bool through = cmd->cdw12 & 1U << 30;
	u16 status;

	if (cmd->opcode == IO_FLUSH) {
		if (cmd->nsid != 1 && cmd->nsid != NSID_ALL)
			return SC_INVALID_NS | SC_DNR;
		return flush_media(n);
	}
	switch (cmd->opcode) {
	case IO_READ:
	case IO_WRITE:
	case IO_COMPARE:
	case IO_WRITE_ZEROES:
	case IO_DSM:
		break;
	default:
		return SC_INVALID_OPCODE | SC_DNR;
	}
	if (cmd->nsid != 1)
		return SC_INVALID_NS | SC_DNR;
	if (cmd->opcode == IO_DSM)
		return trim_ranges(n, cmd);
	if (cmd->opcode != IO_WRITE_ZEROES && len > MAX_TRANSFER)
		return SC_INVALID_FIELD | SC_DNR;
	if (is_outside(n, lba, nr))
		return SC_LBA_RANGE | SC_DNR;

	switch (cmd->opcode) {
	case IO_READ:
		return read_blocks(n, cmd, lba << LBA_SHIFT, len);
	case IO_COMPARE:
		return compare_blocks(n, cmd, lba << LBA_SHIFT, len);
	case IO_WRITE_ZEROES:
		status = zero_media(n, lba << LBA_SHIFT, len);
		break;
	default:
		status = write_blocks(n, cmd, lba << LBA_SHIFT, len);
	}
	if (!status && through)
		status = flush_media(n);
	return status;
}

static void run_command(struct nvme *n, u16 sqid)
{
	struct nvme_sq *sq = &n->sq[sqid];
	u64 where = sq->base + (u64)sq->head * sizeof(struct nvme_sqe);
	enum iommu_fault fault;
	struct nvme_sqe cmd;
	u32 result = 0;
	u16 status;

	fault = pci_dma(&n->func, where, &cmd, sizeof(cmd), IOMMU_READ, NULL);
	if (fault) {
		fail_controller(n, "cannot fetch a command", where, fault);
		return;
	}
	sq->head = (sq->head + 1) % sq->size;
	if (cmd.flags)			/* no fused commands, no SGLs */
		status = SC_INVALID_FIELD | SC_DNR;
	else if (sqid)
		status = run_io(n, &cmd);
	else
		status = run_admin(n, &cmd, &result);
	if (status == SC_HELD)
		return;
	if (status) {
		log_debug("%s: queue %u command 0x%02x: status 0x%x",
			  n->func.name, sqid, cmd.opcode, status);
		record_error(n, &cmd, sqid, status);
	}
	post_completion(n, sqid, cmd.cid, status, result);
}

/* The next queue with something to do, round robin; -1: none. */
static int find_ready(const struct nvme *n)
{
	for (unsigned i = 1; i <= n->nr_queues + 1; i++) {
		unsigned qid = (n->last_sq + i) % (n->nr_queues + 1);
		const struct nvme_sq *sq = &n->sq[qid];

		if (sq->live && sq->head != sq->tail &&
		    !is_full(&n->cq[sq->cqid]))
			return qid;
	}
	return -1;
}

static void raise_interrupts(struct nvme *n)
{
	for (unsigned i = 0; i <= n->nr_queues; i++) {
		struct nvme_cq *cq = &n->cq[i];

		if (!cq->live || !cq->raise)
			continue;
		cq->raise = false;
		if (cq->irq_on)
			pci_msix_raise(&n->func, cq->vector);
	}
}

static void run_queues(void *arg)
{
	struct nvme *n = arg;

	if (!is_running(n))
		return;
	post_event(n);
	for (unsigned i = 0; i < BATCH && is_running(n); i++) {
		int qid = find_ready(n);

		if (qid < 0)
			break;
		n->last_sq = qid;
		run_command(n, qid);
		/* It may have been the request an event waited for. */
		if (!qid && is_running(n))
			post_event(n);
	}
	raise_interrupts(n);
	if (is_running(n) && find_ready(n) >= 0)
		vm_queue_work(n->func.vm, &n->work);
}

/* ---- registers ---- */

/* Controller reset (7.3.2): AQA, ASQ and ACQ keep their values. */
static void reset_controller(struct nvme *n)
{
	n->csts = 0;
	memset(n->sq, 0, sizeof(n->sq));
	memset(n->cq, 0, sizeof(n->cq));
	n->last_sq = 0;
	n->nr_aer = 0;
	n->event_pending = false;
	n->event_masked = false;
	memset(n->features, 0, sizeof(n->features));
	n->features[FEAT_TEMP_THRESHOLD] = 343;
	n->features[FEAT_WRITE_CACHE] = 1;
	n->temp_under = 0;
	memset(n->irq_config, 0, sizeof(n->irq_config));
	memset(n->host_behaviour, 0, sizeof(n->host_behaviour));
	set_timestamp(n, 0, 0);
}

static void enable_controller(struct nvme *n)
{
	u32 sq_size = (n->aqa & 0xfff) + 1;
	u32 cq_size = (n->aqa >> 16 & 0xfff) + 1;

	if (CC_CSS(n->cc) || CC_MPS(n->cc) || CC_AMS(n->cc)) {
		fail_controller(n, "controller configuration", n->cc, 0);
		return;
	}
	if (sq_size < 2 || cq_size < 2) {
		fail_controller(n, "admin queue sizes", n->aqa, 0);
		return;
	}
	n->sq[0] = (struct nvme_sq){
		.live = true,
		.base = n->asq,
		.size = sq_size,
	};
	n->cq[0] = (struct nvme_cq){
		.live = true,
		.phase = true,
		.irq_on = true,
		.base = n->acq,
		.size = cq_size,
		.nr_sqs = 1,
	};
	n->csts |= CSTS_RDY;
}

static void write_cc(struct nvme *n, u32 val)
{
	u32 old = n->cc;

	n->cc = val;
	if (old & CC_EN && !(val & CC_EN))
		reset_controller(n);
	else if (!(old & CC_EN) && val & CC_EN)
		enable_controller(n);
	if (CC_SHN(val) && !CC_SHN(old)) {
		flush_media(n);
		n->csts = (n->csts & ~CSTS_SHST_MASK) | CSTS_SHST_DONE;
	}
}

static u32 read_reg(const struct nvme *n, u32 off)
{
	switch (off) {
	case REG_CAP:
		return (u32)CAP_VALUE;
	case REG_CAP + 4:
		return CAP_VALUE >> 32;
	case REG_VS:
		return VS_1_4;
	case REG_CC:
		return n->cc;
	case REG_CSTS:
		return n->csts;
	case REG_AQA:
		return n->aqa;
	case REG_ASQ:
		return n->asq;
	case REG_ASQ + 4:
		return n->asq >> 32;
	case REG_ACQ:
		return n->acq;
	case REG_ACQ + 4:
		return n->acq >> 32;
	default:
		return 0;
	}
}

static void set_half(u64 *reg, bool high, u32 val)
{
	*reg = high ? (*reg & 0xffffffffU) | (u64)val << 32 :
		(*reg & ~0xffffffffULL) | val;
}

static void write_reg(struct nvme *n, u32 off, u32 val)
{
	switch (off) {
	case REG_CC:
		write_cc(n, val);
		break;
	case REG_AQA:
		n->aqa = val & 0x0fff0fff;
		break;
	case REG_ASQ:
		set_half(&n->asq, false, val & ~(NVME_PAGE - 1));
		break;
	case REG_ASQ + 4:
		set_half(&n->asq, true, val);
		break;
	case REG_ACQ:
		set_half(&n->acq, false, val & ~(NVME_PAGE - 1));
		break;
	case REG_ACQ + 4:
		set_half(&n->acq, true, val);
		break;
	default:
		/* read-only, or only for pin interrupts, or not there */
		break;
	}
}

static u64 nvme_bar_read(struct pci_func *f, int bar, u64 off, unsigned size)
{
	const struct nvme *n = f->opaque;
	u64 val;

	if (bar || off + size > BAR_DOORBELLS)
		return 0;	/* doorbells read as zero */
	val = read_reg(n, off & ~3U);
	if (off % 4 + size > 4)
		val |= (u64)read_reg(n, (off & ~3U) + 4) << 32;
	val >>= off % 4 * 8;
	return size < 8 ? val & (BIT_ULL(size * 8) - 1) : val;
}

static void nvme_bar_write(struct pci_func *f, int bar, u64 off, unsigned size,
			   u64 val)
{
	struct nvme *n = f->opaque;

	/*
	 * Registers are written by aligned dwords or qwords (3.1). Other sizes
	 * come from an access that crosses a page.
	 */
	if (bar || off % 4 || (size != 4 && size != 8)) {
		log_info("%s: bad register write of %u bytes at 0x%" PRIx64,
			 f->name, size, off);
		return;
	}
	for (; size; size -= 4, off += 4, val >>= 32) {
		if (off < BAR_DOORBELLS)
			write_reg(n, off, val);
		else
			ring_doorbell(n, off, val);
	}
}

static void nvme_reset(struct pci_func *f)
{
	struct nvme *n = f->opaque;

	n->cc = 0;
	n->aqa = 0;
	n->asq = 0;
	n->acq = 0;
	reset_controller(n);
}

static const struct pci_ops nvme_ops = {
	.bar_read = nvme_bar_read,
	.bar_write = nvme_bar_write,
	.reset = nvme_reset,
};

/* ---- creation ---- */

struct nvme_options {
	u64 size;
	const char *file;
	unsigned nr_queues;
};

/* "64M": bytes with an optional K, M or G; 0 for anything else. */
static u64 parse_size(const char *text)
{
	char *end;
	u64 val;
	unsigned shift = 0;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	val = strtoull(text, &end, 0);
	switch (*end) {
	case 'G':
		shift += 10;
		__attribute__((fallthrough));
	case 'M':
		shift += 10;
		__attribute__((fallthrough));
	case 'K':
		shift += 10;
		end++;
		break;
	}
	if (errno || *end || val > UINT64_MAX >> shift)
		return 0;
	return val << shift;
}

static int parse_options(char *text, struct nvme_options *o, char *err,
			 size_t errlen)
{
	char *save = NULL, *word, *end;
	unsigned long nr;

	for (word = text ? strtok_r(text, ",", &save) : NULL; word;
	     word = strtok_r(NULL, ",", &save)) {
		if (!strncmp(word, "size=", 5)) {
			o->size = parse_size(word + 5);
			if (!o->size || o->size % LBA_SIZE) {
				snprintf(err, errlen,
					 "nvme: size='%s' is no multiple of 512",
					 word + 5);
				return -1;
			}
		} else if (!strncmp(word, "file=", 5) && word[5]) {
			o->file = word + 5;
		} else if (!strncmp(word, "queues=", 7)) {
			nr = strtoul(word + 7, &end, 10);
			if (*end || !nr || nr > MAX_QUEUES) {
				snprintf(err, errlen,
					 "nvme: queues='%s' is not in 1..%d",
					 word + 7, MAX_QUEUES);
				return -1;
			}
			o->nr_queues = nr;
		} else {
			snprintf(err, errlen,
				 "nvme: '%s' is none of size= file= queues=",
				 word);
			return -1;
		}
	}
	if (o->file && o->size) {
		snprintf(err, errlen,
			 "nvme: size= and file= exclude each other");
		return -1;
	}
	return 0;
}

static int open_file(struct nvme *n, const char *path, char *err,
		     size_t errlen)
{
	off_t size;

	n->fd = open(path, O_RDWR | O_CLOEXEC);
	if (n->fd < 0) {
		snprintf(err, errlen, "nvme: cannot open '%s': %s", path,
			 strerror(errno));
		return -1;
	}
	size = lseek(n->fd, 0, SEEK_END);
	if (size <= 0 || size % LBA_SIZE) {
		snprintf(err, errlen,
			 "nvme: '%s' is %lld bytes, no multiple of 512",
			 path, (long long)size);
		close(n->fd);
		return -1;
	}
	n->nr_blocks = size >> LBA_SHIFT;
	return 0;
}

int nvme_create(struct vm *vm, struct iommu *iommu, unsigned index,
		char *opts, struct pci_func *out[8], char *err, size_t errlen)
{
	struct nvme_options o = { .nr_queues = DEFAULT_QUEUES };
	char name[sizeof(((struct pci_func *)0)->name)];
	char media[sizeof(name) + 8];
	struct nvme *n;

	if (parse_options(opts, &o, err, errlen))
		return -1;
	n = calloc(1, sizeof(*n));
	if (n)
		n->bounce = malloc(MAX_TRANSFER);
	if (!n || !n->bounce) {
		snprintf(err, errlen, "nvme: no memory for the controller");
		goto free_controller;
	}
	n->index = index;
	n->nr_queues = o.nr_queues;
	n->fd = -1;
	snprintf(name, sizeof(name), "nvme%u", index);
	if (o.file) {
		if (open_file(n, o.file, err, errlen))
			goto free_controller;
	} else {
		if (!o.size)
			o.size = DEFAULT_SIZE;
		snprintf(media, sizeof(media), "%s-media", name);
		n->media = vm_keep_mem(vm, media, o.size);
		n->nr_blocks = o.size >> LBA_SHIFT;
	}
	n->work.fn = run_queues;
	n->work.arg = n;
	pci_func_init(&n->func, vm, iommu, name, &nvme_ops, n, NVME_VENDOR,
		      NVME_DEVICE, NVME_CLASS);
	pci_add_bar64(&n->func, 0, BAR_SIZE);
	pci_add_msix(&n->func, 0, n->nr_queues + 1, BAR_MSIX_TABLE,
		     BAR_MSIX_PBA);
	nvme_reset(&n->func);
	out[0] = &n->func;
	return 1;

free_controller:
	if (n)
		free(n->bounce);
	free(n);
	return -1;
}
