/* SPDX-License-Identifier: GPL-2.0 */
/* The hypercall trace file: one line per call. */
#ifndef HVSIM_TRACE_H
#define HVSIM_TRACE_H

#include "hypercall.h"

struct trace;

/* Dies when @path cannot be written. */
struct trace *trace_open(const char *path, bool append);
/* @t may be NULL. @ns: time since the machine was started. */
void trace_hypercall(struct trace *t, u64 ns, const struct hcall *h,
		     u16 status);

#endif
