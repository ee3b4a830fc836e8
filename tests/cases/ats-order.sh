# SPDX-License-Identifier: GPL-2.0
#: summary ATS: on when tables translate, off before a block, through resets
#: hvsim --iommu ats-requests=aligned,attach-atc=keep --device dmaprobe,ats --device dmaprobe,ats=unaligned
#: hvsim --device dmaprobe --iommu ats
#: append iommu.strict=1
#: timeout 300
#: allow-log@7.2 WARNING: .* at pci_dev_reset_iommu_done|Call Trace

# The host lets everything pass that a device has cached, and ends the run when
# ATS is on where it must not be. So most of what is tested here is that the
# guest survives it.

. /reuse.sh

# ats NAME: on or off
ats() { hvctl iommu ats "$1" | cut -d' ' -f1; }
is_ats() { [ "$(ats "$1")" = "$2" ]; }
cached() { hvctl iommu ats dmaprobe0 | cut -d' ' -f2; }
attached() { hvctl iommu device dmaprobe0 | cut -d' ' -f2; }
is_attached() { [ "$(attached)" = "$1" ]; }
is_absent() { [ "$(hvctl vpci state dmaprobe0)" = absent ]; }
driver() { echo "$a" >"/sys/bus/pci/drivers/dmaprobe/$1"; }
set_type() { echo "$1" >"/sys/kernel/iommu_groups/$(group_of "$a")/type"; }

# use_page WHAT: maps a page, which the device caches. Sets page, iova, phys.
use_page() {
	page=$(dmaprobe "$a" alloc 1)
	dmaprobe "$a" fill "$page" 0x11
	phys=$(dmaprobe "$a" phys "$page")
	iova=$(dmaprobe "$a" map "$page" bidir)
	check "$1: the device writes" dmaprobe "$a" write "$iova" 64 0x11
}

# cut_off WHAT: the page is unmapped, and the device hears of it
cut_off() {
	dmaprobe "$a" unmap "$page"
	is "$(dmaprobe "$a" write "$iova" 64 0x99)" "fault not-present $iova" \
		"$1: and no more after unmap"
	dmaprobe "$a" free "$page"
}

load_all
load_dmaprobe
a=$(probe_dev 0)
is "$(ats dmaprobe0)" on "ATS is on"
is "$(ats dmaprobe1)" off "not if requests are not page aligned"
is "$(ats dmaprobe2)" off "nor where there is none"

use_page "ATS"
is "$(cached)" 1 "the device caches a translation"
dmaprobe "$a" read "$iova" 64 >/dev/null
hits=$(hvctl iommu ats dmaprobe0 | cut -d' ' -f3)
[ "$hits" -gt 0 ]
is $? 0 "and uses it ($hits times)"
cut_off "ATS"
# On one processor, which has the address at hand that it has just freed.
taskset -p 1 $$ >/dev/null
reuse "$a" 1 10
reuse "$a" 16 5
taskset -p 3 $$ >/dev/null
is "$(hvctl iommu stale-hits)" 0 "nothing stale was used"

# From table to table, to no table and back: nothing is taken along, not even
# where a driver has left something mapped, so that it was never flushed.
leak_page() {
	use_page "$1"
	dmaprobe "$a" leak "$page"
}
leak_page "left mapped"
left=$iova
driver unbind
for type in identity DMA-FQ DMA; do
	check "to $type" set_type $type
	case $type in
	identity) is "$(ats dmaprobe0)" off "$type: ATS is off" ;;
	*) is "$(ats dmaprobe0)" on "$type: ATS is on" ;;
	esac
	driver bind
	case $type in
	identity) want="fault output $left" ;;
	*) want="fault not-present $left" ;;
	esac
	is "$(dmaprobe "$a" write "$left" 64 0x99)" "$want" \
		"$type: what was left mapped is forgotten"
	leak_page "$type"
	[ $type = identity ] || left=$iova
	driver unbind
done

# A move that fails, and what ATS is then.
host_fails() { hvctl iommu fail "$@" || give_up "hvctl iommu fail $*"; }
host_fails attach INSUFFICIENT_MEMORY
check_not "a move that fails" set_type identity
is "$(attached) $(ats dmaprobe0)" "paging on" "it is where it was, with ATS"
hvctl iommu config inuse=any
host_fails attach INSUFFICIENT_MEMORY 2 2
check_not "a move that fails on both ways" set_type identity
# The core of 6.12 asks for the old domain once more.
if since 6.12 && ! since 7.2; then
	is "$(attached) $(ats dmaprobe0)" "paging on" "asked again: it is back"
else
	is "$(attached) $(ats dmaprobe0)" "blocked off" \
		"it is blocked, without ATS"
fi
check "then it moves" set_type identity
is "$(attached) $(ats dmaprobe0)" "identity off" "identity, without ATS"
check "and back" set_type DMA
is "$(attached) $(ats dmaprobe0)" "paging on" "tables, with ATS"
hvctl iommu config inuse=same

# Resets, in the three states that a device can be in.
reset_device() { echo 1 >"/sys/bus/pci/devices/$a/reset"; }
driver bind
use_page "before a reset"
check "a reset" reset_device
is "$(ats dmaprobe0) $(cached)" "on 0" "after it: ATS on, nothing cached"
check "after it: the device writes" dmaprobe "$a" write "$iova" 64 0x11
is "$(cached)" 1 "and caches again"
cut_off "after it"
leak_page "before a block"
driver unbind

modprobe vfio-pci
modprobe vfio_iommu_type1
override=/sys/bus/pci/devices/$a/driver_override
echo vfio-pci >"$override"
echo "$a" >/sys/bus/pci/drivers_probe
vfio-probe claim "$a" "$iova" "$phys" >/tmp/claim 2>&1
is $? 0 "owned by VFIO: nothing that it had cached is reached"
is "$(attached) $(ats dmaprobe0)" "paging on" "given back: ATS on"
vfio-probe hold "$a" /tmp/held >/tmp/hold 2>&1 &
held=$!
check "owned by VFIO" wait_for 10 test -e /tmp/held
is "$(attached) $(ats dmaprobe0)" "blocked off" "blocked: ATS off"
check "blocked: a reset" reset_device
is "$(attached) $(ats dmaprobe0)" "blocked off" "blocked: ATS still off"
rm /tmp/held
wait $held
is $? 0 "given back"
vfio-probe run "$a" >/tmp/run 2>&1
is $? 0 "from user space: all $(grep -c '^ok' /tmp/run) tests held"
is "$(attached) $(ats dmaprobe0)" "paging on" "given back: ATS on again"
echo "$a" >"/sys/bus/pci/devices/$a/driver/unbind"
check "to identity" set_type identity
check "identity: a reset" reset_device
is "$(ats dmaprobe0)" off "identity: ATS still off"
check "back" set_type DMA
echo >"$override"
driver bind

# What cannot be flushed is blocked, and so must not be cached.
use_page "before flushes fail"
host_fails flush-list OPERATION_DENIED 1 all
host_fails flush OPERATION_DENIED 1 all
dmaprobe "$a" unmap "$page"
is "$(attached) $(ats dmaprobe0)" "blocked off" "no flush: blocked, ATS off"
is "$(dmaprobe "$a" write "$iova" 64 0x99)" "fault blocked $iova" \
	"no flush: the device does not reach what it had cached"
check "no flush: a reset" reset_device
is "$(attached) $(ats dmaprobe0)" "blocked off" "no flush: nothing has changed"
# 7.2 blocks devices with ATS during a reset, and warns if they do not get back.
n=0
! since 7.2 || n=1
is "$(dmesg | grep -c WARNING:)" $n "no flush: $n warnings of the core"
hvctl iommu fail clear
driver unbind
check "it moves" set_type identity
check "it moves back" set_type DMA
is "$(ats dmaprobe0)" on "ATS is on"
driver bind

# Removal.
for how in eject rescind; do
	use_page "before $how"
	check "$how" hvctl vpci $how dmaprobe0
	check "$how: the device goes" wait_for 60 is_absent
	check "$how: it comes again" hvctl vpci offer dmaprobe0
	check "$how: with a driver" wait_for 30 test -e "/dev/dmaprobe-$a"
	is "$(attached) $(ats dmaprobe0)" "paging on" "$how: ATS on"
	use_page "after $how"
	cut_off "after $how"
done
log_lacks "nothing about an ATS that is on already" "ats.c"

# A kernel before this one (kexec) left ATS on, and with it an address that the
# device has cached: played by this one without the module, while the host
# still has the device in the identity domain that it was in.
rmmod dmaprobe
check "to identity" set_type identity
host_fails attach INSUFFICIENT_MEMORY 1 all
host_fails detach INSUFFICIENT_MEMORY 1 all
unload_pci
rmmod hv_pviommu
hvctl iommu fail clear
load_pci
modprobe dmaprobe
check "without the module" wait_for 30 test -e "/dev/dmaprobe-$a"
is "$(attached)" identity "the device is left in a domain"
printf '\200' | dd of="/sys/bus/pci/devices/$a/config" bs=1 seek=263 \
	conv=notrunc 2>/dev/null
use_page "left over"
is "$iova $(ats dmaprobe0) $(cached)" "$phys on 1" "and has cached an address"
dmaprobe "$a" unmap "$page"
rmmod dmaprobe
check "the module loads" modprobe hv_pviommu
check "and takes the device" wait_for 10 is_attached paging
is "$(ats dmaprobe0)" on "ATS is on"
load_dmaprobe
is "$(dmaprobe "$a" write "$phys" 64 0x99)" "fault not-present $phys" \
	"what the device had cached it has forgotten"
use_page "with the module"
cut_off "with the module"

# The device goes, the host stays, and does not block it: detached is as good.
rmmod dmaprobe
host_fails attach INSUFFICIENT_MEMORY 1 all
unload_pci
hvctl iommu fail clear
is "$(attached) $(ats dmaprobe0)" "detached off" "not blocked, but detached"
rmmod hv_pviommu

# A host without ATS.
hvctl iommu config ats=0
load_all
load_dmaprobe
is "$(attached) $(ats dmaprobe0)" "paging off" "a host without ATS: off"
use_page "a host without ATS"
cut_off "a host without ATS"
