# SPDX-License-Identifier: GPL-2.0
#: summary page tables that an unmap frees are not walked any more
#: hvsim --device dmaprobe --iommu pgsizes=4k,listwalk=0
#: append iommu.strict=1

# The worst host: its walk caches keep what a flush of pages alone need not
# drop. 2 MiB in 4 KiB pages are a table of their own, which goes with them.
load_all
modprobe dmaprobe || give_up "modprobe dmaprobe"
a=$(probe_dev)
wait_for 10 test -e "/dev/dmaprobe-$a" || give_up "/dev/dmaprobe-$a"

old=$(dmaprobe "$a" alloc 512)
new=$(dmaprobe "$a" alloc 512)
last=$((511 * 4096))
at() { printf '0x%x' $(($1 + $2)); }

same=0
fresh=0
dead=0
i=0
while [ $i -lt 10 ]; do
	dmaprobe "$a" fill "$old" 0x11
	dmaprobe "$a" fill "$new" 0x22
	iova=$(dmaprobe "$a" map "$old" bidir)
	dmaprobe "$a" read "$iova" 64 >/dev/null || miss "round $i: first page"
	dmaprobe "$a" read "$(at "$iova" $last)" 64 >/dev/null ||
		miss "round $i: last page"
	dmaprobe "$a" unmap "$old"
	case $(dmaprobe "$a" write "$(at "$iova" $last)" 64 0x99) in
	fault*) dead=$((dead + 1)) ;;
	esac
	second=$(dmaprobe "$a" map "$new" bidir)
	if [ "$second" = "$iova" ]; then
		same=$((same + 1))
		dmaprobe "$a" devfill 0
		dmaprobe "$a" read "$(at "$iova" $last)" 64 >/dev/null
		dmaprobe "$a" devcheck 64 0x22 >/dev/null && fresh=$((fresh + 1))
	fi
	dmaprobe "$a" unmap "$new"
	i=$((i + 1))
done
is $dead 10 "2 MiB are out of reach after their unmap"
[ $same -gt 0 ]
is $? 0 "their address was used again ($same of 10 times)"
is $fresh $same "the new memory was seen each time"
check "the old one is unchanged" dmaprobe "$a" check "$old" 0x11
[ "$(calls flush)" -ge 20 ]
is $? 0 "a whole-domain flush for each table ($(calls flush))"
