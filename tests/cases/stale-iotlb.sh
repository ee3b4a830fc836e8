# SPDX-License-Identifier: GPL-2.0
#: summary strict mode: no access outlives its unmap, a new page is seen
#: hvsim --device dmaprobe
#: append iommu.strict=1

load_all
modprobe dmaprobe || give_up "modprobe dmaprobe"
a=$(probe_dev)
wait_for 10 test -e "/dev/dmaprobe-$a" || give_up "/dev/dmaprobe-$a"

# The host caches a translation for ever once it was used, so each round
# begins with an access.
old=$(dmaprobe "$a" alloc 1)
new=$(dmaprobe "$a" alloc 1)
same=0
dead=0
fresh=0
i=0
while [ $i -lt 50 ]; do
	dmaprobe "$a" fill "$old" 0x11
	dmaprobe "$a" fill "$new" 0x22
	iova=$(dmaprobe "$a" map "$old" bidir)
	dmaprobe "$a" read "$iova" 64 >/dev/null
	dmaprobe "$a" unmap "$old"
	case $(dmaprobe "$a" write "$iova" 64 0x99) in
	fault*) dead=$((dead + 1)) ;;
	esac
	second=$(dmaprobe "$a" map "$new" bidir)
	if [ "$second" = "$iova" ]; then
		same=$((same + 1))
		dmaprobe "$a" devfill 0
		dmaprobe "$a" read "$iova" 64 >/dev/null
		dmaprobe "$a" devcheck 64 0x22 && fresh=$((fresh + 1))
	fi
	dmaprobe "$a" unmap "$new"
	dmaprobe "$a" check "$old" 0x11 >/dev/null || miss "round $i: old page hit"
	i=$((i + 1))
done
is $dead 50 "access after unmap was rejected each time"
[ $same -gt 0 ]
is $? 0 "an address was used for another page ($same of 50 times)"
is $fresh $same "the new page was seen each time"

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
