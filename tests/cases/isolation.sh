# SPDX-License-Identifier: GPL-2.0
#: core
#: summary DMA to what is not mapped, not writable, or another device's
#: hvsim --device dmaprobe --device dmaprobe
#: append iommu.strict=1

load_all
load_dmaprobe
a=$(probe_dev 0)
b=$(probe_dev 1)
is "$(group_type "$a")" DMA "a strict DMA domain"
[ "$(group_of "$a")" != "$(group_of "$b")" ]
is $? 0 "two buses, two groups"

# What a device writes there is an interrupt: nobody may get such an address.
regions=/sys/kernel/iommu_groups/$(group_of "$a")/reserved_regions
is "$(cat "$regions")" "0x00000000fee00000 0x00000000feefffff msi" \
	"the interrupt window is reserved, and nothing else"

# fault_is WHAT REASON COMMAND...: the device reports it, the host records it
fault_is() {
	local what=$1 reason=$2 n out
	shift 2
	n=$(faults)
	out=$(dmaprobe "$@" 2>&1)
	case $out in
	"fault $reason "*) pass "$what: rejected ($out)" ;;
	*) miss "$what: got '$out', want 'fault $reason'" ;;
	esac
	is "$(faults)" $((n + 1)) "$what: the host recorded one fault"
}

page=$(dmaprobe "$a" alloc 1)
dmaprobe "$a" fill "$page" 0x11
iova=$(dmaprobe "$a" map "$page" bidir)
note "mapped at $iova"
check "the device writes where it may" dmaprobe "$a" write "$iova" 4096 0x22
check "memory changed" dmaprobe "$a" check "$page" 0x22
dmaprobe "$a" devfill 0
check "the device reads where it may" dmaprobe "$a" read "$iova" 4096
check "it saw the memory" dmaprobe "$a" devcheck 4096 0x22
check "compare-and-swap" dmaprobe "$a" cas "$iova" 0x2222222222222222 \
	0x3333333333333333

dmaprobe "$a" fill "$page" 0x44
fault_is "never mapped, write" not-present "$a" write 0x13370000 64 0x55
fault_is "never mapped, read" not-present "$a" read 0x13370000 64
fault_is "the next page" not-present "$a" write \
	"$(printf '0x%x' $((iova + 4096)))" 8 0x55
fault_is "beyond the lower canonical half" range "$a" read \
	0x0000900000000000 8
phys=$(dmaprobe "$a" phys "$page")
fault_is "the physical address itself" not-present "$a" write "$phys" 64 0x55
fault_is "a write that runs out of the page" not-present "$a" write \
	"$(printf '0x%x' $((iova + 4096 - 32)))" 64 0x44
check "memory unchanged" dmaprobe "$a" check "$page" 0x44

dmaprobe "$a" unmap "$page"
fault_is "unmapped again, write" not-present "$a" write "$iova" 64 0x55
fault_is "unmapped again, read" not-present "$a" read "$iova" 64
fault_is "unmapped again, compare-and-swap" not-present "$a" cas "$iova" \
	0x4444444444444444 1
check "memory unchanged" dmaprobe "$a" check "$page" 0x44

iova=$(dmaprobe "$a" map "$page" to-device)
check "read-only: the device reads" dmaprobe "$a" read "$iova" 4096
fault_is "read-only: write" write-ro "$a" write "$iova" 64 0x55
fault_is "read-only: compare-and-swap" write-ro "$a" cas "$iova" \
	0x4444444444444444 1
check "memory unchanged" dmaprobe "$a" check "$page" 0x44
dmaprobe "$a" unmap "$page"

# The same in leaves of 2 MiB.
big=$(dmaprobe "$a" alloc 1024 contig)
dmaprobe "$a" fill "$big" 0x44
iova=$(dmaprobe "$a" map "$big" to-device)
is $((($(dmaprobe "$a" phys "$big") | iova) & 0x1fffff)) 0 \
	"4 MiB, aligned to 2 MiB on both sides"
for i in 0 511 1023; do
	at=$(printf '0x%x' $((iova + i * 4096)))
	check "read-only, large: page $i, the device reads" \
		dmaprobe "$a" read "$at" 4096
	fault_is "read-only, large: page $i, write" write-ro "$a" write "$at" \
		64 0x55
done
check "memory unchanged" dmaprobe "$a" check "$big" 0x44
dmaprobe "$a" unmap "$big"
dmaprobe "$a" free "$big"

# The other device has its own addresses: what it maps means nothing to a.
one=$(dmaprobe "$b" alloc 1)
dmaprobe "$b" fill "$one" 0x66
other=$(dmaprobe "$b" map "$one" bidir)
check "the owner writes" dmaprobe "$b" write "$other" 64 0x66
fault_is "another device's mapping" not-present "$a" write "$other" 64 0x55
check "memory unchanged" dmaprobe "$b" check "$one" 0x66
