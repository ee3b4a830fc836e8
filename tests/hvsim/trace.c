// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the hypercall trace. Owns the file; its only writer is the hypercall
 * front end, with the machine's lock held. Lines are buffered by stdio and
 * reach the file when the program ends.
 *
 * A line: seconds, vp, code, name, status, repetitions done of those wanted
 * (repeated calls only), decoded input.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

struct trace {
	FILE *f;
};

struct trace *trace_open(const char *path, bool append)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t)
		die("out of memory");
	t->f = fopen(path, append ? "ae" : "we");
	if (!t->f)
		die("cannot write trace file \"%s\": %s", path,
		    strerror(errno));
	return t;
}

void trace_hypercall(struct trace *t, u64 ns, const struct hcall *h,
		     u16 status)
{
	char reps[24] = "";

	if (!t)
		return;
	if (h->rep_count)
		snprintf(reps, sizeof(reps), " %u/%u", h->reps_done,
			 h->rep_count);
	fprintf(t->f, "%llu.%06llu vp%u 0x%04x %s status 0x%02x%s%s%s\n",
		(unsigned long long)(ns / 1000000000),
		(unsigned long long)(ns / 1000 % 1000000), h->vp, h->code,
		h->name, status, reps, h->text[0] ? " " : "", h->text);
}
