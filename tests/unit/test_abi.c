// SPDX-License-Identifier: GPL-2.0
/*
 * Wire layout: the header against numbers written down a second time, as
 * byte offsets and as whole inputs byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv_pviommu_abi.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct layout {
	const char *name;
	size_t is, want;
};

#define SIZE(tag, n) { "sizeof " #tag, sizeof(struct tag), n }
#define AT(tag, m, n) { #tag "." #m, offsetof(struct tag, m), n }
#define LEN(tag, m, n) \
	{ "sizeof " #tag "." #m, sizeof(((struct tag *)0)->m), n }

static const struct layout layouts[] = {
	SIZE(hvp_device_domain, 0x18),
	AT(hvp_device_domain, partition_id, 0x00),
	LEN(hvp_device_domain, partition_id, 8),
	AT(hvp_device_domain, owner_vtl, 0x08),
	LEN(hvp_device_domain, owner_vtl, 1),
	AT(hvp_device_domain, padding, 0x09),
	LEN(hvp_device_domain, padding, 7),
	AT(hvp_device_domain, type, 0x10),
	LEN(hvp_device_domain, type, 4),
	AT(hvp_device_domain, id, 0x14),
	LEN(hvp_device_domain, id, 4),

	SIZE(hvp_create_domain, 0x20),
	AT(hvp_create_domain, flags, 0x18),
	LEN(hvp_create_domain, flags, 4),
	AT(hvp_create_domain, padding, 0x1c),

	SIZE(hvp_delete_domain, 0x18),

	SIZE(hvp_attach_domain, 0x20),
	AT(hvp_attach_domain, device_id, 0x18),
	LEN(hvp_attach_domain, device_id, 8),

	SIZE(hvp_detach_domain, 0x10),
	AT(hvp_detach_domain, partition_id, 0x00),
	AT(hvp_detach_domain, device_id, 0x08),
	LEN(hvp_detach_domain, device_id, 8),

	SIZE(hvp_configure_domain, 0x28),
	AT(hvp_configure_domain, flags, 0x18),
	LEN(hvp_configure_domain, flags, 8),
	AT(hvp_configure_domain, page_table_root, 0x20),
	LEN(hvp_configure_domain, page_table_root, 8),

	SIZE(hvp_flush_domain, 0x20),
	AT(hvp_flush_domain, flags, 0x18),
	LEN(hvp_flush_domain, flags, 4),
	AT(hvp_flush_domain, reserved, 0x1c),

	SIZE(hvp_flush_domain_list, 0x20),
	AT(hvp_flush_domain_list, flags, 0x18),
	LEN(hvp_flush_domain_list, flags, 4),
	AT(hvp_flush_domain_list, reserved, 0x1c),
	AT(hvp_flush_domain_list, entry, 0x20),
	LEN(hvp_flush_domain_list, entry[0], 8),

	SIZE(hvp_get_capabilities, 0x10),
	AT(hvp_get_capabilities, partition_id, 0x00),
	AT(hvp_get_capabilities, reserved, 0x08),

	SIZE(hvp_capabilities, 0x18),
	AT(hvp_capabilities, size, 0x00),
	LEN(hvp_capabilities, size, 4),
	AT(hvp_capabilities, reserved, 0x04),
	LEN(hvp_capabilities, reserved, 2),
	AT(hvp_capabilities, max_iova_width, 0x06),
	LEN(hvp_capabilities, max_iova_width, 1),
	AT(hvp_capabilities, max_pasid_width, 0x07),
	LEN(hvp_capabilities, max_pasid_width, 1),
	AT(hvp_capabilities, iommu_cap, 0x08),
	AT(hvp_capabilities, pgsize_bitmap, 0x10),

	SIZE(hvp_get_device_property, 0x18),
	AT(hvp_get_device_property, partition_id, 0x00),
	AT(hvp_get_device_property, device_id, 0x08),
	AT(hvp_get_device_property, code, 0x10),
	LEN(hvp_get_device_property, code, 4),
	AT(hvp_get_device_property, reserved, 0x14),

	SIZE(hvp_device_property, 0x10),
	AT(hvp_device_property, device_iommu, 0x00),
	AT(hvp_device_property, reserved, 0x08),
};

static void test_layout(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].is != layouts[i].want)
			fail_msg("%s is %zu, not %zu", layouts[i].name,
				 layouts[i].is, layouts[i].want);
}

struct number {
	const char *name;
	uint64_t is, want;
};

#define IS(name, n) { #name, name, n }

static const struct number numbers[] = {
	IS(HVP_CALL_CREATE_DOMAIN, 177),
	IS(HVP_CALL_ATTACH_DOMAIN, 178),
	IS(HVP_CALL_DETACH_DOMAIN, 196),
	IS(HVP_CALL_DELETE_DOMAIN, 197),
	IS(HVP_CALL_CONFIGURE_DOMAIN, 206),
	IS(HVP_CALL_FLUSH_DOMAIN, 208),
	IS(HVP_CALL_FLUSH_DOMAIN_LIST, 209),
	IS(HVP_CALL_GET_CAPABILITIES, 293),
	IS(HVP_CALL_GET_DEVICE_PROPERTY, 295),

	IS(HVP_STATUS_SUCCESS, 0),
	IS(HVP_STATUS_INVALID_HYPERCALL_CODE, 2),
	IS(HVP_STATUS_INVALID_HYPERCALL_INPUT, 3),
	IS(HVP_STATUS_INVALID_ALIGNMENT, 4),
	IS(HVP_STATUS_INVALID_PARAMETER, 5),
	IS(HVP_STATUS_ACCESS_DENIED, 6),
	IS(HVP_STATUS_INVALID_PARTITION_STATE, 7),
	IS(HVP_STATUS_OPERATION_DENIED, 8),
	IS(HVP_STATUS_UNKNOWN_PROPERTY, 9),
	IS(HVP_STATUS_PROPERTY_VALUE_OUT_OF_RANGE, 10),
	IS(HVP_STATUS_INSUFFICIENT_MEMORY, 11),
	IS(HVP_STATUS_INVALID_PARTITION_ID, 13),
	IS(HVP_STATUS_NOT_FOUND, 16),
	IS(HVP_STATUS_OBJECT_IN_USE, 25),
	IS(HVP_STATUS_NO_RESOURCES, 29),
	IS(HVP_STATUS_INSUFFICIENT_DEVICE_DOMAINS, 56),
	IS(HVP_STATUS_INVALID_DEVICE_ID, 87),
	IS(HVP_STATUS_INVALID_DEVICE_STATE, 88),
	IS(HVP_STATUS_PENDING_PAGE_REQUESTS, 89),
	IS(HVP_STATUS_PAGE_REQUEST_INVALID, 96),
	IS(HVP_STATUS_KEY_ALREADY_EXISTS, 101),
	IS(HVP_STATUS_DEVICE_ALREADY_IN_DOMAIN, 102),
	IS(HVP_STATUS_OPERATION_FAILED, 113),
	IS(HVP_STATUS_INSUFFICIENT_ROOT_MEMORY, 115),
	IS(HVP_STATUS_INSUFFICIENT_CONTIGUOUS_MEMORY, 117),
	IS(HVP_STATUS_TIME_OUT, 120),
	IS(HVP_STATUS_CALL_PENDING, 121),
	IS(HVP_STATUS_INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY, 131),

	IS(HVP_PARTITION_ID_SELF, UINT64_MAX),
	IS(HVP_DOMAIN_TYPE_S1, 1),
	IS(HVP_DOMAIN_ID_DEFAULT, 0),
	IS(HVP_DOMAIN_ID_NULL, UINT32_MAX),
	IS(HVP_CREATE_FORWARD_PROGRESS, 1),
	IS(HVP_CREATE_INHERIT_VTL, 2),
	IS(HVP_CONFIGURE_TRANSLATION, 1),
	IS(HVP_CONFIGURE_BLOCKED, 2),
	IS(HVP_CONFIGURE_5LEVEL, 4),
	IS(HVP_FLUSH_IOMMU_FORMAT, 1),
	IS(HVP_FLUSH_LIST_MAX, 508),
	IS(HVP_CAP_PRESENT, 1),
	IS(HVP_CAP_S2, 2),
	IS(HVP_CAP_S1, 4),
	IS(HVP_CAP_S1_5LVL, 8),
	IS(HVP_CAP_PASID, 16),
	IS(HVP_CAP_ATS, 32),
	IS(HVP_CAP_PRI, 64),
	IS(HVP_PGSIZE_4K, 4096),
	IS(HVP_PGSIZE_2M, 2097152),
	IS(HVP_PGSIZE_1G, 1073741824),
	IS(HVP_PROPERTY_PVIOMMU, 10),
	IS(HVP_DEVICE_IOMMU_ENABLED, 1),
};

static void test_numbers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (numbers[i].is != numbers[i].want)
			fail_msg("%s is %llu, not %llu", numbers[i].name,
				 (unsigned long long)numbers[i].is,
				 (unsigned long long)numbers[i].want);
}

static void test_configure_bytes(void **state)
{
	static const uint8_t want[40] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0x00, 0, 0, 0, 0, 0, 0, 0,
		0x01, 0x00, 0x00, 0x00, 0x21, 0x43, 0x65, 0x07,
		0x05, 0, 0, 0, 0, 0, 0, 0,
		0x00, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x00,
	};
	struct hvp_configure_domain in = {
		.domain.partition_id = HVP_PARTITION_ID_SELF,
		.domain.type = HVP_DOMAIN_TYPE_S1,
		.domain.id = 0x07654321,
		.flags = HVP_CONFIGURE_TRANSLATION | HVP_CONFIGURE_5LEVEL,
		.page_table_root = 0x0056789abcdef000ULL,
	};

	(void)state;
	assert_memory_equal(&in, want, sizeof(want));
}

static void test_capability_bytes(void **state)
{
	static const uint8_t wire[24] = {
		0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x14,
		0x25, 0, 0, 0, 0, 0, 0, 0,
		0x00, 0x10, 0x20, 0x40, 0, 0, 0, 0,
	};
	struct hvp_capabilities out;

	(void)state;
	memcpy(&out, wire, sizeof(out));
	assert_int_equal(out.size, 24);
	assert_int_equal(out.reserved, 0);
	assert_int_equal(out.max_iova_width, 48);
	assert_int_equal(out.max_pasid_width, 20);
	assert_int_equal(out.iommu_cap,
			 HVP_CAP_PRESENT | HVP_CAP_S1 | HVP_CAP_ATS);
	assert_int_equal(out.pgsize_bitmap,
			 HVP_PGSIZE_4K | HVP_PGSIZE_2M | HVP_PGSIZE_1G);
}

static void test_flush_entry(void **state)
{
	(void)state;
	assert_int_equal(hvp_flush_entry(0x12345, 0), 0x12345000);
	assert_int_equal(hvp_flush_entry(0x12200, 9), 0x12200009);
	assert_int_equal(hvp_flush_entry(0, 52), 52);
	assert_int_equal(hvp_flush_entry(0xfffffffffffffULL, 0),
			 0xfffffffffffff000ULL);
	/* a shift that does not fit must not reach the reserved bits */
	assert_int_equal(hvp_flush_entry(0, 0xfff) & HVP_FLUSH_ENTRY_RESERVED,
			 0);
	assert_int_equal(hvp_flush_entry_page(0xfffffffffffff034ULL),
			 0xfffffffffffffULL);
	assert_int_equal(hvp_flush_entry_shift(0xfffffffffffff034ULL), 52);
	assert_int_equal(HVP_FLUSH_ENTRY_SHIFT_MASK |
			 HVP_FLUSH_ENTRY_RESERVED, 0xfff);
	assert_int_equal(HVP_FLUSH_ENTRY_SHIFT_MASK &
			 HVP_FLUSH_ENTRY_RESERVED, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_configure_bytes),
		cmocka_unit_test(test_capability_bytes),
		cmocka_unit_test(test_flush_entry),
	};

	return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
