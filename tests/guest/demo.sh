# SPDX-License-Identifier: GPL-2.0
# What `make demo` runs in its guest. Lines of note() are shown to the user.

load_all
wait_nvme
load_dmaprobe
dev=$(nvme_dev)
a=$(probe_dev)

note ""
note "== IOMMU groups"
for g in /sys/kernel/iommu_groups/*; do
	for d in "$g"/devices/*; do
		d=${d##*/}
		drv=$(readlink "/sys/bus/pci/devices/$d/driver")
		note "group ${g##*/}: $d, driver ${drv##*/}, domain type $(cat "$g/type")"
	done
done
is "$(group_type "$dev")" DMA "the NVMe controller's domain type"

note ""
note "== fio: random writes, then verify every block by crc32c"
i0=$(nvme_ios)
f0=$(flush_calls)
c0=$(setup_calls)
l0=$(calls flush-list)
a0=$(all_calls)
fio --name=verify --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio \
	--iodepth=32 --rw=randwrite --bs=4k --size=24M --verify=crc32c \
	--verify_fatal=1 --do_verify=1 >/tmp/fio.log 2>&1
rc=$?
grep -E '^ *(read|write): ' /tmp/fio.log | while IFS= read -r l; do
	note "$l"
done
n=$(($(nvme_ios) - i0))
f=$(($(flush_calls) - f0))
c=$(($(setup_calls) - c0))
l1=$(calls flush-list)
all=$(($(all_calls) - a0))
is $rc 0 "fio verified its data"
no_faults "fio"
note "$n I/Os, verify errors: $([ $rc = 0 ] && echo none || echo SOME), translation faults: $(faults)"

note ""
note "== hypercalls by kind during these $n I/Os (strict mode)"
# row KIND CALLS
row() {
	if [ "$2" = 0 ]; then
		note "$(printf '%-34s %8s %14s' "$1" none -)"
	else
		note "$(printf '%-34s %8d %14s' "$1" "$2" \
			"$((n / $2)).$((n * 10 / $2 % 10))")"
	fi
}
note "$(printf '%-34s %8s %14s' kind calls 'I/Os per call')"
row "map" $((all - f - c))
row "unmap: flush of a range" $((l1 - l0))
row "unmap: flush of the whole domain" $((f - (l1 - l0)))
row "create, configure, attach, ..." $c
is $((all - f)) 0 "mapping makes no hypercall"

note ""
note "== DMA to an address that was never mapped"
page=$(dmaprobe "$a" alloc 1)
dmaprobe "$a" fill "$page" 0x11
iova=$(dmaprobe "$a" map "$page" bidir)
check "a mapped address" dmaprobe "$a" write "$iova" 64 0x11
note "the device writes to $iova, which is mapped: ok"
phys=$(dmaprobe "$a" phys "$page")
out=$(dmaprobe "$a" write "$phys" 64 0x55)
case $out in
fault*) pass "an unmapped address is rejected" ;;
*) miss "an unmapped address is rejected: $out" ;;
esac
note "the device writes to $phys, which is not: $out"
note "the host's record: $(hvctl iommu fault-last)"
check "memory unchanged" dmaprobe "$a" check "$page" 0x11
note "memory behind it: unchanged"
