/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What user space can ask of the dmaprobe test driver. Buffers belong to the
 * device, not to the open file: they stay from one program to the next, until
 * they are freed or the device goes.
 */
#ifndef DMAPROBE_IOCTL_H
#define DMAPROBE_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum dmaprobe_kind {
	DMAPROBE_KIND_PAGES,	/* single pages, mapped as one scatterlist */
	DMAPROBE_KIND_CONTIG,	/* one block, mapped as one */
	DMAPROBE_KIND_COHERENT,	/* dma_alloc_coherent(): mapped from birth */
};

struct dmaprobe_alloc {
	__u32 nr_pages;
	__u32 kind;
	__u32 id;		/* out */
	__u32 pad;
};

enum dmaprobe_dir {
	DMAPROBE_TO_DEVICE,
	DMAPROBE_FROM_DEVICE,
	DMAPROBE_BIDIR,
};

struct dmaprobe_map {
	__u32 id;
	__u32 dir;
	__u64 iova;		/* out: DMA address of the first byte */
	__u32 nr_segments;	/* out: 1: contiguous for the device */
	__u32 pad;
};

/* The byte at @offset: where the device finds it, where it is in memory. */
struct dmaprobe_where {
	__u32 id;
	__u32 pad;
	__u64 offset;
	__u64 iova;		/* out, all ones while unmapped */
	__u64 phys;		/* out */
};

/* A range of a buffer, of one byte value. @len 0: up to the end. */
struct dmaprobe_range {
	__u32 id;
	__u32 byte;		/* CHECK with a difference: the byte found */
	__u64 offset;		/* CHECK with a difference: where */
	__u64 len;
	__u32 differs;		/* out, CHECK */
	__u32 pad;
};

/* Bytes between user memory and a buffer, or the device's own buffer. */
struct dmaprobe_copy {
	__u32 id;		/* not for the device's buffer */
	__u32 pad;
	__u64 offset;
	__u64 len;
	__u64 data;		/* user pointer */
};

#define DMAPROBE_RUN_DELAY	0x1	/* later, not inside the doorbell */
#define DMAPROBE_RUN_IRQ	0x2	/* wait for the interrupt */

/* One command of the device; see dmaprobe_regs.h. */
struct dmaprobe_run {
	__u32 op;
	__u32 flags;
	__u64 iova;
	__u32 len;
	__u32 offset;
	__u64 cas_old, cas_new;
	__u64 cas_prev;		/* out from here on */
	__u64 fault_iova;
	__u32 byte;		/* in: FILL */
	__u32 status;
	__u32 reason;
	__u32 nr_faults;
};

#define DMAPROBE_IOC_ALLOC	_IOWR('P', 0x00, struct dmaprobe_alloc)
#define DMAPROBE_IOC_FREE	_IOW('P', 0x01, __u32)
#define DMAPROBE_IOC_MAP	_IOWR('P', 0x02, struct dmaprobe_map)
#define DMAPROBE_IOC_UNMAP	_IOW('P', 0x03, __u32)
#define DMAPROBE_IOC_WHERE	_IOWR('P', 0x04, struct dmaprobe_where)
#define DMAPROBE_IOC_FILL	_IOW('P', 0x05, struct dmaprobe_range)
#define DMAPROBE_IOC_CHECK	_IOWR('P', 0x06, struct dmaprobe_range)
#define DMAPROBE_IOC_PEEK	_IOW('P', 0x07, struct dmaprobe_copy)
#define DMAPROBE_IOC_POKE	_IOW('P', 0x08, struct dmaprobe_copy)
#define DMAPROBE_IOC_RUN	_IOWR('P', 0x09, struct dmaprobe_run)
#define DMAPROBE_IOC_DEV_PEEK	_IOW('P', 0x0a, struct dmaprobe_copy)
#define DMAPROBE_IOC_DEV_POKE	_IOW('P', 0x0b, struct dmaprobe_copy)
/* What a bad driver does: forget a buffer, mapped as it is. */
#define DMAPROBE_IOC_LEAK	_IOW('P', 0x0c, __u32)

#endif
