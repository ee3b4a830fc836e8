// SPDX-License-Identifier: GPL-2.0
/*
 * SMBIOS tables, by which programs recognize the machine (DMI): an entry point
 * where a kernel without EFI looks for it, and the structures for firmware,
 * system, board and enclosure with the names that Hyper-V's generation 2
 * machines have. Written once, before any vCPU runs.
 *
 * Source: System Management BIOS Reference Specification 3.1, sections 5.2.2
 * (64-bit entry point), 6.1 (structures) and 7.1 to 7.4.
 */
#include <string.h>

#include "vm.h"

#define TABLE_OFF	0x20
#define MAX_STRINGS	8

static const char firmware[] = "Hyper-V UEFI Release v4.1";
static const char company[] = "Microsoft Corporation";
static const char product[] = "Virtual Machine";

/* A structure being written: its formatted area first, then its strings. */
struct structure {
	u8 *data;
	u32 len, size;
	u16 handle;
	const char *strings[MAX_STRINGS];
	u8 nr_strings;
};

static void put(struct structure *s, u64 val, unsigned bytes)
{
	while (bytes--) {
		if (s->len == s->size)
			die("SMBIOS tables do not fit into their space");
		s->data[s->len++] = (u8)val;
		val >>= 8;
	}
}

/* A string of the formatted area is the number of one behind it, from 1. */
static void put_string(struct structure *s, const char *text)
{
	if (s->nr_strings == MAX_STRINGS)
		die("too many strings in an SMBIOS structure");
	s->strings[s->nr_strings++] = text;
	put(s, s->nr_strings, 1);
}

static void begin(struct structure *s, u8 type)
{
	s->data += s->len;
	s->size -= s->len;
	s->len = 0;
	s->nr_strings = 0;
	put(s, type, 1);
	put(s, 0, 1);			/* length, set at the end */
	put(s, s->handle++, 2);
}

static void end(struct structure *s)
{
	s->data[1] = (u8)s->len;
	for (u8 i = 0; i < s->nr_strings; i++)
		for (const char *c = s->strings[i]; ; c++) {
			put(s, (u8)*c, 1);
			if (!*c)
				break;
		}
	put(s, 0, s->nr_strings ? 1 : 2);
}

static void put_firmware(struct structure *s)
{
	begin(s, 0);
	put_string(s, company);
	put_string(s, firmware);
	put(s, 0, 2);			/* segment: not in the first MiB */
	put_string(s, "01/01/2024");
	put(s, 0, 1);			/* ROM size */
	put(s, 1 << 3, 8);		/* characteristics: none to be had */
	put(s, 0x1800, 2);		/* UEFI, virtual machine */
	put(s, 4, 1);			/* firmware release 4.1 */
	put(s, 1, 1);
	put(s, 0xffff, 2);		/* no embedded controller */
	put(s, 0, 2);			/* extended ROM size */
	end(s);
}

static void put_system(struct structure *s, const char *vendor)
{
	static const char uuid[] = "hvsim machine id";	/* 16 bytes */

	begin(s, 1);
	put_string(s, vendor);
	put_string(s, product);
	put_string(s, firmware);
	put_string(s, "0000-0000-0000-0000-0000-0000-00");
	for (unsigned i = 0; i < 16; i++)
		put(s, (u8)uuid[i], 1);
	put(s, 6, 1);			/* woken by the power switch */
	put_string(s, "None");
	put_string(s, product);
	end(s);
}

static void put_board(struct structure *s)
{
	begin(s, 2);
	put_string(s, company);
	put_string(s, product);
	put_string(s, firmware);
	put_string(s, "0000-0000-0000-0000-0000-0000-00");
	put_string(s, "None");
	put(s, 1, 1);			/* it is a hosting board */
	put_string(s, product);
	put(s, s->handle, 2);		/* the enclosure, which follows */
	put(s, 0x0a, 1);		/* motherboard */
	put(s, 0, 1);			/* no contained objects */
	end(s);
}

static void put_enclosure(struct structure *s)
{
	begin(s, 3);
	put_string(s, company);
	put(s, 3, 1);			/* desktop */
	put_string(s, firmware);
	put_string(s, "0000-0000-0000-0000-0000-0000-00");
	/* What tells guests on Azure from those on other Hyper-V hosts. */
	put_string(s, "7783-7084-3265-9085-8269-3286-77");
	put(s, 0x02020202, 4);		/* states and security: unknown */
	put(s, 0, 4);			/* defined by the manufacturer */
	put(s, 0, 4);			/* height, cords, no elements */
	put_string(s, product);
	end(s);
}

static void put_entry_point(u8 *p, u64 table_gpa, u32 table_len)
{
	u8 sum = 0;

	memcpy(p, "_SM3_", 5);
	p[6] = 24;			/* length */
	p[7] = 3;			/* version 3.1.0 */
	p[8] = 1;
	p[10] = 1;			/* revision of this structure */
	memcpy(p + 12, &table_len, 4);
	memcpy(p + 16, &table_gpa, 8);
	for (unsigned i = 0; i < 24; i++)
		sum += p[i];
	p[5] = (u8)-sum;
}

void smbios_build(struct vm *vm)
{
	u8 *area = mem_ptr(&vm->mem, SMBIOS_GPA, SMBIOS_SIZE);
	struct structure s = {
		.data = area + TABLE_OFF,
		.size = SMBIOS_SIZE - TABLE_OFF,
	};

	put_firmware(&s);
	put_system(&s, vm->cfg.sys_vendor);
	put_board(&s);
	put_enclosure(&s);
	begin(&s, 127);
	end(&s);
	put_entry_point(area, SMBIOS_GPA + TABLE_OFF,
			(u32)(s.data + s.len - area - TABLE_OFF));
}
