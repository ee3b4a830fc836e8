/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Registers of the dmaprobe test device: BAR 0 of each of its functions.
 * Shared by the model (hvsim) and its drivers in the guest, so macros only.
 * All registers are 32 bits wide unless marked 64; little endian.
 */
#ifndef DMAPROBE_REGS_H
#define DMAPROBE_REGS_H

#define DMAPROBE_VENDOR		0x1234
#define DMAPROBE_DEVICE		0xd3a0

#define DMAPROBE_BAR_SIZE	0x20000
/* The internal buffer as the CPU sees it; any access size. */
#define DMAPROBE_BUFFER		0x10000
#define DMAPROBE_BUFFER_SIZE	0x10000

#define DMAPROBE_ID		0x00	/* reads DMAPROBE_ID_VALUE */
#define DMAPROBE_ID_VALUE	0x50414d44
#define DMAPROBE_CTRL		0x04
#define DMAPROBE_CTRL_IRQ	0x1	/* MSI-X vector 0 at completion */
#define DMAPROBE_IOVA		0x08	/* 64 */
#define DMAPROBE_LEN		0x10	/* 1..64K; CAS: ignored, always 8 */
#define DMAPROBE_OFFSET		0x14	/* into the internal buffer */
#define DMAPROBE_BYTE		0x18	/* FILL */
#define DMAPROBE_CAS_OLD	0x20	/* 64 */
#define DMAPROBE_CAS_NEW	0x28	/* 64 */

/*
 * Writing COMMAND executes it: when the write returns STATUS is final, unless
 * DELAY was set, which leaves STATUS BUSY until the device gets to it. Nothing
 * but CTRL can be written while BUSY.
 */
#define DMAPROBE_COMMAND	0x30
#define DMAPROBE_READ		1	/* memory -> internal buffer */
#define DMAPROBE_WRITE		2	/* internal buffer -> memory */
#define DMAPROBE_CAS		3	/* compare and swap in memory */
#define DMAPROBE_FILL		4	/* internal buffer, no DMA */
#define DMAPROBE_OP_MASK	0xff
#define DMAPROBE_DELAY		0x100

#define DMAPROBE_STATUS		0x34	/* read-only from here on */
#define DMAPROBE_IDLE		0
#define DMAPROBE_OK		1
#define DMAPROBE_FAULT		2	/* REASON and FAULT_IOVA say more */
#define DMAPROBE_BAD		3	/* not a command, or bad operands */
#define DMAPROBE_BUSY		4
#define DMAPROBE_REASON		0x38
#define DMAPROBE_BLOCKED	1
#define DMAPROBE_NOT_PRESENT	2
#define DMAPROBE_WRITE_RO	3
#define DMAPROBE_USER		4
#define DMAPROBE_RESERVED	5
#define DMAPROBE_RANGE		6
#define DMAPROBE_OUTPUT		7
#define DMAPROBE_MSI		8
#define DMAPROBE_NO_DEVICE	9
#define DMAPROBE_NR_FAULTS	0x3c	/* since reset */
#define DMAPROBE_FAULT_IOVA	0x40	/* 64 */
#define DMAPROBE_CAS_PREV	0x48	/* 64, what was found in memory */

#endif
