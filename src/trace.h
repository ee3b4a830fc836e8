/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, system hv_pviommu. All of them are next to a hypercall, and
 * after it; none is where pages are mapped and unmapped (the core has
 * iommu:map and iommu:unmap).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hv_pviommu

#if !defined(HVP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HVP_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

#include "hv_pviommu_abi.h"

#define hvp_show_call(code)						\
	__print_symbolic(code,						\
		{ HVP_CALL_CREATE_DOMAIN, "CREATE_DOMAIN" },		\
		{ HVP_CALL_ATTACH_DOMAIN, "ATTACH_DOMAIN" },		\
		{ HVP_CALL_DETACH_DOMAIN, "DETACH_DOMAIN" },		\
		{ HVP_CALL_DELETE_DOMAIN, "DELETE_DOMAIN" },		\
		{ HVP_CALL_CONFIGURE_DOMAIN, "CONFIGURE_DOMAIN" },	\
		{ HVP_CALL_FLUSH_DOMAIN, "FLUSH_DOMAIN" },		\
		{ HVP_CALL_FLUSH_DOMAIN_LIST, "FLUSH_DOMAIN_LIST" },	\
		{ HVP_CALL_GET_CAPABILITIES, "GET_CAPABILITIES" },	\
		{ HVP_CALL_GET_DEVICE_PROPERTY, "GET_DEVICE_PROPERTY" })

/* A hypercall is done. @id: of the domain or the device it was about. */
TRACE_EVENT(hvp_hypercall,
	TP_PROTO(u16 code, u64 id, unsigned int reps, unsigned int done,
		 u16 status, u64 duration),
	TP_ARGS(code, id, reps, done, status, duration),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, duration)
		__field(unsigned int, reps)
		__field(unsigned int, done)
		__field(u16, code)
		__field(u16, status)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->duration = duration;
		__entry->reps = reps;
		__entry->done = done;
		__entry->code = code;
		__entry->status = status;
	),
	TP_printk("%s id=0x%llx reps=%u/%u status=0x%x duration=%lluns",
		  hvp_show_call(__entry->code), __entry->id, __entry->done,
		  __entry->reps, __entry->status, __entry->duration)
);

/*
 * A range is going to be flushed, as a list of blocks or with all of its
 * domain. @requested: 4 KiB pages in the range, 0 for everything. @flushed:
 * pages in the blocks, 0 for all.
 */
TRACE_EVENT(hvp_flush_plan,
	TP_PROTO(u32 domain, u64 start, u64 end, const char *kind,
		 unsigned int nr, u64 requested, u64 flushed),
	TP_ARGS(domain, start, end, kind, nr, requested, flushed),
	TP_STRUCT__entry(
		__field(u64, start)
		__field(u64, end)
		__field(u64, requested)
		__field(u64, flushed)
		__field(u32, domain)
		__field(unsigned int, nr)
		__array(char, kind, 8)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->end = end;
		__entry->requested = requested;
		__entry->flushed = flushed;
		__entry->domain = domain;
		__entry->nr = nr;
		strscpy(__entry->kind, kind, sizeof(__entry->kind));
	),
	TP_printk("domain=%u 0x%llx-0x%llx %s nr=%u pages_requested=%llu pages_flushed=%llu",
		  __entry->domain, __entry->start, __entry->end,
		  __entry->kind, __entry->nr, __entry->requested,
		  __entry->flushed)
);

/*
 * The host was asked to move a device to a domain. @previous: the domain it
 * was in, 0 for none. After an error it is there, or blocked.
 */
TRACE_EVENT(hvp_attach,
	TP_PROTO(const char *device, u32 domain, const char *kind,
		 u32 previous, int error),
	TP_ARGS(device, domain, kind, previous, error),
	TP_STRUCT__entry(
		__array(char, device, 20)
		__array(char, kind, 12)
		__field(u32, domain)
		__field(u32, previous)
		__field(int, error)
	),
	TP_fast_assign(
		strscpy(__entry->device, device, sizeof(__entry->device));
		strscpy(__entry->kind, kind, sizeof(__entry->kind));
		__entry->domain = domain;
		__entry->previous = previous;
		__entry->error = error;
	),
	TP_printk("%s domain=%u %s previous=%u error=%d", __entry->device,
		  __entry->domain, __entry->kind, __entry->previous,
		  __entry->error)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
