# SPDX-License-Identifier: GPL-2.0
#: summary iommu=pt: identity domains, untranslated DMA, nothing flushed
#: hvsim --device nvme --device dmaprobe
#: append iommu=pt

load_all
wait_nvme
load_dmaprobe
dev=$(nvme_dev)
a=$(probe_dev)
is "$(group_type "$dev")" identity "NVMe: identity"
is "$(group_type "$a")" identity "dmaprobe: identity"
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" identity \
	"the host has it in an identity domain"

check "NVMe writes" dd if=/dev/urandom of=/tmp/data bs=64k count=32
check "NVMe takes them" dd if=/tmp/data of=/dev/nvme0n1 bs=64k \
	oflag=direct count=32
dd if=/dev/nvme0n1 of=/tmp/back bs=64k iflag=direct count=32 2>/dev/null
check "and gives them back" cmp /tmp/data /tmp/back

page=$(dmaprobe "$a" alloc 1)
dmaprobe "$a" fill "$page" 0x11
iova=$(dmaprobe "$a" map "$page" bidir)
is "$iova" "$(dmaprobe "$a" phys "$page")" "DMA address = physical address"
check "the device writes there" dmaprobe "$a" write "$iova" 4096 0x22
check "memory changed" dmaprobe "$a" check "$page" 0x22
is "$(calls flush)" 0 "no domain flush"
is "$(calls flush-list)" 0 "no list flush"
no_faults "identity"
