# SPDX-License-Identifier: GPL-2.0
#: summary the test device: buffers, interrupts, removal while it is in use
#: hvsim --device dmaprobe
#: append iommu.strict=1

load_all
load_dmaprobe
a=$(probe_dev)
node=/dev/dmaprobe-$a

# Every way to get a buffer; 64 KiB of 20 pages, so that the rest shows what
# the device must not touch.
for kind in pages contig coherent; do
	b=$(dmaprobe "$a" alloc 20 $kind)
	[ $kind = coherent ] ||
		check "$kind: map" dmaprobe "$a" map "$b" bidir
	check "$kind: the CPU fills it" dmaprobe "$a" fill "$b" 0x21
	iova=$(dmaprobe "$a" iova "$b")
	check "$kind: the device reads it" dmaprobe "$a" read "$iova" 65536
	check "$kind: and has the data" dmaprobe "$a" devcheck 65536 0x21
	check "$kind: the device writes" dmaprobe "$a" write "$iova" 65536 0x22
	check "$kind: the CPU sees it" dmaprobe "$a" check "$b" 0x22 0 65536
	check "$kind: but for the rest" dmaprobe "$a" check "$b" 0x21 65536
	check_not "$kind: a difference is told" dmaprobe "$a" check "$b" 0x21

	# Any byte, also where single pages are scattered in memory.
	far=$(dmaprobe "$a" iova "$b" 0x3010)
	is "$far" "$(printf '0x%x' $((iova + 0x3010)))" \
		"$kind: contiguous for the device"
	check "$kind: poke" dmaprobe "$a" poke "$b" 0x3010 0x1122334455667788
	is "$(dmaprobe "$a" peek "$b" 0x3010)" 0x1122334455667788 "$kind: peek"
	is "$(dmaprobe "$a" cas "$far" 1 2)" \
		"differs 0x1122334455667788 at $far" \
		"$kind: compare-and-swap with the wrong value"
	check "$kind: and with the right one" \
		dmaprobe "$a" cas "$far" 0x1122334455667788 2
	is "$(dmaprobe "$a" peek "$b" 0x3010)" 0x0000000000000002 \
		"$kind: the new value is in memory"
done

check "a delayed command" dmaprobe -d "$a" read "$iova" 64
check "a command with an interrupt" dmaprobe -i "$a" read "$iova" 64
check "both" dmaprobe -d -i "$a" read "$iova" 64
irqs=$(awk '/dmaprobe/ { for (i = 2; i < NF && $i ~ /^[0-9]+$/; i++) n += $i }
	END { print n + 0 }' /proc/interrupts)
is "$irqs" 2 "interrupts that arrived"
is "$(dmaprobe "$a" faults)" 0 "the device saw no fault"
no_faults "buffers"
dmaprobe "$a" read 0x1000 8 >/dev/null
is $? 1 "exit code of a fault"
is "$(dmaprobe "$a" faults)" 1 "the device counted it"
dmaprobe "$a" frob 2>/dev/null
is $? 2 "exit code of an unknown command"
dmaprobe "$a" read x 8 2>/dev/null
is $? 2 "exit code of a bad number"

# The device goes while a file is open on it and programs hammer it. The
# domain goes with it, although the open file keeps the driver's data alive.
is_gone() {
	[ "$(hvctl vpci state dmaprobe0)" = absent ] && [ ! -e "$node" ]
}

hammer() {
	local i=0
	while [ $i -lt 40 ]; do
		dmaprobe "$a" write "$i" 64 1 >/dev/null 2>&1
		i=$((i + 1))
	done
}

domains=$(hvctl iommu domain-count)
for how in eject rescind; do
	exec 3<>"$node"
	jobs=
	for n in 1 2 3 4; do
		hammer &
		jobs="$jobs $!"
	done
	check "$how" hvctl vpci $how dmaprobe0
	check "$how: the device goes" wait_for 60 is_gone
	# shellcheck disable=SC2086
	wait $jobs
	is "$(dmaprobe /proc/self/fd/3 faults 2>&1)" \
		"dmaprobe: cannot open /proc/self/fd/3: No such device" \
		"$how: the node cannot be opened any more"
	is "$(hvctl iommu domain-count)" $((domains - 1)) \
		"$how: no stale domain in the host"
	check_not "$how: rmmod is refused, a file is open" rmmod dmaprobe
	exec 3<&-

	check "$how: hot-add" hvctl vpci offer dmaprobe0
	check "$how: it comes back" wait_for 30 test -e "$node"
	b=$(dmaprobe "$a" alloc 2)
	check "$how: it maps" dmaprobe "$a" map "$b" from-device
	check "$how: it writes" \
		dmaprobe "$a" write "$(dmaprobe "$a" iova "$b")" 64 0x33
	check "$how: memory changed" dmaprobe "$a" check "$b" 0x33 0 64
	is "$(hvctl iommu domain-count)" "$domains" \
		"$how: as many domains as before"
done

# Surprise removal with a mapping alive, and nobody there.
check "rescind of a device with a mapped buffer" hvctl vpci rescind dmaprobe0
check "it goes" wait_for 60 is_gone
is "$(hvctl iommu domain-count)" $((domains - 1)) "no stale domain in the host"
check "rmmod dmaprobe" rmmod dmaprobe
