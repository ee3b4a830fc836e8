// SPDX-License-Identifier: GPL-2.0
/*
 * Direct boot of a bzImage through its 64-bit entry point: no firmware, no
 * real mode. Runs once, before any vCPU does.
 *
 * Sources: Documentation/arch/x86/boot.rst, "64-bit boot protocol", and
 * asm/bootparam.h.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm.h"

/* Where the loader's own structures lie; free for the kernel afterwards. */
#define PML4_GPA	0x1000ULL
#define PDPT_GPA	0x2000ULL
#define PD_GPA		0x3000ULL	/* four pages: identity map of 4 GiB */
#define GDT_GPA		0x8000ULL
#define STACK_GPA	0x9000ULL	/* top */
#define PARAMS_GPA	0x10000ULL
#define CMDLINE_GPA	0x20000ULL
#define CMDLINE_ROOM	0x10000ULL

#define SETUP_HEADER_OFFSET 0x1f1
#define SECTOR 512
#define MIN_PROTOCOL 0x20c	/* xloadflags */
#define ENTRY64_OFFSET 0x200
#define HIGH_RAM_START 0x100000ULL

#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18

#define E820_RAM 1
#define E820_RESERVED 2

#define PTE_P_RW 3ULL
#define PTE_LARGE 0x80ULL

#define CR0_PE_MP_ET_NE_PG 0x80000033ULL
#define CR4_PAE 0x20ULL
#define EFER_LME_LMA 0x500ULL

struct file_map {
	const u8 *data;
	u64 size;
};

static struct file_map map_file(const char *what, const char *path)
{
	struct file_map m;
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die("cannot open %s file \"%s\": %s", what, path,
		    strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size)
		die("%s file \"%s\" is empty or not a regular file", what,
		    path);
	m.size = (u64)st.st_size;
	m.data = mmap(NULL, m.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m.data == MAP_FAILED)
		die("cannot read %s file \"%s\": %s", what, path,
		    strerror(errno));
	close(fd);
	return m;
}

static void unmap_file(struct file_map *m)
{
	munmap((void *)m->data, m->size);
}

/* Guest memory, or the end of the program: there is too little of it. */
static void *need_mem(struct vm *vm, const char *what, u64 gpa, u64 len)
{
	void *p = mem_ptr(&vm->mem, gpa, len);

	if (!p)
		die("%llu MiB of guest memory are too little: %s needs memory up to %llu MiB (--mem)",
		    (unsigned long long)(vm->mem.size >> 20), what,
		    (unsigned long long)((gpa + len) >> 20) + 1);
	return p;
}

/* Checks and copies the kernel; returns its setup header. */
static struct setup_header load_kernel(struct vm *vm, const char *path)
{
	struct file_map m = map_file("kernel", path);
	struct setup_header hdr;
	u64 setup_size, hdr_size;

	if (m.size < SETUP_HEADER_OFFSET + sizeof(hdr))
		die("kernel file \"%s\" is not a bzImage: too short", path);
	/* The byte before the magic tells where the header ends. */
	hdr_size = 0x202 + m.data[0x201] - SETUP_HEADER_OFFSET;
	if (hdr_size > sizeof(hdr))
		hdr_size = sizeof(hdr);
	memset(&hdr, 0, sizeof(hdr));
	memcpy(&hdr, m.data + SETUP_HEADER_OFFSET, hdr_size);
	if (hdr.boot_flag != 0xaa55 || hdr.header != 0x53726448)
		die("kernel file \"%s\" is not a bzImage: no boot header",
		    path);
	if (hdr.version < MIN_PROTOCOL || !(hdr.xloadflags & XLF_KERNEL_64))
		die("kernel file \"%s\" has no 64-bit entry point", path);

	setup_size = (hdr.setup_sects ? hdr.setup_sects : 4) * SECTOR + SECTOR;
	if (setup_size >= m.size)
		die("kernel file \"%s\" is cut off after its setup part",
		    path);
	need_mem(vm, "the kernel", hdr.pref_address,
		 hdr.init_size > m.size ? hdr.init_size : m.size);
	memcpy(mem_ptr(&vm->mem, hdr.pref_address, m.size - setup_size),
	       m.data + setup_size, m.size - setup_size);
	unmap_file(&m);
	return hdr;
}

/* Puts it as high as the kernel allows, and its place into @hdr. */
static void load_initrd(struct vm *vm, const char *path,
			struct setup_header *hdr)
{
	struct file_map m = map_file("initrd", path);
	u64 kernel_end = hdr->pref_address + hdr->init_size;
	u64 top = (u64)hdr->initrd_addr_max + 1;
	u64 gpa;

	if (top > vm->mem.size)
		top = vm->mem.size;
	if (m.size > top || top - m.size < kernel_end)
		die("%llu MiB of guest memory are too little: the initrd of %llu MiB does not fit above the kernel, which ends at %llu MiB (--mem)",
		    (unsigned long long)(vm->mem.size >> 20),
		    (unsigned long long)(m.size >> 20) + 1,
		    (unsigned long long)(kernel_end >> 20) + 1);
	gpa = (top - m.size) & ~(HV_PAGE_SIZE - 1);
	memcpy(mem_ptr(&vm->mem, gpa, m.size), m.data, m.size);
	hdr->ramdisk_image = (u32)gpa;
	hdr->ramdisk_size = (u32)m.size;
	unmap_file(&m);
}

static void load_cmdline(struct vm *vm, const char *text,
			 struct setup_header *hdr)
{
	size_t len = strlen(text);

	if (len > hdr->cmdline_size || len >= CMDLINE_ROOM)
		die("kernel command line of %zu bytes is longer than the %u the kernel takes (--append)",
		    len, hdr->cmdline_size);
	memcpy(need_mem(vm, "the command line", CMDLINE_GPA, len + 1), text,
	       len + 1);
	hdr->cmd_line_ptr = CMDLINE_GPA;
}

static void add_e820(struct boot_params *p, u64 start, u64 end, u32 type)
{
	struct boot_e820_entry *e = &p->e820_table[p->e820_entries++];

	e->addr = start;
	e->size = end - start;
	e->type = type;
}

static void build_params(struct vm *vm, const struct setup_header *hdr)
{
	struct boot_params *p = need_mem(vm, "the boot parameters",
					 PARAMS_GPA, sizeof(*p));

	memset(p, 0, sizeof(*p));
	p->hdr = *hdr;
	p->hdr.type_of_loader = 0xff;
	p->hdr.loadflags |= LOADED_HIGH;
	p->acpi_rsdp_addr = ACPI_GPA;
	add_e820(p, 0, LOW_RAM_END, E820_RAM);
	add_e820(p, LOW_RAM_END, HIGH_RAM_START, E820_RESERVED);
	add_e820(p, HIGH_RAM_START, vm->mem.size, E820_RAM);
	if (vm->cfg.secure_boot)
		efi_build(vm, vm->cfg.mok, p);
}

static void build_page_tables(struct vm *vm)
{
	u64 *pml4 = mem_ptr(&vm->mem, PML4_GPA, HV_PAGE_SIZE);
	u64 *pdpt = mem_ptr(&vm->mem, PDPT_GPA, HV_PAGE_SIZE);
	u64 *pd = mem_ptr(&vm->mem, PD_GPA, 4 * HV_PAGE_SIZE);
	u64 i;

	pml4[0] = PDPT_GPA | PTE_P_RW;
	for (i = 0; i < 4; i++)
		pdpt[i] = (PD_GPA + i * HV_PAGE_SIZE) | PTE_P_RW;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = (i << 21) | PTE_LARGE | PTE_P_RW;
}

static void build_gdt(struct vm *vm)
{
	u64 *gdt = mem_ptr(&vm->mem, GDT_GPA, 4 * sizeof(*gdt));

	gdt[CODE_SELECTOR / 8] = 0x00af9b000000ffffULL;	/* 64-bit code */
	gdt[DATA_SELECTOR / 8] = 0x00cf93000000ffffULL;
}

/*
 * Linux leaves hardware-reduced ACPI machines without EFI through the BIOS
 * reset entry: with bare RAM there it would spin for ever.
 */
static void build_reset_stub(struct vm *vm)
{
	static const u8 stub[] = {
		0xba, PORT_RESET & 0xff, PORT_RESET >> 8,	/* mov dx */
		0xb0, 0x01,					/* mov al, 1 */
		0xee,						/* out dx, al */
		0xf4,						/* hlt */
		0xeb, 0xfd,					/* jmp to hlt */
	};

	memcpy(mem_ptr(&vm->mem, RESET_STUB_GPA, sizeof(stub)), stub,
	       sizeof(stub));
}

static void set_entry(struct vm *vm, u64 rip)
{
	struct vcpu *v = &vm->vcpus[0];
	struct kvm_regs regs = {
		.rip = rip,
		.rsi = PARAMS_GPA,
		.rsp = STACK_GPA,
		.rflags = 2,
	};
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = CODE_SELECTOR, .type = 11,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = DATA_SELECTOR, .type = 3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	if (ioctl(v->fd, KVM_GET_SREGS, &sregs) < 0)
		die("KVM_GET_SREGS: %s", strerror(errno));
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.gdt.base = GDT_GPA;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.cr0 = CR0_PE_MP_ET_NE_PG;
	sregs.cr3 = PML4_GPA;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME_LMA;
	if (ioctl(v->fd, KVM_SET_SREGS, &sregs) < 0)
		die("KVM_SET_SREGS: %s", strerror(errno));
	if (ioctl(v->fd, KVM_SET_REGS, &regs) < 0)
		die("KVM_SET_REGS: %s", strerror(errno));
}

void boot_load(struct vm *vm, const char *kernel, const char *initrd,
	       const char *cmdline)
{
	struct setup_header hdr = load_kernel(vm, kernel);

	if (initrd)
		load_initrd(vm, initrd, &hdr);
	load_cmdline(vm, cmdline, &hdr);
	build_params(vm, &hdr);
	build_page_tables(vm);
	build_gdt(vm);
	build_reset_stub(vm);
	set_entry(vm, hdr.pref_address + ENTRY64_OFFSET);
}
