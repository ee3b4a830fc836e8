// SPDX-License-Identifier: GPL-2.0
/*
 * ACPI tables: RSDP, XSDT, FADT (hardware-reduced), MADT and a DSDT with the
 * serial port, the VMBus device and its memory windows. Written once, before
 * any vCPU runs. The DSDT's byte code is assembled here so that the windows
 * stay in one place (vm.h) and no ACPI compiler is needed.
 *
 * Sources: ACPI specification 6.4, sections 5.2 (tables), 6.4 (resource
 * descriptors) and 20.2 (AML grammar).
 */
#include <string.h>

#include "vm.h"

#define XSDT_OFF	0x0040
#define FADT_OFF	0x0100
#define MADT_OFF	0x0300
#define DSDT_OFF	0x1000

#define TABLE_HEADER_LEN 36
#define FADT_LEN 276
#define FADT_REVISION 6

#define FADT_BOOT_NO_VGA	(1 << 2)
#define FADT_BOOT_NO_CMOS_RTC	(1 << 5)
#define FADT_WBINVD		(1 << 0)
#define FADT_NO_POWER_BUTTON	(1 << 4)
#define FADT_NO_SLEEP_BUTTON	(1 << 5)
#define FADT_RESET_REG		(1 << 10)
#define FADT_HW_REDUCED		(1 << 20)

/* A table, or a piece of byte code, being written. */
struct buf {
	u8 *data;
	u32 len, size;
};

static void put8(struct buf *b, u8 val)
{
	if (b->len == b->size)
		die("ACPI tables do not fit into their space");
	b->data[b->len++] = val;
}

static void put_le(struct buf *b, u64 val, unsigned bytes)
{
	while (bytes--) {
		put8(b, (u8)val);
		val >>= 8;
	}
}

static void put_bytes(struct buf *b, const char *bytes, unsigned len)
{
	while (len--)
		put8(b, (u8)*bytes++);
}

static void set_le(struct buf *b, u32 off, u64 val, unsigned bytes)
{
	struct buf at = { .data = b->data + off, .size = bytes };

	put_le(&at, val, bytes);
}

static u8 checksum(const u8 *p, u32 len)
{
	u8 sum = 0;

	while (len--)
		sum += *p++;
	return (u8)-sum;
}

static struct buf begin_table(struct vm *vm, u32 off, const char *sig,
			      u8 revision)
{
	struct buf b = {
		.data = mem_ptr(&vm->mem, ACPI_GPA + off, ACPI_SIZE - off),
		.size = ACPI_SIZE - off,
	};

	put_bytes(&b, sig, 4);
	put_le(&b, 0, 4);		/* length */
	put8(&b, revision);
	put8(&b, 0);			/* checksum */
	put_bytes(&b, "HVSIM ", 6);
	put_bytes(&b, "HVSIMTBL", 8);
	put_le(&b, 1, 4);
	put_bytes(&b, "HVSM", 4);
	put_le(&b, 1, 4);
	return b;
}

static void end_table(struct buf *b)
{
	set_le(b, 4, b->len, 4);
	b->data[9] = checksum(b->data, b->len);
}

/* ---- AML ---- */

static void put_name(struct buf *b, const char *seg)
{
	put8(b, 0x08);
	put_bytes(b, seg, 4);
}

static void put_string(struct buf *b, const char *s)
{
	put8(b, 0x0d);
	put_bytes(b, s, (unsigned)strlen(s) + 1);
}

static void put_byte_const(struct buf *b, u8 val)
{
	put8(b, 0x0a);
	put8(b, val);
}

/* Package lengths are always written in their two-byte form. */
static u32 begin_package(struct buf *b)
{
	u32 at = b->len;

	put_le(b, 0, 2);
	return at;
}

static void end_package(struct buf *b, u32 at)
{
	u32 len = b->len - at;

	b->data[at] = 0x40 | (len & 0xf);
	b->data[at + 1] = (u8)(len >> 4);
}

static u32 begin_device(struct buf *b, const char *seg)
{
	u32 at;

	put8(b, 0x5b);
	put8(b, 0x82);
	at = begin_package(b);
	put_bytes(b, seg, 4);
	return at;
}

/* _CRS = Buffer of the descriptors that follow, up to end_resources(). */
static u32 begin_resources(struct buf *b)
{
	u32 at;

	put_name(b, "_CRS");
	put8(b, 0x11);
	at = begin_package(b);
	put_byte_const(b, 0);		/* size, set at the end */
	return at;
}

static void end_resources(struct buf *b, u32 at)
{
	put8(b, 0x79);			/* end tag, no checksum */
	put8(b, 0);
	b->data[at + 3] = (u8)(b->len - at - 4);
	end_package(b, at);
}

static void put_io(struct buf *b, u16 base, u8 len)
{
	put8(b, 0x47);
	put8(b, 1);			/* 16-bit decode */
	put_le(b, base, 2);
	put_le(b, base, 2);
	put8(b, 1);			/* alignment */
	put8(b, len);
}

static void put_irq(struct buf *b, u32 gsi)
{
	put8(b, 0x89);
	put_le(b, 6, 2);
	put8(b, 0x03);			/* consumer, edge, high, exclusive */
	put8(b, 1);
	put_le(b, gsi, 4);
}

static void put_window(struct buf *b, u64 base, u64 len, bool wide)
{
	unsigned bytes = wide ? 8 : 4;

	put8(b, wide ? 0x8a : 0x87);
	put_le(b, 3 + 5 * bytes, 2);
	put8(b, 0);			/* memory */
	put8(b, 0x0c);			/* producer, fixed at both ends */
	put8(b, 0x01);			/* read-write, not cacheable */
	put_le(b, 0, bytes);		/* granularity */
	put_le(b, base, bytes);
	put_le(b, base + len - 1, bytes);
	put_le(b, 0, bytes);		/* translation */
	put_le(b, len, bytes);
}

static void build_com1(struct buf *b)
{
	u32 dev = begin_device(b, "COM1"), crs;

	put_name(b, "_HID");
	put8(b, 0x0c);
	put_bytes(b, "\x41\xd0\x05\x01", 4);	/* EISA id PNP0501 */
	put_name(b, "_UID");
	put8(b, 0);
	crs = begin_resources(b);
	put_io(b, PORT_COM1, 8);
	put_irq(b, COM1_GSI);
	end_resources(b, crs);
	end_package(b, dev);
}

/* As on real generation 2 machines: the windows belong to VMBus' parent. */
static void build_vmbus(struct buf *b)
{
	u32 vmod = begin_device(b, "VMOD"), vmbs, crs;

	put_name(b, "_HID");
	put_string(b, "ACPI0004");
	put_name(b, "_UID");
	put8(b, 0);
	crs = begin_resources(b);
	put_window(b, MMIO_LOW_BASE, MMIO_LOW_SIZE, false);
	put_window(b, MMIO_HIGH_BASE, MMIO_HIGH_SIZE, true);
	end_resources(b, crs);

	vmbs = begin_device(b, "VMBS");
	put_name(b, "_HID");
	put_string(b, "VMBUS");
	put_name(b, "_UID");
	put8(b, 0);
	put_name(b, "_STA");
	put_byte_const(b, 0x0f);
	/* Empty, but it must be there: the guest's driver walks it first. */
	crs = begin_resources(b);
	end_resources(b, crs);
	end_package(b, vmbs);
	end_package(b, vmod);
}

/* A sleep state of the machine and what the guest writes to get there. */
static void put_sleep_state(struct buf *b, const char *seg, u8 type)
{
	u32 at;

	put_name(b, seg);
	put8(b, 0x12);
	at = begin_package(b);
	put8(b, 4);
	put_byte_const(b, type);
	put8(b, 0);
	put8(b, 0);
	put8(b, 0);
	end_package(b, at);
}

static void build_dsdt(struct vm *vm)
{
	struct buf b = begin_table(vm, DSDT_OFF, "DSDT", 2);
	u32 at;

	put8(&b, 0x10);			/* Scope (\_SB) */
	at = begin_package(&b);
	put_bytes(&b, "\\_SB_", 5);
	build_com1(&b);
	build_vmbus(&b);
	end_package(&b, at);

	/* S4 tells a Hyper-V guest that it may hibernate. */
	put_sleep_state(&b, "_S4_", 4);
	put_sleep_state(&b, "_S5_", 5);
	end_table(&b);
}

/* ---- fixed tables ---- */

static void set_port_register(struct buf *b, u32 off, u16 port)
{
	set_le(b, off, 1, 1);		/* I/O space */
	set_le(b, off + 1, 8, 1);	/* width */
	set_le(b, off + 2, 0, 1);
	set_le(b, off + 3, 1, 1);	/* byte access */
	set_le(b, off + 4, port, 8);
}

static void build_fadt(struct vm *vm)
{
	struct buf b = begin_table(vm, FADT_OFF, "FACP", FADT_REVISION);

	while (b.len < FADT_LEN)
		put8(&b, 0);
	set_le(&b, 40, ACPI_GPA + DSDT_OFF, 4);
	set_le(&b, 109, FADT_BOOT_NO_VGA | FADT_BOOT_NO_CMOS_RTC, 2);
	set_le(&b, 112, FADT_WBINVD | FADT_NO_POWER_BUTTON |
	       FADT_NO_SLEEP_BUTTON | FADT_RESET_REG | FADT_HW_REDUCED, 4);
	set_port_register(&b, 116, PORT_RESET);
	set_le(&b, 128, 1, 1);		/* reset value */
	set_le(&b, 131, 5, 1);		/* minor revision */
	set_le(&b, 140, ACPI_GPA + DSDT_OFF, 8);
	set_port_register(&b, 244, PORT_SLEEP);
	set_port_register(&b, 256, PORT_SLEEP_STS);
	end_table(&b);
}

static void build_madt(struct vm *vm)
{
	struct buf b = begin_table(vm, MADT_OFF, "APIC", 5);
	unsigned i;

	put_le(&b, 0xfee00000, 4);
	put_le(&b, 0, 4);		/* no dual 8259 */
	for (i = 0; i < vm->cfg.nr_vcpus; i++) {
		put8(&b, 0);		/* local APIC */
		put8(&b, 8);
		put8(&b, (u8)i);
		put8(&b, (u8)i);
		put_le(&b, 1, 4);	/* enabled */
	}
	put8(&b, 1);			/* I/O APIC */
	put8(&b, 12);
	put8(&b, 0);
	put8(&b, 0);
	put_le(&b, 0xfec00000, 4);
	put_le(&b, 0, 4);
	end_table(&b);
}

static void build_root_tables(struct vm *vm)
{
	struct buf xsdt = begin_table(vm, XSDT_OFF, "XSDT", 1);
	struct buf rsdp = {
		.data = mem_ptr(&vm->mem, ACPI_GPA, TABLE_HEADER_LEN),
		.size = TABLE_HEADER_LEN,
	};

	put_le(&xsdt, ACPI_GPA + FADT_OFF, 8);
	put_le(&xsdt, ACPI_GPA + MADT_OFF, 8);
	end_table(&xsdt);

	put_bytes(&rsdp, "RSD PTR ", 8);
	put8(&rsdp, 0);
	put_bytes(&rsdp, "HVSIM ", 6);
	put8(&rsdp, 2);
	put_le(&rsdp, 0, 4);
	put_le(&rsdp, TABLE_HEADER_LEN, 4);
	put_le(&rsdp, ACPI_GPA + XSDT_OFF, 8);
	put_le(&rsdp, 0, 4);
	rsdp.data[8] = checksum(rsdp.data, 20);
	rsdp.data[32] = checksum(rsdp.data, TABLE_HEADER_LEN);
}

void acpi_build(struct vm *vm)
{
	build_dsdt(vm);
	build_fadt(vm);
	build_madt(vm);
	build_root_tables(vm);
}
