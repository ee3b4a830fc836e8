# SPDX-License-Identifier: GPL-2.0
#: summary ids from GUIDs with byte 5 >= 0x80, and of many functions
#: hvsim --device dmaprobe,guid=01234567-8001-fff8-9abc-def012345678
#: hvsim --device dmaprobe,guid=01234567-13d7-4a5f-9abc-def012345678,functions=8
#: hvsim --device nvme,guid=01234567-ffff-0010-9abc-def012345678
#: append iommu.strict=1

load_all
wait_nvme
load_dmaprobe
n=0
while [ $n -lt 9 ]; do
	d=$(probe_dev $n) || break
	page=$(dmaprobe "$d" alloc 1)
	dmaprobe "$d" fill "$page" 0x11
	iova=$(dmaprobe "$d" map "$page" bidir)
	check "$d (group $(group_of "$d")) writes through its mapping" \
		dmaprobe "$d" write "$iova" 4096 0x22
	check "$d: memory changed" dmaprobe "$d" check "$page" 0x22
	dmaprobe "$d" unmap "$page"
	check_not "$d: and no more after unmap" \
		dmaprobe "$d" write "$iova" 64 0x33
	n=$((n + 1))
done
is $n 9 "nine functions on two buses"
is "$(hvctl iommu device dmaprobe0 | cut -d' ' -f2)" paging \
	"8001fff8 is attached"
is "$(hvctl iommu device dmaprobe1.7 | cut -d' ' -f2)" paging \
	"13d74a5f, function 7, is attached"
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" paging "ffff0010 is attached"
check "NVMe reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct
