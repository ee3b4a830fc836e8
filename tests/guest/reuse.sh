# SPDX-License-Identifier: GPL-2.0
# reuse DEVICE PAGES ROUNDS: maps one buffer and then another at, most of the
# time, the same address, and checks that the device never gets at the first
# one again and always sees the second one. The host caches a translation for
# ever once it was used, so each round begins with an access to both ends.

reuse() {
	local dev=$1 pages=$2 rounds=$3
	local end=$((pages * 4096 - 64))
	local old new iova second tail i=0 same=0 fresh=0 dead=0

	old=$(dmaprobe "$dev" alloc "$pages")
	new=$(dmaprobe "$dev" alloc "$pages")
	dmaprobe "$dev" fill "$old" 0x11
	dmaprobe "$dev" fill "$new" 0x22
	while [ $i -lt "$rounds" ]; do
		iova=$(dmaprobe "$dev" map "$old" bidir)
		tail=$(printf '0x%x' $((iova + end)))
		dmaprobe "$dev" read "$iova" 64 >/dev/null ||
			miss "round $i: the device reads the first page"
		dmaprobe "$dev" read "$tail" 64 >/dev/null ||
			miss "round $i: the device reads the last page"
		dmaprobe "$dev" unmap "$old"
		case $(dmaprobe "$dev" write "$tail" 64 0x99) in
		fault*) dead=$((dead + 1)) ;;
		esac
		second=$(dmaprobe "$dev" map "$new" bidir)
		if [ "$second" = "$iova" ]; then
			same=$((same + 1))
			dmaprobe "$dev" devfill 0
			dmaprobe "$dev" read "$tail" 64 >/dev/null
			dmaprobe "$dev" devcheck 64 0x22 >/dev/null &&
				fresh=$((fresh + 1))
		fi
		dmaprobe "$dev" unmap "$new"
		i=$((i + 1))
	done
	is $dead "$rounds" "access after unmap was rejected each time"
	[ $same -gt 0 ]
	is $? 0 "an address was used again ($same of $rounds times)"
	is $fresh $same "the new memory was seen each time"
	check "the old one is unchanged" dmaprobe "$dev" check "$old" 0x11
}
