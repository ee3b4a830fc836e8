// SPDX-License-Identifier: GPL-2.0
/*
 * As much EFI as tells a kernel that it was started under Secure Boot, and
 * which key the owner of the machine has enrolled (MOK): a system table, a
 * memory map, the tables that lead to SMBIOS and to the MOK, and run-time
 * services that know no variable and can reset the machine. No firmware: the
 * kernel is started as ever (boot.c), without its EFI stub. Written once,
 * before any vCPU runs.
 *
 * Sources: UEFI Specification 2.10, sections 4.3 (system table), 4.6
 * (configuration tables), 7.2 (memory map), 8 (run-time services), 32.4.1
 * (signature lists); asm/bootparam.h; for the MOK table, which shim makes, the
 * comments in drivers/firmware/efi/mokvar-table.c of Linux.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "vm.h"

/* Pages of the area. */
#define SYSTAB_OFF	0x0000ULL
#define MEMMAP_OFF	0x1000ULL
#define CODE_OFF	0x2000ULL
#define MOK_OFF		0x3000ULL

/* In the first page. */
#define CONFIG_OFF	0x100
#define RUNTIME_OFF	0x200
#define VENDOR_OFF	0x400

#define SYSTAB_LEN	120
#define RUNTIME_LEN	136
#define RUNTIME_CALLS	((RUNTIME_LEN - 24) / 8)
#define EFI_REVISION	(2 << 16 | 70)

/* Run-time services that are not just refused, by their place in the table. */
#define CALL_SET_VIRTUAL_ADDRESS_MAP	4
#define CALL_GET_VARIABLE		6
#define CALL_GET_NEXT_VARIABLE		7
#define CALL_RESET_SYSTEM		10

#define TYPE_RUNTIME_CODE	5
#define TYPE_RUNTIME_DATA	6
#define TYPE_CONVENTIONAL	7
#define ATTR_WB			8ULL
#define ATTR_RUNTIME		BIT_ULL(63)

#define SECURE_BOOT_ENABLED	3	/* boot_params.secure_boot */
#define SLEEP_S5		0x34	/* see the ports in vcpu.c */

struct memory_descriptor {
	u32 type, pad;
	u64 start, virt, pages, attr;
	u64 reserved;			/* some firmware has more, too */
};

struct config_table {
	u8 guid[16];
	u64 gpa;
};

static const u8 guid_smbios3[16] = {
	0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a,
	0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94,
};
static const u8 guid_mok[16] = {
	0x2b, 0xed, 0x51, 0xc4, 0x94, 0x96, 0xd3, 0x45,
	0xba, 0xba, 0xed, 0x9f, 0x89, 0x88, 0xa3, 0x89,
};
static const u8 guid_x509[16] = {
	0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
	0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
};

static void set_le(u8 *p, u64 val, unsigned bytes)
{
	while (bytes--) {
		*p++ = (u8)val;
		val >>= 8;
	}
}

static u32 crc32(const u8 *p, u32 len)
{
	u32 crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void set_header(u8 *p, const char *sig, u32 len)
{
	memcpy(p, sig, 8);
	set_le(p + 8, EFI_REVISION, 4);
	set_le(p + 12, len, 4);
	set_le(p + 16, 0, 4);
	set_le(p + 16, crc32(p, len), 4);
}

/* Microsoft's calling convention; the first argument is in rcx. */
static void build_code(struct vm *vm)
{
	static const u8 refuse[] = {
		0x48, 0xb8, 0x03, 0, 0, 0, 0, 0, 0, 0x80,	/* unsupported */
		0xc3,
	};
	static const u8 not_found[] = {
		0x48, 0xb8, 0x0e, 0, 0, 0, 0, 0, 0, 0x80,
		0xc3,
	};
	static const u8 success[] = {
		0x31, 0xc0,					/* xor eax, eax */
		0xc3,
	};
	static const u8 reset[] = {
		0x83, 0xf9, 0x02,				/* cmp ecx, 2 */
		0x74, 0x0a,					/* je off */
		0x66, 0xba, PORT_RESET & 0xff, PORT_RESET >> 8,	/* mov dx */
		0xb0, 0x01,					/* mov al, 1 */
		0xee,						/* out dx, al */
		0xf4,						/* hlt */
		0xeb, 0xfd,					/* jmp to hlt */
		0x66, 0xba, PORT_SLEEP & 0xff, PORT_SLEEP >> 8,	/* off: */
		0xb0, SLEEP_S5,
		0xee,
		0xf4,
		0xeb, 0xfd,
	};
	u8 *code = mem_ptr(&vm->mem, EFI_GPA + CODE_OFF, HV_PAGE_SIZE);
	u8 *table = mem_ptr(&vm->mem, EFI_GPA + RUNTIME_OFF, RUNTIME_LEN);
	u64 call;

	memcpy(code, refuse, sizeof(refuse));
	memcpy(code + 0x20, not_found, sizeof(not_found));
	memcpy(code + 0x40, success, sizeof(success));
	memcpy(code + 0x60, reset, sizeof(reset));
	for (unsigned i = 0; i < RUNTIME_CALLS; i++) {
		switch (i) {
		case CALL_SET_VIRTUAL_ADDRESS_MAP:
			/* Nothing to convert: the kernel maps 1:1 as well. */
			call = 0x40;
			break;
		case CALL_GET_VARIABLE:
		case CALL_GET_NEXT_VARIABLE:
			call = 0x20;
			break;
		case CALL_RESET_SYSTEM:
			call = 0x60;
			break;
		default:
			call = 0;
		}
		set_le(table + 24 + 8 * i, EFI_GPA + CODE_OFF + call, 8);
	}
	set_header(table, "RUNTSERV", RUNTIME_LEN);
}

static void build_memmap(struct vm *vm)
{
	const struct memory_descriptor map[EFI_MEMMAP_ENTRIES] = {
		{ .type = TYPE_CONVENTIONAL, .start = 0,
		  .pages = LOW_RAM_END >> 12, .attr = ATTR_WB },
		{ .type = TYPE_RUNTIME_DATA, .start = EFI_GPA,
		  .pages = CODE_OFF >> 12, .attr = ATTR_WB | ATTR_RUNTIME },
		{ .type = TYPE_RUNTIME_CODE, .start = EFI_GPA + CODE_OFF,
		  .pages = 1, .attr = ATTR_WB | ATTR_RUNTIME },
		{ .type = TYPE_RUNTIME_DATA, .start = EFI_GPA + MOK_OFF,
		  .pages = (EFI_SIZE - MOK_OFF) >> 12,
		  .attr = ATTR_WB | ATTR_RUNTIME },
		{ .type = TYPE_CONVENTIONAL, .start = 0x100000,
		  .pages = (vm->mem.size - 0x100000) >> 12, .attr = ATTR_WB },
	};

	_Static_assert(sizeof(map[0]) == EFI_DESCRIPTOR_SIZE,
		       "size of memory descriptors");
	memcpy(mem_ptr(&vm->mem, EFI_GPA + MEMMAP_OFF, sizeof(map)), map,
	       sizeof(map));
}

/* "MokListRT": one list of one X.509 certificate, and an empty last entry. */
static void build_mok(struct vm *vm, const char *path)
{
	const u32 list_header = 28, entry = 256 + 8, owner = 16;
	u8 *p = mem_ptr(&vm->mem, EFI_GPA + MOK_OFF, EFI_SIZE - MOK_OFF);
	const u32 room = EFI_SIZE - MOK_OFF - 2 * entry - list_header - owner;
	u8 *cert = p + entry + list_header + owner;
	FILE *f = fopen(path, "re");
	size_t len;

	if (!f)
		die("cannot open certificate \"%s\": %s", path,
		    strerror(errno));
	len = fread(cert, 1, room, f);
	/* DER: a sequence, its length in the next two bytes. */
	if (len < 64 || cert[0] != 0x30 || cert[1] != 0x82)
		die("\"%s\" is not a certificate in DER form", path);
	if (len == room)
		die("certificate \"%s\" is too large", path);
	fclose(f);

	strcpy((char *)p, "MokListRT");
	set_le(p + 256, list_header + owner + len, 8);
	p += entry;
	memcpy(p, guid_x509, 16);
	set_le(p + 16, list_header + owner + len, 4);
	set_le(p + 20, 0, 4);			/* no list-specific header */
	set_le(p + 24, owner + len, 4);
}

static void build_system_table(struct vm *vm, bool has_mok)
{
	static const char vendor[] = "hvsim";
	u8 *p = mem_ptr(&vm->mem, EFI_GPA, HV_PAGE_SIZE);
	struct config_table tables[2] = {
		{ .gpa = SMBIOS_GPA },
		{ .gpa = EFI_GPA + MOK_OFF },
	};

	memcpy(tables[0].guid, guid_smbios3, 16);
	memcpy(tables[1].guid, guid_mok, 16);
	memcpy(p + CONFIG_OFF, tables, sizeof(tables));
	for (unsigned i = 0; i < sizeof(vendor); i++)
		set_le(p + VENDOR_OFF + 2 * i, (u8)vendor[i], 2);
	set_le(p + 24, EFI_GPA + VENDOR_OFF, 8);
	set_le(p + 32, 1, 4);			/* firmware revision */
	set_le(p + 88, EFI_GPA + RUNTIME_OFF, 8);
	set_le(p + 104, has_mok ? 2 : 1, 8);
	set_le(p + 112, EFI_GPA + CONFIG_OFF, 8);
	set_header(p, "IBI SYST", SYSTAB_LEN);
}

void efi_build(struct vm *vm, const char *mok, struct boot_params *params)
{
	build_code(vm);
	build_memmap(vm);
	if (mok)
		build_mok(vm, mok);
	build_system_table(vm, mok);
	memcpy(&params->efi_info.efi_loader_signature, "EL64", 4);
	params->efi_info.efi_systab = EFI_GPA + SYSTAB_OFF;
	params->efi_info.efi_memmap = EFI_GPA + MEMMAP_OFF;
	params->efi_info.efi_memmap_size =
		EFI_MEMMAP_ENTRIES * EFI_DESCRIPTOR_SIZE;
	params->efi_info.efi_memdesc_size = EFI_DESCRIPTOR_SIZE;
	params->efi_info.efi_memdesc_version = 1;
	params->secure_boot = SECURE_BOOT_ENABLED;
}
