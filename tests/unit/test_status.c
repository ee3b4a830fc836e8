// SPDX-License-Identifier: GPL-2.0
/*
 * Status codes: a list of their own, compared with the wire header and with
 * the table of the module, both ways.
 */
/* LINK: ../../src/status.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv_pviommu_abi.h"
#include "status.h"

#define ABI_HEADER	"../../include/hv_pviommu_abi.h"
#define ABI_PREFIX	"#define HVP_STATUS_"

static const struct {
	unsigned int status;
	const char *name;
	int err;
} want[] = {
	{ 0x02, "INVALID_HYPERCALL_CODE", EOPNOTSUPP },
	{ 0x03, "INVALID_HYPERCALL_INPUT", EINVAL },
	{ 0x04, "INVALID_ALIGNMENT", EIO },
	{ 0x05, "INVALID_PARAMETER", EINVAL },
	{ 0x06, "ACCESS_DENIED", EACCES },
	{ 0x07, "INVALID_PARTITION_STATE", EIO },
	{ 0x08, "OPERATION_DENIED", EACCES },
	{ 0x09, "UNKNOWN_PROPERTY", EINVAL },
	{ 0x0a, "PROPERTY_VALUE_OUT_OF_RANGE", EINVAL },
	{ 0x0b, "INSUFFICIENT_MEMORY", ENOMEM },
	{ 0x0d, "INVALID_PARTITION_ID", EINVAL },
	{ 0x10, "NOT_FOUND", EIO },
	{ 0x19, "OBJECT_IN_USE", EEXIST },
	{ 0x1d, "NO_RESOURCES", EIO },
	{ 0x38, "INSUFFICIENT_DEVICE_DOMAINS", ENOSPC },
	{ 0x57, "INVALID_DEVICE_ID", ENODEV },
	{ 0x58, "INVALID_DEVICE_STATE", HVP_E_STATE },
	{ 0x59, "PENDING_PAGE_REQUESTS", EIO },
	{ 0x60, "PAGE_REQUEST_INVALID", EIO },
	{ 0x65, "KEY_ALREADY_EXISTS", EEXIST },
	{ 0x66, "DEVICE_ALREADY_IN_DOMAIN", EALREADY },
	{ 0x71, "OPERATION_FAILED", EIO },
	{ 0x73, "INSUFFICIENT_ROOT_MEMORY", ENOMEM },
	{ 0x75, "INSUFFICIENT_CONTIGUOUS_MEMORY", ENOMEM },
	{ 0x78, "TIME_OUT", EIO },
	{ 0x79, "CALL_PENDING", EIO },
	{ 0x83, "INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY", ENOMEM },
	/* No status of a host: the kernel found no page for the call. */
	{ 0xffff, "no hypercall page", ESHUTDOWN },
};

/* All 16-bit values: those listed, and no other, are in the table. */
static void test_table(void **state)
{
	unsigned int status, i = 0;

	(void)state;
	for (status = 1; status <= 0xffff; status++) {
		const struct hvp_status *got = hvp_status_find(status);

		if (i < ARRAY_SIZE(want) && want[i].status == status) {
			assert_string_equal(got->name, want[i].name);
			if (got->err != -want[i].err)
				fail_msg("0x%x is errno %d, not %d", status,
					 got->err, -want[i].err);
			i++;
		} else {
			assert_string_equal(got->name, "unknown");
			assert_int_equal(got->err, -EIO);
		}
	}
	assert_int_equal(i, ARRAY_SIZE(want));
}

/* The wire header has exactly those of hosts, and success. */
static void test_header(void **state)
{
	FILE *f = fopen(ABI_HEADER, "r");
	char line[256], name[64];
	unsigned int status, i = 0;

	(void)state;
	assert_non_null(f);
	assert_int_equal(HVP_STATUS_SUCCESS, 0);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, ABI_PREFIX "%63s %x", name, &status) != 2)
			continue;
		if (!strcmp(name, "SUCCESS"))
			continue;
		assert_true(i < ARRAY_SIZE(want));
		assert_string_equal(name, want[i].name);
		assert_int_equal(status, want[i].status);
		i++;
	}
	fclose(f);
	/* One is the kernel's. */
	assert_int_equal(i, ARRAY_SIZE(want) - 1);
}

/* What callers tell apart is one thing each. */
static void test_errnos(void **state)
{
	static const struct {
		int err;
		unsigned int nr;
	} special[] = {
		{ HVP_E_UNSUPPORTED, 1 }, { HVP_E_IN_DOMAIN, 1 },
		{ HVP_E_EXISTS, 2 }, { HVP_E_GONE, 1 },
	};
	unsigned int i, j, nr;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(special); i++) {
		nr = 0;
		for (j = 1; j <= 0xffff; j++)
			nr += hvp_status_find(j)->err == -special[i].err;
		assert_int_equal(nr, special[i].nr);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_errnos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
