// SPDX-License-Identifier: GPL-2.0
/*
 * The one table that knows the status codes of the host.
 *
 * Owns nothing but constants: no locks, any context.
 *
 * The errnos are those of the kernel's own table for Hyper-V, where it has the
 * code and nobody has to tell it from others. Memory and domains that ran out
 * are said to callers as what they are.
 */
#include "hv_pviommu_abi.h"
#include "status.h"

/* What the kernel's hypercall entry returns when there is no page to call. */
#define STATUS_NO_PAGE	0xffff

#define STATUS(_name, _err) { HVP_STATUS_##_name, { -(_err), #_name } }

static const struct {
	u16 status;
	struct hvp_status info;
} table[] = {
	STATUS(INVALID_HYPERCALL_CODE, HVP_E_UNSUPPORTED),
	STATUS(INVALID_HYPERCALL_INPUT, EINVAL),
	STATUS(INVALID_ALIGNMENT, EIO),
	STATUS(INVALID_PARAMETER, EINVAL),
	STATUS(ACCESS_DENIED, EACCES),
	STATUS(INVALID_PARTITION_STATE, EIO),
	STATUS(OPERATION_DENIED, EACCES),
	STATUS(UNKNOWN_PROPERTY, EINVAL),
	STATUS(PROPERTY_VALUE_OUT_OF_RANGE, EINVAL),
	STATUS(INSUFFICIENT_MEMORY, ENOMEM),
	STATUS(INVALID_PARTITION_ID, EINVAL),
	STATUS(NOT_FOUND, EIO),
	STATUS(OBJECT_IN_USE, HVP_E_EXISTS),
	STATUS(NO_RESOURCES, EIO),
	STATUS(INSUFFICIENT_DEVICE_DOMAINS, ENOSPC),
	STATUS(INVALID_DEVICE_ID, HVP_E_GONE),
	STATUS(INVALID_DEVICE_STATE, HVP_E_STATE),
	STATUS(PENDING_PAGE_REQUESTS, EIO),
	STATUS(PAGE_REQUEST_INVALID, EIO),
	STATUS(KEY_ALREADY_EXISTS, HVP_E_EXISTS),
	STATUS(DEVICE_ALREADY_IN_DOMAIN, HVP_E_IN_DOMAIN),
	STATUS(OPERATION_FAILED, EIO),
	STATUS(INSUFFICIENT_ROOT_MEMORY, ENOMEM),
	STATUS(INSUFFICIENT_CONTIGUOUS_MEMORY, ENOMEM),
	STATUS(TIME_OUT, EIO),
	STATUS(CALL_PENDING, EIO),
	STATUS(INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY, ENOMEM),
	/* Not HVP_E_UNSUPPORTED: another CPU may have a page. */
	{ STATUS_NO_PAGE, { -ESHUTDOWN, "no hypercall page" } },
};

/**
 * hvp_status_find() - what is known of a status
 * @status: low 16 bits of a hypercall's result, not HVP_STATUS_SUCCESS
 *
 * Context: any.
 * Return: its entry; the one for all that are unknown is -EIO, "unknown".
 */
const struct hvp_status *hvp_status_find(u16 status)
{
	static const struct hvp_status unknown = { -EIO, "unknown" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].status == status)
			return &table[i].info;
	return &unknown;
}
