# SPDX-License-Identifier: GPL-2.0
#: summary several functions in one group: VFIO, members that fail, removal
#: hvsim --device dmaprobe,functions=3,ats --device dmaprobe --iommu ats
#: append iommu.strict=1
#: timeout 300

drivers=/sys/bus/pci/drivers
ats() { hvctl iommu ats "dmaprobe0.$1" | cut -d' ' -f1; }
kind() { hvctl iommu device "dmaprobe0.$1" | cut -d' ' -f2; }
host_fails() { hvctl iommu fail "$@" || give_up "hvctl iommu fail $*"; }
refused() { hvctl iommu counts | awk '$1 == "attach" { print $3 }'; }
# members: where the host has them, and ATS of each
members() { echo "$(kind 0) $(kind 1) $(kind 2) $(ats 0) $(ats 1) $(ats 2)"; }
all_paging="paging paging paging on on on"
all_blocked="blocked blocked blocked off off off"
is_absent() { [ "$(hvctl vpci state dmaprobe0)" = absent ]; }

# to_driver NAME FUNCTION...
to_driver() {
	local name=$1 f
	shift
	for f in "$@"; do
		[ ! -e "/sys/bus/pci/devices/$f/driver" ] ||
			echo "$f" >"/sys/bus/pci/devices/$f/driver/unbind"
		echo "$name" >"/sys/bus/pci/devices/$f/driver_override"
		echo "$f" >/sys/bus/pci/drivers_probe
		is "$(basename "$(readlink "/sys/bus/pci/devices/$f/driver")")" \
			"$name" "${f##*.}: $name's"
	done
}

# writes WHAT FUNCTION: to a page of its own. Sets page, iova.
writes() {
	page=$(dmaprobe "$2" alloc 1)
	dmaprobe "$2" fill "$page" 0x11
	iova=$(dmaprobe "$2" map "$page" bidir)
	check "$1: ${2##*.} writes" dmaprobe "$2" write "$iova" 64 0x11
}

each_works() {
	local f
	for f in $fns; do
		writes "$1" "$f"
		dmaprobe "$f" unmap "$page"
		is "$(dmaprobe "$f" write "$iova" 64 0x99)" \
			"fault not-present $iova" "$1: and no more after unmap"
	done
}

load_all
load_dmaprobe
domains=$(hvctl iommu domain-count)
f0=$(probe_dev 0)
f1=$(probe_dev 1)
f2=$(probe_dev 2)
fns="$f0 $f1 $f2"
is "$(group_of "$f1") $(group_of "$f2")" "$(group_of "$f0") $(group_of "$f0")" \
	"one group"
[ "$(group_of "$f0")" != "$(group_of "$(probe_dev 3)")" ]
is $? 0 "the other bus is another one"
is "$domains" 4 "one domain each, and two for all"
is "$(members)" "$all_paging" "all three are in it, with ATS"
# 6.1 attaches a member when it joins the group and once more after that.
twice=2
since 6.12 && twice=0
is "$(refused)" $twice "the host heard of $twice of them twice"
is "$(loud_log)" "" "which is nothing to speak of"
each_works "at first"

# The group has one set of addresses, which every member may have cached.
writes "shared" "$f0"
for f in $f1 $f2; do
	check "shared: ${f##*.} can, too" dmaprobe "$f" read "$iova" 64
done
dmaprobe "$f0" unmap "$page"
for f in $fns; do
	is "$(dmaprobe "$f" write "$iova" 64 0x99)" "fault not-present $iova" \
		"shared: ${f##*.} cannot after unmap"
done
is "$(hvctl iommu stale-hits)" 0 "shared: nothing stale was used"

# 6.1 changes the type of groups of one device only.
calls=$(setup_calls)
type=/sys/kernel/iommu_groups/$(group_of "$f0")/type
check_not "another type is refused" sh -c "echo identity >$type"
is "$(setup_calls) $(group_type "$f0")" "$calls DMA" "nothing has changed"

modprobe vfio-pci
modprobe vfio_iommu_type1
to_driver vfio-pci "$f0" "$f1"
check_not "VFIO: not while a driver of the kernel has one" \
	vfio-probe run "$f0"
is "$(setup_calls)" "$calls" "VFIO: nothing has changed"
writes "VFIO: nothing has changed" "$f2"
to_driver vfio-pci "$f2"

vfio-probe hold "$f1" /tmp/held >/tmp/hold 2>&1 &
held=$!
check "VFIO owns the group" wait_for 10 test -e /tmp/held
is "$(members)" "$all_blocked" "all of it is blocked, without ATS"
check "a reset of one" sh -c "echo 1 >/sys/bus/pci/devices/$f2/reset"
is "$(members)" "$all_blocked" "nothing has changed"
rm /tmp/held
wait $held
is "$(members)" "$all_paging" "given back: all are in the default domain"
for f in $fns; do
	check "VFIO drives ${f##*.}" vfio-probe run "$f"
done
is "$(members)" "$all_paging" "given back again"

# A member is not blocked: the claim fails. 6.1's core leaves the ones that
# were asked before it as they are, and asks them again with the next claim;
# 6.12's puts them back.
for nth in 1 2 3; do
	host_fails attach INSUFFICIENT_MEMORY $nth
	check_not "number $nth is not blocked: the claim fails" \
		vfio-probe run "$f0"
	want=$all_paging
	since 6.12 || case $nth in
	2) want="blocked paging paging off on on" ;;
	3) want="blocked blocked paging off off on" ;;
	esac
	is "$(members)" "$want" "number $nth: where it was"
	check "number $nth: the next claim works" vfio-probe run "$f0"
	is "$(members)" "$all_paging" "number $nth: given back"
done

# A member does not get into VFIO's domain: the group stays in the one that it
# was in, the blocked one, until it is given back.
for nth in 1 2 3; do
	hvctl iommu reset-counts
	host_fails attach INSUFFICIENT_MEMORY $((3 + nth))
	check_not "number $nth gets no domain: VFIO hears of it" \
		vfio-probe run "$f0"
	# Blocked; tried; all of them, or from 6.12 on those that were tried, or
	# from 7.2 on those of them that have moved, blocked again; given back.
	again=3
	since 6.12 && again=$nth
	since 7.2 && again=$((nth - 1))
	is "$(calls attach)" $((3 + nth + again + 3)) \
		"number $nth: the group goes back"
	is "$(refused)" $((1 + again - nth + 1)) \
		"number $nth: where that is news for $((nth - 1))"
	is "$(members)" "$all_paging" "number $nth: given back"
	check "number $nth: then it works" vfio-probe run "$f0"
done
to_driver dmaprobe "$f0" "$f1" "$f2"
each_works "after VFIO"

# Removal of all, in use.
for f in $fns; do
	writes "before it goes" "$f"
done
check "rescind" hvctl vpci rescind dmaprobe0
check "all go" wait_for 30 is_absent
wait_for 10 test ! -e "/dev/dmaprobe-$f2"
is "$(hvctl iommu domain-count)" $((domains - 1)) "and their domain"
dmesg -c >/dev/null
check "hot-add" hvctl vpci offer dmaprobe0
for f in $fns; do
	check "${f##*.} is back" wait_for 30 test -e "/dev/dmaprobe-$f"
done
is "$(members)" "$all_paging" "in one domain again"
is "$(hvctl iommu domain-count)" "$domains" "as many domains as before"
is "$(loud_log)" "" "nothing above info in the log"
each_works "back"

# What all of them have cached cannot be flushed: none may get there any more.
writes "before the flush fails" "$f0"
for f in $f1 $f2; do
	check "before the flush fails: ${f##*.} writes there, too" \
		dmaprobe "$f" write "$iova" 64 0x11
done
host_fails flush-list INSUFFICIENT_MEMORY 1 all
host_fails flush INSUFFICIENT_MEMORY 1 all
dmaprobe "$f0" unmap "$page"
host_fails clear
is "$(members)" "$all_blocked" "a flush fails: all three are blocked, without ATS"
for f in $fns; do
	is "$(dmaprobe "$f" write "$iova" 64 0x99)" "fault blocked $iova" \
		"a flush fails: ${f##*.} reaches nothing"
done
check "a flush fails: memory unchanged" dmaprobe "$f0" check "$page" 0x11
log_has "a flush fails: the log says so" \
	"hv_pviommu: domain [0-9]+ cannot be flushed: its devices are blocked"

# A member that does not get into the group when it appears.
hvctl vpci rescind dmaprobe0
check "all go" wait_for 30 is_absent
wait_for 10 test ! -e "/dev/dmaprobe-$f2"
host_fails attach INSUFFICIENT_MEMORY 2
hvctl vpci offer dmaprobe0
for f in $fns; do
	check "${f##*.} is back" wait_for 30 test -e "/dev/dmaprobe-$f"
done
is "$(members)" "paging unattached paging on off on" \
	"the second is left untranslated, the others are not"
check_not "it is in no group" group_of "$f1"
log_has "the log says so" "hv_pviommu: ATTACH_DOMAIN .*0xb"
for f in $f0 $f2; do
	writes "a member is missing" "$f"
done
hvctl vpci rescind dmaprobe0
check "all go" wait_for 30 is_absent
wait_for 10 test ! -e "/dev/dmaprobe-$f2"
is "$(hvctl iommu domain-count)" $((domains - 1)) "and their domain"
