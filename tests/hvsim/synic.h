/* SPDX-License-Identifier: GPL-2.0 */
/* Synthetic interrupt controller: message and event pages of every vCPU. */
#ifndef HVSIM_SYNIC_H
#define HVSIM_SYNIC_H

#include "hvsim.h"

#define SYNIC_NR_SINTS 16
#define VMBUS_SINT 2

struct synic;

struct synic *synic_new(struct vm *vm);
/* MSRs 0x40000080..0x4000009f. Return false to inject #GP. */
bool synic_rdmsr(struct synic *s, unsigned vp, u32 msr, u64 *val);
bool synic_wrmsr(struct synic *s, unsigned vp, u32 msr, u64 val);
/* Queues a message (payload <= 240 bytes) for SINT2 of @vp, in order. */
void synic_post(struct synic *s, unsigned vp, const void *payload, u8 len);
/* Sets event flag @flag of SINT2 of @vp and interrupts. */
void synic_signal(struct synic *s, unsigned vp, unsigned flag);

#endif
