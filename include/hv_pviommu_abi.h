/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hyper-V para-virtual IOMMU: what goes over the wire between a guest and
 * the hypervisor, and nothing else.
 *
 * Plain fixed-width fields, little endian, no bit-fields: a reserved bit is
 * zero because the whole word was written. Every size and offset is asserted.
 * The prefix is hvp_/HVP_, since the kernel will own hv_* names for the same
 * things. Compiles in the kernel and in user space.
 *
 * Sources, named in brackets below:
 *  [TLFS]   Hypervisor Top Level Functional Specification
 *  [list]   the driver and the ABI patches as posted to the linux-hyperv list
 *  [HDK]    public hypervisor headers and symbols, as a cross-check
 *  [kernel] include/hyperv/hvgdk_mini.h and hvhdk.h
 */
#ifndef HV_PVIOMMU_ABI_H
#define HV_PVIOMMU_ABI_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif

/* The message makes it C11; the kernel's own macro takes one, too. */
#define HVP_ASSERT_SIZE(tag, bytes) \
	static_assert(sizeof(struct tag) == (bytes), "size of " #tag)
#define HVP_ASSERT_OFFSET(tag, member, bytes) \
	static_assert(offsetof(struct tag, member) == (bytes), \
		      "offset of " #tag "." #member)

/* Call codes [list]; the create/attach/detach/delete ones also in [HDK]. */
#define HVP_CALL_CREATE_DOMAIN		0x00b1
#define HVP_CALL_ATTACH_DOMAIN		0x00b2
#define HVP_CALL_DETACH_DOMAIN		0x00c4
#define HVP_CALL_DELETE_DOMAIN		0x00c5
#define HVP_CALL_CONFIGURE_DOMAIN	0x00ce
#define HVP_CALL_FLUSH_DOMAIN		0x00d0
#define HVP_CALL_FLUSH_DOMAIN_LIST	0x00d1	/* the only rep call */
#define HVP_CALL_GET_CAPABILITIES	0x0125
#define HVP_CALL_GET_DEVICE_PROPERTY	0x0127

/*
 * Status values: low 16 bits of a hypercall result. 2, 5 and 0x66 are
 * attested for these calls [list]; the others are what [TLFS] and [HDK]
 * define and a host may plausibly return.
 */
#define HVP_STATUS_SUCCESS				0x0000
#define HVP_STATUS_INVALID_HYPERCALL_CODE		0x0002
#define HVP_STATUS_INVALID_HYPERCALL_INPUT		0x0003
#define HVP_STATUS_INVALID_ALIGNMENT			0x0004
#define HVP_STATUS_INVALID_PARAMETER			0x0005
#define HVP_STATUS_ACCESS_DENIED			0x0006
#define HVP_STATUS_INVALID_PARTITION_STATE		0x0007
#define HVP_STATUS_OPERATION_DENIED			0x0008
#define HVP_STATUS_UNKNOWN_PROPERTY			0x0009
#define HVP_STATUS_PROPERTY_VALUE_OUT_OF_RANGE		0x000a
#define HVP_STATUS_INSUFFICIENT_MEMORY			0x000b
#define HVP_STATUS_INVALID_PARTITION_ID			0x000d
#define HVP_STATUS_NOT_FOUND				0x0010
#define HVP_STATUS_OBJECT_IN_USE			0x0019
#define HVP_STATUS_NO_RESOURCES				0x001d
#define HVP_STATUS_INSUFFICIENT_DEVICE_DOMAINS		0x0038
#define HVP_STATUS_INVALID_DEVICE_ID			0x0057
#define HVP_STATUS_INVALID_DEVICE_STATE			0x0058
#define HVP_STATUS_PENDING_PAGE_REQUESTS		0x0059
#define HVP_STATUS_PAGE_REQUEST_INVALID			0x0060
#define HVP_STATUS_KEY_ALREADY_EXISTS			0x0065
#define HVP_STATUS_DEVICE_ALREADY_IN_DOMAIN		0x0066
#define HVP_STATUS_OPERATION_FAILED			0x0071
#define HVP_STATUS_INSUFFICIENT_ROOT_MEMORY		0x0073
#define HVP_STATUS_INSUFFICIENT_CONTIGUOUS_MEMORY	0x0075
#define HVP_STATUS_TIME_OUT				0x0078
#define HVP_STATUS_CALL_PENDING				0x0079
#define HVP_STATUS_INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY	0x0083

/* The calling partition; the only value a guest uses [TLFS]. */
#define HVP_PARTITION_ID_SELF		(~0ULL)

/*
 * Hypervisor pages have 4 KiB whatever the guest uses. A memory hypercall
 * takes 8-byte aligned blocks that do not cross one [TLFS].
 */
#define HVP_PAGE_SHIFT			12
#define HVP_PAGE_SIZE			4096

/* Domain type; S2 and SOC domains belong to the root partition [HDK]. */
#define HVP_DOMAIN_TYPE_S1		1
/* Domain ids are the guest's choice, but for these two [HDK]. */
#define HVP_DOMAIN_ID_DEFAULT		0x00000000U
#define HVP_DOMAIN_ID_NULL		0xffffffffU

/**
 * struct hvp_device_domain - names a domain; begins most inputs [list] [HDK]
 * @partition_id: HVP_PARTITION_ID_SELF
 * @owner_vtl: bits 3:0 target VTL, bit 4 use it; 0 = the caller's own VTL
 * @padding: zero
 * @type: bits 3:0 HVP_DOMAIN_TYPE_S1, the others zero
 * @id: domain id
 */
struct hvp_device_domain {
	__u64 partition_id;
	__u8 owner_vtl;
	__u8 padding[7];
	__u32 type;
	__u32 id;
};

HVP_ASSERT_SIZE(hvp_device_domain, 24);
HVP_ASSERT_OFFSET(hvp_device_domain, partition_id, 0);
HVP_ASSERT_OFFSET(hvp_device_domain, owner_vtl, 8);
HVP_ASSERT_OFFSET(hvp_device_domain, padding, 9);
HVP_ASSERT_OFFSET(hvp_device_domain, type, 16);
HVP_ASSERT_OFFSET(hvp_device_domain, id, 20);

/* hvp_create_domain.flags: meaning never explained, always set [list] */
#define HVP_CREATE_FORWARD_PROGRESS	0x1U
#define HVP_CREATE_INHERIT_VTL		0x2U

/**
 * struct hvp_create_domain - input of CREATE_DOMAIN [list]
 * @domain: the new domain
 * @flags: HVP_CREATE_*
 * @padding: zero; the call reads whole 8-byte words [HDK]
 */
struct hvp_create_domain {
	struct hvp_device_domain domain;
	__u32 flags;
	__u32 padding;
};

HVP_ASSERT_SIZE(hvp_create_domain, 32);
HVP_ASSERT_OFFSET(hvp_create_domain, domain, 0);
HVP_ASSERT_OFFSET(hvp_create_domain, flags, 24);
HVP_ASSERT_OFFSET(hvp_create_domain, padding, 28);

/**
 * struct hvp_delete_domain - input of DELETE_DOMAIN [list]
 * @domain: a domain without devices
 */
struct hvp_delete_domain {
	struct hvp_device_domain domain;
};

HVP_ASSERT_SIZE(hvp_delete_domain, 24);
HVP_ASSERT_OFFSET(hvp_delete_domain, domain, 0);

/**
 * struct hvp_attach_domain - input of ATTACH_DOMAIN [list]
 * @domain: where the device goes, replacing where it is
 * @device_id: logical device id, zero-extended (bits 63:62 zero = logical)
 */
struct hvp_attach_domain {
	struct hvp_device_domain domain;
	__u64 device_id;
};

HVP_ASSERT_SIZE(hvp_attach_domain, 32);
HVP_ASSERT_OFFSET(hvp_attach_domain, domain, 0);
HVP_ASSERT_OFFSET(hvp_attach_domain, device_id, 24);

/**
 * struct hvp_detach_domain - input of DETACH_DOMAIN [list]
 * @partition_id: HVP_PARTITION_ID_SELF
 * @device_id: logical device id, zero-extended
 */
struct hvp_detach_domain {
	__u64 partition_id;
	__u64 device_id;
};

HVP_ASSERT_SIZE(hvp_detach_domain, 16);
HVP_ASSERT_OFFSET(hvp_detach_domain, partition_id, 0);
HVP_ASSERT_OFFSET(hvp_detach_domain, device_id, 8);

/*
 * hvp_configure_domain.flags [list]. Blocked without translation is refused
 * with INVALID_PARAMETER; neither of them is identity.
 */
#define HVP_CONFIGURE_TRANSLATION	0x1ULL
#define HVP_CONFIGURE_BLOCKED		0x2ULL
#define HVP_CONFIGURE_5LEVEL		0x4ULL

/**
 * struct hvp_configure_domain - input of CONFIGURE_DOMAIN [list]
 * @domain: a created domain
 * @flags: HVP_CONFIGURE_*
 * @page_table_root: guest physical address of the top table; 0 for identity
 *		     and blocked
 */
struct hvp_configure_domain {
	struct hvp_device_domain domain;
	__u64 flags;
	__u64 page_table_root;
};

HVP_ASSERT_SIZE(hvp_configure_domain, 40);
HVP_ASSERT_OFFSET(hvp_configure_domain, domain, 0);
HVP_ASSERT_OFFSET(hvp_configure_domain, flags, 24);
HVP_ASSERT_OFFSET(hvp_configure_domain, page_table_root, 32);

/**
 * struct hvp_flush_domain - input of FLUSH_DOMAIN [list]
 * @domain: drop all that is cached for it
 * @flags: zero, none is defined
 * @reserved: zero
 */
struct hvp_flush_domain {
	struct hvp_device_domain domain;
	__u32 flags;
	__u32 reserved;
};

HVP_ASSERT_SIZE(hvp_flush_domain, 32);
HVP_ASSERT_OFFSET(hvp_flush_domain, domain, 0);
HVP_ASSERT_OFFSET(hvp_flush_domain, flags, 24);
HVP_ASSERT_OFFSET(hvp_flush_domain, reserved, 28);

/* hvp_flush_domain_list.flags: entries as hvp_flush_entry() makes [list] */
#define HVP_FLUSH_IOMMU_FORMAT		0x1U

/**
 * struct hvp_flush_domain_list - input of FLUSH_DOMAIN_LIST [list]
 * @domain: whose entries to drop
 * @flags: HVP_FLUSH_IOMMU_FORMAT
 * @reserved: zero
 * @entry: as many as the rep count says
 */
struct hvp_flush_domain_list {
	struct hvp_device_domain domain;
	__u32 flags;
	__u32 reserved;
	__u64 entry[];
};

HVP_ASSERT_SIZE(hvp_flush_domain_list, 32);
HVP_ASSERT_OFFSET(hvp_flush_domain_list, domain, 0);
HVP_ASSERT_OFFSET(hvp_flush_domain_list, flags, 24);
HVP_ASSERT_OFFSET(hvp_flush_domain_list, reserved, 28);
HVP_ASSERT_OFFSET(hvp_flush_domain_list, entry, 32);

/* What fits in the one page an input may take. */
#define HVP_FLUSH_LIST_MAX \
	((HVP_PAGE_SIZE - sizeof(struct hvp_flush_domain_list)) / sizeof(__u64))
static_assert(HVP_FLUSH_LIST_MAX == 508, "entries in one flush list");

/*
 * Flush entry: bits 63:12 page number, 11:6 zero, 5:0 shift [HDK]; older
 * [list] versions had a shift of 12 bits, which is the same for all legal
 * values. Drops the 2^shift pages of 4 KiB from the page number on, which
 * must be a multiple of 2^shift. Shift 52 with page 0 is everything.
 */
#define HVP_FLUSH_ENTRY_SHIFT_MASK	0x3fULL
#define HVP_FLUSH_ENTRY_RESERVED	0xfc0ULL
#define HVP_FLUSH_ENTRY_SHIFT_MAX	52

/**
 * hvp_flush_entry() - encode one block of a flush list
 * @page: number of the first 4 KiB page, a multiple of 2^@shift
 * @shift: log2 of the pages, at most HVP_FLUSH_ENTRY_SHIFT_MAX
 *
 * Return: the entry as it goes over the wire.
 */
static inline __u64 hvp_flush_entry(__u64 page, unsigned int shift)
{
	return page << HVP_PAGE_SHIFT | (shift & HVP_FLUSH_ENTRY_SHIFT_MASK);
}

/**
 * hvp_flush_entry_page() - number of the first 4 KiB page of an entry
 * @entry: wire format
 *
 * Return: the page number.
 */
static inline __u64 hvp_flush_entry_page(__u64 entry)
{
	return entry >> HVP_PAGE_SHIFT;
}

/**
 * hvp_flush_entry_shift() - log2 of the 4 KiB pages that an entry names
 * @entry: wire format
 *
 * Return: the shift.
 */
static inline unsigned int hvp_flush_entry_shift(__u64 entry)
{
	return entry & HVP_FLUSH_ENTRY_SHIFT_MASK;
}

/**
 * struct hvp_get_capabilities - input of GET_CAPABILITIES [list]
 * @partition_id: HVP_PARTITION_ID_SELF
 * @reserved: zero
 */
struct hvp_get_capabilities {
	__u64 partition_id;
	__u64 reserved;
};

HVP_ASSERT_SIZE(hvp_get_capabilities, 16);
HVP_ASSERT_OFFSET(hvp_get_capabilities, partition_id, 0);
HVP_ASSERT_OFFSET(hvp_get_capabilities, reserved, 8);

/* hvp_capabilities.iommu_cap [list] */
#define HVP_CAP_PRESENT			0x01ULL
#define HVP_CAP_S2			0x02ULL
#define HVP_CAP_S1			0x04ULL
#define HVP_CAP_S1_5LVL			0x08ULL
#define HVP_CAP_PASID			0x10ULL
#define HVP_CAP_ATS			0x20ULL
#define HVP_CAP_PRI			0x40ULL

/* hvp_capabilities.pgsize_bitmap: the leaf sizes x86-64 has [list] */
#define HVP_PGSIZE_4K			0x1000ULL
#define HVP_PGSIZE_2M			0x200000ULL
#define HVP_PGSIZE_1G			0x40000000ULL

/**
 * struct hvp_capabilities - output of GET_CAPABILITIES [list]
 * @size: valid bytes, presumably; never discussed
 * @reserved: zero
 * @max_iova_width: bits
 * @max_pasid_width: bits
 * @iommu_cap: HVP_CAP_*
 * @pgsize_bitmap: one bit per leaf size; those x86-64 lacks are ignored
 */
struct hvp_capabilities {
	__u32 size;
	__u16 reserved;
	__u8 max_iova_width;
	__u8 max_pasid_width;
	__u64 iommu_cap;
	__u64 pgsize_bitmap;
};

HVP_ASSERT_SIZE(hvp_capabilities, 24);
HVP_ASSERT_OFFSET(hvp_capabilities, size, 0);
HVP_ASSERT_OFFSET(hvp_capabilities, reserved, 4);
HVP_ASSERT_OFFSET(hvp_capabilities, max_iova_width, 6);
HVP_ASSERT_OFFSET(hvp_capabilities, max_pasid_width, 7);
HVP_ASSERT_OFFSET(hvp_capabilities, iommu_cap, 8);
HVP_ASSERT_OFFSET(hvp_capabilities, pgsize_bitmap, 16);

/* hvp_get_device_property.code: the only one known [list] */
#define HVP_PROPERTY_PVIOMMU		10

/**
 * struct hvp_get_device_property - input of GET_DEVICE_PROPERTY [list]
 * @partition_id: HVP_PARTITION_ID_SELF
 * @device_id: logical device id, zero-extended
 * @code: HVP_PROPERTY_PVIOMMU
 * @reserved: zero
 */
struct hvp_get_device_property {
	__u64 partition_id;
	__u64 device_id;
	__u32 code;
	__u32 reserved;
};

HVP_ASSERT_SIZE(hvp_get_device_property, 24);
HVP_ASSERT_OFFSET(hvp_get_device_property, partition_id, 0);
HVP_ASSERT_OFFSET(hvp_get_device_property, device_id, 8);
HVP_ASSERT_OFFSET(hvp_get_device_property, code, 16);
HVP_ASSERT_OFFSET(hvp_get_device_property, reserved, 20);

/* hvp_device_property.device_iommu: the device is behind the pvIOMMU [list] */
#define HVP_DEVICE_IOMMU_ENABLED	0x1ULL

/**
 * struct hvp_device_property - output of GET_DEVICE_PROPERTY [list]
 * @device_iommu: HVP_DEVICE_IOMMU_*
 * @reserved: zero
 */
struct hvp_device_property {
	__u64 device_iommu;
	__u64 reserved;
};

HVP_ASSERT_SIZE(hvp_device_property, 16);
HVP_ASSERT_OFFSET(hvp_device_property, device_iommu, 0);
HVP_ASSERT_OFFSET(hvp_device_property, reserved, 8);

#endif
