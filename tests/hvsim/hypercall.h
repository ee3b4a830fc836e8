/* SPDX-License-Identifier: GPL-2.0 */
/* One hypercall as the front end hands it to whoever implements the code. */
#ifndef HVSIM_HYPERCALL_H
#define HVSIM_HYPERCALL_H

#include "hvsim.h"

/* Status values (TLFS). */
enum {
	HVS_SUCCESS = 0x00,
	HVS_INVALID_HYPERCALL_CODE = 0x02,
	HVS_INVALID_HYPERCALL_INPUT = 0x03,
	HVS_INVALID_ALIGNMENT = 0x04,
	HVS_INVALID_PARAMETER = 0x05,
	HVS_ACCESS_DENIED = 0x06,
	HVS_INVALID_PARTITION_STATE = 0x07,
	HVS_OPERATION_DENIED = 0x08,
	HVS_UNKNOWN_PROPERTY = 0x09,
	HVS_PROPERTY_VALUE_OUT_OF_RANGE = 0x0a,
	HVS_INSUFFICIENT_MEMORY = 0x0b,
	HVS_INVALID_PARTITION_ID = 0x0d,
	HVS_NOT_FOUND = 0x10,
	HVS_INVALID_PORT_ID = 0x11,
	HVS_INVALID_CONNECTION_ID = 0x12,
	HVS_OBJECT_IN_USE = 0x19,
	HVS_NO_RESOURCES = 0x1d,
	HVS_INSUFFICIENT_DEVICE_DOMAINS = 0x38,
	HVS_INVALID_DEVICE_ID = 0x57,
	HVS_INVALID_DEVICE_STATE = 0x58,
	HVS_PENDING_PAGE_REQUESTS = 0x59,
	HVS_PAGE_REQUEST_INVALID = 0x60,
	HVS_KEY_ALREADY_EXISTS = 0x65,
	HVS_DEVICE_ALREADY_IN_DOMAIN = 0x66,
	HVS_OPERATION_FAILED = 0x71,
	HVS_INSUFFICIENT_ROOT_MEMORY = 0x73,
	HVS_INSUFFICIENT_CONTIGUOUS_MEMORY = 0x75,
	HVS_TIME_OUT = 0x78,
	HVS_CALL_PENDING = 0x79,
	HVS_INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY = 0x83,
};

struct hcall {
	unsigned vp;		/* calling virtual processor */
	u64 control;		/* RCX as given */
	u64 in, out;		/* RDX, R8: GPAs, or values of a fast call */
	bool irqs_on;		/* guest RFLAGS.IF at the call */

	/* split out of @control by the front end */
	u16 code;
	bool fast;
	u16 var_hdr;		/* 8-byte units */
	u16 rep_count, rep_start;
	bool reserved_bits;	/* any reserved control bit was set */

	/* filled in by the implementation */
	u16 reps_done;		/* total completed, including rep_start */
	u64 junk;		/* set in the result where it is reserved */
	const char *name;	/* for the trace, never NULL after the call */
	char text[160];		/* decoded input for the trace, may be "" */
};

#endif
