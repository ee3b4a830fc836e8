// SPDX-License-Identifier: GPL-2.0
/* LINK: ../hvsim/smbios.c */
/*
 * hvsim's SMBIOS tables, read as a kernel without EFI reads them: by scanning
 * for the entry point and walking the structures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../hvsim/vm.h"
#include "test_hvsim_log.h"

#define SCAN_START 0xf0000u
#define SCAN_LEN 0x10000u
#define RAM_SIZE 0x100000u

static struct vm vm;

static void build(const char *vendor)
{
	free(vm.mem.ram);
	vm.mem.size = RAM_SIZE;
	vm.mem.ram = calloc(1, RAM_SIZE);
	assert_non_null(vm.mem.ram);
	vm.cfg.sys_vendor = vendor;
	smbios_build(&vm);
}

static int teardown(void **state)
{
	(void)state;
	free(vm.mem.ram);
	vm.mem.ram = NULL;
	return 0;
}

static u32 le(const u8 *p, unsigned bytes)
{
	u32 val = 0;

	while (bytes--)
		val = val << 8 | p[bytes];
	return val;
}

/* The only entry point there is; its sum must be 0. */
static const u8 *entry_point(void)
{
	const u8 *found = NULL, *p;
	u8 sum = 0;

	for (p = vm.mem.ram + SCAN_START; p < vm.mem.ram + RAM_SIZE; p += 16) {
		assert_memory_not_equal(p, "_SM_", 4);
		if (memcmp(p, "_SM3_", 5))
			continue;
		assert_null(found);
		found = p;
	}
	assert_non_null(found);
	assert_int_equal(found[6], 24);
	for (unsigned i = 0; i < found[6]; i++)
		sum += found[i];
	assert_int_equal(sum, 0);
	return found;
}

/* The structure of @type, whose formatted area has at least @len bytes. */
static const u8 *structure(u8 type, unsigned len)
{
	const u8 *ep = entry_point();
	const u8 *p = vm.mem.ram + le(ep + 16, 8), *found = NULL;
	const u8 *end = p + le(ep + 12, 4);
	u16 handle = 0;

	assert_int_equal(le(ep + 20, 4), 0);
	assert_in_range(le(ep + 16, 4), SCAN_START, SCAN_START + SCAN_LEN - 1);
	for (;;) {
		u8 this = p[0];

		assert_true(p + p[1] + 2 <= end);
		assert_true(p[1] >= 4);
		assert_int_equal(le(p + 2, 2), handle++);
		if (this == type) {
			assert_null(found);
			assert_true(p[1] >= len);
			found = p;
		}
		p += p[1];
		while (p[0] || p[1])
			assert_true(++p + 2 <= end);
		p += 2;
		if (this == 127)
			break;
	}
	assert_ptr_equal(p, end);
	assert_non_null(found);
	return found;
}

static const char *string(const u8 *s, unsigned off)
{
	const char *text = (const char *)s + s[1];

	assert_int_not_equal(s[off], 0);
	for (u8 n = 1; n < s[off]; n++) {
		text += strlen(text) + 1;
		assert_int_not_equal(*text, 0);
	}
	return text;
}

static void test_names(void **state)
{
	const u8 *s;

	(void)state;
	build("Microsoft Corporation");
	s = structure(0, 0x1a);
	assert_string_equal(string(s, 4), "Microsoft Corporation");
	assert_string_equal(string(s, 5), "Hyper-V UEFI Release v4.1");
	s = structure(1, 0x1b);
	assert_string_equal(string(s, 4), "Microsoft Corporation");
	assert_string_equal(string(s, 5), "Virtual Machine");
	assert_string_equal(string(s, 0x1a), "Virtual Machine");
	s = structure(2, 0x0f);
	assert_string_equal(string(s, 4), "Microsoft Corporation");
	assert_string_equal(string(s, 5), "Virtual Machine");
	/* The board names its enclosure. */
	assert_int_equal(le(s + 0x0b, 2), le(structure(3, 0x16) + 2, 2));
	s = structure(3, 0x16);
	assert_string_equal(string(s, 4), "Microsoft Corporation");
	assert_int_equal(s[5], 3);
	assert_string_equal(string(s, 0x15), "Virtual Machine");
}

/* Only the system has another one: an alias must look at the right name. */
static void test_vendor(void **state)
{
	(void)state;
	build("Somebody Else");
	assert_string_equal(string(structure(1, 0x1b), 4), "Somebody Else");
	assert_string_equal(string(structure(0, 0x1a), 4),
			    "Microsoft Corporation");
	assert_string_equal(string(structure(2, 0x0f), 4),
			    "Microsoft Corporation");
}

/* Nothing outside the space that is theirs. */
static void test_space(void **state)
{
	(void)state;
	build("Microsoft Corporation");
	memset(vm.mem.ram + SMBIOS_GPA, 0, SMBIOS_SIZE);
	for (u32 i = 0; i < RAM_SIZE; i++)
		assert_int_equal(vm.mem.ram[i], 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_vendor),
		cmocka_unit_test(test_space),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
