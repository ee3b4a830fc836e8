# SPDX-License-Identifier: GPL-2.0
#: core
#: summary strict mode: no access outlives its unmap, a new page is seen
#: hvsim --device dmaprobe
#: append iommu.strict=1

. /reuse.sh
load_all
load_dmaprobe
a=$(probe_dev)

reuse "$a" 1 50

# Several pages, unmapped at once: each of them dead.
n=16
big=$(dmaprobe "$a" alloc $n)
dmaprobe "$a" fill "$big" 0x33
iova=$(dmaprobe "$a" map "$big" bidir)
at() { printf '0x%x' $((iova + $1 * 4096)); }
i=0
while [ $i -lt $n ]; do
	dmaprobe "$a" read "$(at $i)" 64 >/dev/null || miss "page $i readable"
	i=$((i + 1))
done
dmaprobe "$a" unmap "$big"
i=0
dead=0
while [ $i -lt $n ]; do
	dmaprobe "$a" write "$(at $i)" 64 0x99 >/dev/null || dead=$((dead + 1))
	i=$((i + 1))
done
is $dead $n "all pages of a large mapping are dead after its unmap"
check "its memory is unchanged" dmaprobe "$a" check "$big" 0x33
is "$(hvctl iommu stale-hits)" 0 "no stale IOTLB entry was used"
