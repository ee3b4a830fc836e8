# SPDX-License-Identifier: GPL-2.0
#: summary hibernation: hosts that remember, forget, or refuse; image on NVMe
#: hvsim --mem 256 --device nvme,size=112M --device dmaprobe --device dmaprobe
#: hvsim --on-reset reboot --strict-exit
#: append iommu.strict=1 hibernate=nocompress
#: stages 4
#: timeout 480
#: allow-log@7.2 Call Trace:

# 7.x may say how it came that kswapd has not got a page while there was made
# room for the image.

SWAP_KIB=102400		# the rest of the disk is for data
DATA_MIB=101
DATA_LEN=4

data_sum() {
	dd if=/dev/nvme0n1 bs=1M skip=$DATA_MIB count=$DATA_LEN iflag=direct \
		2>/dev/null | md5sum
}

# ---- kernels that only read an image, to be replaced by it ----

# What each finds and leaves in the host is the point:
# 2 is as this one, and cleans up;
# 3 leaves its domains, with other tables, under the ids of the image's, and
#   the devices in them;
# 4 has no IOMMU.
if [ "$STAGE" -gt 1 ]; then
	[ "$STAGE" != 4 ] || echo 'options hv_pviommu disable=1' \
		>/etc/modprobe.d/test.conf
	load_all
	wait_nvme
	load_dmaprobe
	n=$(hvctl iommu domain-count)
	case $STAGE in
	2) is "$n" 5 "kernel 2 has domains of its own" ;;
	3)
		is "$n" 5 "kernel 3 has domains of its own"
		# Its tables are going to be overwritten by the image.
		hvctl iommu forgive
		hvctl iommu fail delete OPERATION_FAILED 1 5
		hvctl iommu fail detach OPERATION_FAILED 1 3
		;;
	4) is "$n" 0 "kernel 4 has no domains" ;;
	esac
	cat /sys/block/nvme0n1/dev >/sys/power/resume
	give_up "kernel $STAGE: the image is resumed"
fi

# ---- the kernel that sleeps ----

load_in_order
wait_nvme
load_dmaprobe
a=$(probe_dev 0)
b=$(probe_dev 1)

# What the host has: domains, and who is in which.
host_state() { hvctl iommu domains | sort -n | cut -d' ' -f1-4; }

# rebind TYPE: b's driver finds another type of domain, and gets a new buffer
rebind() {
	local driver=/sys/bus/pci/drivers/dmaprobe

	echo "$b" >$driver/unbind
	echo "$1" >"/sys/kernel/iommu_groups/$(group_of "$b")/type" ||
		miss "type $1 for $b"
	echo "$b" >$driver/bind
	wait_for 10 test -e "/dev/dmaprobe-$b" || give_up "/dev/dmaprobe-$b"
	direct=$(dmaprobe "$b" alloc 1)
	dmaprobe "$b" map "$direct" bidir >/dev/null
}

# Reads all the time, and counts what was wrong.
reader() {
	while :; do
		[ "$(data_sum)" = "$sum" ] || echo bad >>/tmp/reader
		echo >>/tmp/reads
	done
}

dd if=/dev/urandom of=/tmp/data bs=1M count=$DATA_LEN 2>/dev/null
sum=$(md5sum </tmp/data)
dd if=/tmp/data of=/dev/nvme0n1 bs=1M seek=$DATA_MIB oflag=direct 2>/dev/null
is "$(data_sum)" "$sum" "the disk takes data"
rm /tmp/data

# One mapping that lasts, and one device without tables.
kept=$(dmaprobe "$a" alloc 2)
kept_iova=$(dmaprobe "$a" map "$kept" bidir)
rebind identity
state=$(host_state)
reader &
reader=$!

# works WHAT: all devices do, through the same domains as before
works() {
	local page iova n

	n=$(wc -l </tmp/reads)
	is "$(host_state | head -n 4)" "$state" \
		"$1: same domains, same devices in them"
	is "$(data_sum)" "$sum" "$1: the disk has its data"
	dmaprobe "$a" fill "$kept" 0x11
	check "$1: the device writes through its old mapping" \
		dmaprobe "$a" write "$kept_iova" 8192 0x22
	check "$1: and reaches the same memory" \
		dmaprobe "$a" check "$kept" 0x22
	is "$(dmaprobe "$a" write 0x13370000 64)" \
		"fault not-present 0x13370000" "$1: nothing else"
	page=$(dmaprobe "$a" alloc 1)
	dmaprobe "$a" fill "$page" 0x33
	iova=$(dmaprobe "$a" map "$page" bidir)
	check "$1: new mappings work" dmaprobe "$a" write "$iova" 64 0x33
	dmaprobe "$a" unmap "$page"
	is "$(dmaprobe "$a" write "$iova" 64 0x44)" \
		"fault not-present $iova" "$1: and end"
	check "$1: memory unchanged" dmaprobe "$a" check "$page" 0x33
	dmaprobe "$a" free "$page"
	check "$1: the identity device writes" dmaprobe "$b" write \
		"$(dmaprobe "$b" phys "$direct")" 64 0x55
	check "$1: and reaches memory" dmaprobe "$b" check "$direct" 0x55 0 64
	wait_for 10 more_reads $((n + 2)) || miss "$1: the reader goes on"
	check_not "$1: reads were right" test -e /tmp/reader
	is "$(faults)" 2 "$1: no other faults"
	hvctl iommu faults-clear
}
more_reads() { [ "$(wc -l </tmp/reads)" -ge "$1" ]; }

works "before"
is "$(loud_log)" "" "nothing above info in the log"

# Without room for the image all is frozen, copied, and woken up again.
echo reboot >/sys/power/disk
hvctl iommu reset-counts
check_not "no swap: no hibernation" sh -c 'echo disk >/sys/power/state'
for call in create delete configure; do
	is "$(calls $call)" 4 "no swap: $call, once per domain"
done
works "no swap"
is "$(loud_log)" "" "no swap: nothing above info in the log"

mkswap /dev/nvme0n1 $SWAP_KIB >/dev/null
check "swap on the disk" swapon /dev/nvme0n1

# sleep_and WHAT MODE BOOTS LINES: once over the disk, BOOTS times by now; the
# module logs LINES lines
sleep_and() {
	echo "$2" >/sys/power/disk
	dmesg -c >/dev/null
	check "$1: back from hibernation" sh -c 'echo disk >/sys/power/state'
	is "$(hvctl boots)" "$3" "$1: the machine has started again"
	works "$1"
	is "$(loud_log)" "" "$1: nothing above info in the log"
	is "$(own_log | wc -l)" "$4" "$1: $4 lines in the log"
}

sleep_and "clean" platform 1 0

sleep_and "kept" reboot 2 4
is "$(own_log | grep -c 'in the host already, from an earlier kernel: it goes')" \
	4 "kept: the domains in the way are gone"
# One more is in nobody's way, until its id is needed.
is "$(hvctl iommu domain-count)" 5 "kept: one is left"
rebind DMA
rebind identity
works "kept, and a new domain"

sleep_and "lost" reboot 3 0
kill $reader
