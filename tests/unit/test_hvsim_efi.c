// SPDX-License-Identifier: GPL-2.0
/* LINK: ../hvsim/efi.c */
/*
 * hvsim's EFI tables, read as a kernel reads them: from the boot parameters to
 * the enrolled certificate.
 */
#include <asm/bootparam.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../hvsim/vm.h"
#include "test_hvsim_log.h"

#define RAM_SIZE 0x400000u
#define CERT_LEN 900

static struct vm vm;
static struct boot_params params;
static u8 cert[CERT_LEN];

static u64 le(const u8 *p, unsigned bytes)
{
	u64 val = 0;

	while (bytes--)
		val = val << 8 | p[bytes];
	return val;
}

static const u8 *ram(u64 gpa, u64 len)
{
	const u8 *p = mem_ptr(&vm.mem, gpa, len);

	assert_non_null(p);
	return p;
}

static void build(bool mok)
{
	char path[] = "/tmp/test_hvsim_efi.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	cert[0] = 0x30;
	cert[1] = 0x82;
	for (unsigned i = 2; i < CERT_LEN; i++)
		cert[i] = (u8)(i * 7);
	assert_int_equal(write(fd, cert, CERT_LEN), CERT_LEN);
	close(fd);

	free(vm.mem.ram);
	vm.mem.size = RAM_SIZE;
	vm.mem.ram = calloc(1, RAM_SIZE);
	assert_non_null(vm.mem.ram);
	memset(&params, 0, sizeof(params));
	efi_build(&vm, mok ? path : NULL, &params);
	unlink(path);
}

static int teardown(void **state)
{
	(void)state;
	free(vm.mem.ram);
	vm.mem.ram = NULL;
	return 0;
}

static const u8 *system_table(void)
{
	const u8 *p = ram(params.efi_info.efi_systab, 120);

	assert_memory_equal(p, "IBI SYST", 8);
	assert_int_equal(le(p + 12, 4), 120);
	return p;
}

/* Where the configuration table with @guid is; 0: there is none. */
static u64 config_table(u32 guid)
{
	const u8 *systab = system_table(), *t;
	u64 i, n = le(systab + 104, 8);

	for (i = 0; i < n; i++) {
		t = ram(le(systab + 112, 8) + 24 * i, 24);
		if (le(t, 4) == guid)
			return le(t + 16, 8);
	}
	return 0;
}

/* Type and attributes of the memory that has @gpa. */
static u64 memory_type(u64 gpa, u64 *attr)
{
	const struct efi_info e = params.efi_info;
	u64 type = 0;

	assert_int_equal(e.efi_memmap_size % e.efi_memdesc_size, 0);
	for (u32 off = 0; off < e.efi_memmap_size; off += e.efi_memdesc_size) {
		const u8 *d = ram(e.efi_memmap + off, e.efi_memdesc_size);
		u64 start = le(d + 8, 8), pages = le(d + 24, 8);

		assert_true(pages > 0 && start % 4096 == 0);
		if (gpa < start || gpa >= start + pages * 4096)
			continue;
		assert_int_equal(type, 0);	/* no overlap */
		type = le(d, 4);
		*attr = le(d + 32, 8);
	}
	return type;
}

static void test_tables(void **state)
{
	const u8 *runtime;
	u64 attr = 0, call;

	(void)state;
	build(true);
	assert_memory_equal(&params.efi_info.efi_loader_signature, "EL64", 4);
	assert_int_equal(params.efi_info.efi_memdesc_version, 1);
	assert_int_equal(params.secure_boot, 3);
	/* With EFI nobody scans for SMBIOS tables. */
	assert_int_equal(config_table(0xf2fd1544), SMBIOS_GPA);

	/* All services are code that the kernel maps. */
	runtime = ram(le(system_table() + 88, 8), 136);
	assert_memory_equal(runtime, "RUNTSERV", 8);
	for (unsigned i = 24; i < 136; i += 8) {
		call = le(runtime + i, 8);
		assert_int_equal(memory_type(call, &attr), 5);
		assert_true(attr & BIT_ULL(63));
		assert_int_not_equal(*ram(call, 1), 0);
	}
	assert_int_equal(memory_type(params.efi_info.efi_systab, &attr), 6);
	assert_true(attr & BIT_ULL(63));
	/* RAM as in the e820 map. */
	assert_int_equal(memory_type(0x1000, &attr), 7);
	assert_int_equal(memory_type(RAM_SIZE - 1, &attr), 7);
	assert_int_equal(memory_type(RAM_SIZE, &attr), 0);
	assert_int_equal(memory_type(SMBIOS_GPA, &attr), 0);
}

static void test_mok(void **state)
{
	u64 attr, gpa, size;
	const u8 *p;

	(void)state;
	build(true);
	gpa = config_table(0xc451ed2b);
	assert_int_not_equal(gpa, 0);
	assert_int_equal(memory_type(gpa, &attr), 6);
	p = ram(gpa, 264);
	assert_string_equal((const char *)p, "MokListRT");
	size = le(p + 256, 8);
	assert_int_equal(size, 28 + 16 + CERT_LEN);
	p = ram(gpa + 264, size + 264);
	assert_int_equal(le(p, 4), 0xa5c059a1);	/* a list of X.509 */
	assert_int_equal(le(p + 16, 4), size);
	assert_int_equal(le(p + 20, 4), 0);
	assert_int_equal(le(p + 24, 4), 16 + CERT_LEN);
	assert_memory_equal(p + 28 + 16, cert, CERT_LEN);
	/* The last entry has neither name nor data. */
	for (unsigned i = 0; i < 264; i++)
		assert_int_equal(p[size + i], 0);
	/* All of it in one piece of the memory map. */
	assert_int_equal(memory_type(gpa + 264 + size + 264, &attr), 6);
}

static void test_no_mok(void **state)
{
	(void)state;
	build(false);
	assert_int_equal(config_table(0xc451ed2b), 0);
	assert_int_equal(config_table(0xf2fd1544), SMBIOS_GPA);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_mok),
		cmocka_unit_test(test_no_mok),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
