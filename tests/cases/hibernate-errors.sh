# SPDX-License-Identifier: GPL-2.0
#: summary hibernation that the host disturbs: refused, or one device is lost
#: hvsim --mem 256 --device nvme,size=64M --device dmaprobe --device dmaprobe
#: append iommu.strict=1
#: timeout 240

# There is no swap: all is frozen, the image made, and all woken up again,
# which is what this is about.
load_in_order
wait_nvme
load_dmaprobe
a=$(probe_dev 0)
b=$(probe_dev 1)

# rebind TYPE: b's driver finds another type of domain
rebind() {
	local driver=/sys/bus/pci/drivers/dmaprobe

	echo "$b" >$driver/unbind
	echo "$1" >"/sys/kernel/iommu_groups/$(group_of "$b")/type" ||
		miss "type $1 for $b"
	echo "$b" >$driver/bind
	wait_for 10 test -e "/dev/dmaprobe-$b" || give_up "/dev/dmaprobe-$b"
}

# In the order of the domains b's is the last.
fresh_domain() {
	rebind identity
	rebind DMA
}

dd if=/dev/urandom of=/dev/nvme0n1 bs=1M count=2 oflag=direct 2>/dev/null
# A disk that cannot reach memory keeps its reader waiting, for ever in the end:
# so nobody waits for the reader, only for what it has found.
data_sum() {
	rm -f /tmp/sum /tmp/sum.new
	{
		dd if=/dev/nvme0n1 bs=1M count=2 iflag=direct 2>/dev/null |
			md5sum >/tmp/sum.new
		mv /tmp/sum.new /tmp/sum
	} >/dev/null &
	wait_for 30 test -e /tmp/sum && cat /tmp/sum
}
sum=$(data_sum)
kept=$(dmaprobe "$a" alloc 1)
kept_iova=$(dmaprobe "$a" map "$kept" bidir)

# disk_works WHAT, probe_works WHAT DEVICE. Without the disk nothing that follows
# says anything: what it has under way makes the next hibernation hang.
disk_works() {
	[ "$(data_sum)" = "$sum" ] || give_up "$1: the disk works"
	pass "$1: the disk works"
}
probe_works() {
	local page iova

	page=$(dmaprobe "$2" alloc 1)
	dmaprobe "$2" fill "$page" 0x11
	iova=$(dmaprobe "$2" map "$page" bidir)
	check "$1: $2 reaches what is mapped" dmaprobe "$2" write "$iova" 64 \
		0x11
	dmaprobe "$2" unmap "$page"
	is "$(dmaprobe "$2" write "$iova" 64 0x22)" "fault not-present $iova" \
		"$1: but not when it is unmapped"
	check "$1: memory unchanged" dmaprobe "$2" check "$page" 0x11
	dmaprobe "$2" free "$page"
}
most_works() {
	disk_works "$1"
	dmaprobe "$a" fill "$kept" 0x33
	check "$1: $a writes through its old mapping" \
		dmaprobe "$a" write "$kept_iova" 4096 0x44
	check "$1: and reaches the same memory" \
		dmaprobe "$a" check "$kept" 0x44
	probe_works "$1" "$a"
}
all_works() {
	most_works "$1"
	probe_works "$1" "$b"
}

kinds() { hvctl iommu domains | sort -n | cut -d' ' -f1,2,4 | xargs; }
attached() { hvctl iommu device dmaprobe1; }

# cycle: leaves in $image what came of it
cycle() {
	dmesg -c >/dev/null
	echo disk >/sys/power/state
	# What is said of an image that was made.
	image=$(dmesg | grep -c 'Cannot find swap device')
	hvctl iommu fail clear
}
# kinds_are WANT WHAT: else the case ends. A disk that is blocked now would hang.
kinds_are() {
	local got
	got=$(kinds)
	[ "$got" = "$1" ] || give_up "$2: got '$got', want '$1'"
	pass "$2"
}
# said TIMES REGEX WHAT
said() { is "$(own_log | grep -cE "$2")" "$1" "$3"; }

fresh_domain
before=$(kinds)
cycle
is "$image" 1 "a good host: the image is made"
is "$(loud_log)" "" "a good host: nothing above info in the log"
kinds_are "$before" "a good host: same domains, same devices in them"
all_works "a good host"

# A device that stays where it is would not be found there again.
hvctl iommu fail attach ACCESS_DENIED 2
hvctl iommu fail detach ACCESS_DENIED 2
cycle
is "$image" 0 "a device does not leave its domain: no hibernation"
said 1 "ATTACH_DOMAIN .*0x6 .*: the device stays where it was" \
	"and the log says so"
kinds_are "$before" "same domains, same devices in them"
all_works "refused"

# What blocks or detaches is as good as both.
for call in attach detach; do
	hvctl iommu fail $call ACCESS_DENIED 1 3
	cycle
	is "$image" 1 "no $call on the way down: the image is made"
	kinds_are "$before" "no $call: same domains, same devices in them"
	all_works "no $call"
done

hvctl iommu fail delete ACCESS_DENIED 1 5
cycle
is "$image" 1 "nothing is deleted: the image is made"
said 5 "domain . is in the host already, from an earlier kernel: it goes" \
	"the domains in the way are gone afterwards"
kinds_are "$before" "nothing deleted: same domains, same devices in them"
all_works "nothing deleted"

hvctl iommu fail delete ACCESS_DENIED 1 5
hvctl iommu fail detach ACCESS_DENIED 1 3
cycle
said 0 "an earlier kernel: it stays" "nothing is deleted nor detached: all goes afterwards"
kinds_are "$before" "neither: same domains, same devices in them"
all_works "neither"

hvctl iommu fail configure INSUFFICIENT_MEMORY 5
cycle
kinds_are "$before" "a domain at the second try: same domains and devices"
all_works "second try"

# b cannot have its domain back. Nothing of it is in the host, so nothing is
# flushed.
lost() {
	is "$image" 1 "$1: the image is made"
	said 1 "$b: the host does not take it back into domain 5: it stays blocked" \
		"$1: the log says so"
	is "$(attached)" "2 blocked" "$1: the device is blocked"
	page=$(dmaprobe "$b" alloc 1)
	dmaprobe "$b" fill "$page" 0x11
	iova=$(dmaprobe "$b" map "$page" bidir)
	dmaprobe "$b" write "$iova" 64 0x22 >/dev/null
	check "$1: and reaches nothing" dmaprobe "$b" check "$page" 0x11
	n=$(flush_calls)
	dmaprobe "$b" unmap "$page"
	dmaprobe "$b" free "$page"
	is $(($(flush_calls) - n)) "$2" "$1: flushes of its domain"
	log_lacks "$1: no flush failed" "hv_pviommu: .*FLUSH"
	most_works "$1"
	fresh_domain
	is "$(attached)" "5 paging" "$1: another domain for it is no problem"
	all_works "$1, after that"
}
hvctl iommu fail create INSUFFICIENT_MEMORY 5 3
cycle
said 1 "the host does not take back 1 domains after hibernation" \
	"no domain for a device: the log says so"
lost "no domain" 0
hvctl iommu fail attach ACCESS_DENIED 6
cycle
lost "no way into the domain" 1

# One that is neither deleted on the way down nor on the way up.
hvctl iommu fail delete ACCESS_DENIED 1 6
let_it_say
cycle
said 1 "domain 1 is in the host already, from an earlier kernel: it stays" \
	"an id that is not to be had: the log says so"
kinds_are "1 identity - ${before#1 identity - } 6 identity -" \
	"an id not to be had: another one is used"
all_works "an id not to be had"

hvctl iommu config unload=drop
cycle
is "$(loud_log)" "" "a host that forgets: nothing above info in the log"
kinds_are "${before#1 identity - } 6 identity -" \
	"a host that forgets: same domains, same devices in them"
all_works "a host that forgets"
