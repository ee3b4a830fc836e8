# SPDX-License-Identifier: GPL-2.0
#: summary devices that come and go in the middle of a registration or a late probe
#: hvsim --device dmaprobe --device dmaprobe --device dmaprobe --device dmaprobe,absent
#: append iommu.strict=1
#: timeout 600

# dmaprobe0 to 2 have drivers when the module is loaded, dmaprobe3 is hot-added.
added=2003:00:00.0
stall=/sys/module/stall/parameters

is_held_up() { [ "$(cat $stall/reached)" = Y ]; }

# is_waiting PID: the process sleeps without a break for a second, in the kernel
is_waiting() {
	local n=0
	while [ $n -lt 10 ]; do
		grep -q '^State:[[:space:]]*D' "/proc/$1/status" || return 1
		n=$((n + 1))
		sleep 0.1
	done
}

# Whoever adds or removes a device has to wait until hv_pviommu has registered.
somebody_waits() {
	cat /proc/[0-9]*/stack 2>/dev/null | grep -q notify_before_core
}

unbind() { echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"; }

# is_translated WHAT DEVICE BUS: with a driver, which does DMA
is_translated() {
	local page iova
	check "$1: it has a group" has_group "$2"
	is "$(kind_of "$3")" paging "$1: in a paging domain"
	[ -e "/sys/bus/pci/devices/$2/driver" ] ||
		echo "$2" >/sys/bus/pci/drivers/dmaprobe/bind
	wait_for 60 test -e "/dev/dmaprobe-$2" || give_up "$1: it has a driver"
	page=$(dmaprobe "$2" alloc 1)
	iova=$(dmaprobe "$2" map "$page" bidir)
	check "$1: it writes" dmaprobe "$2" write "$iova" 4096 0x22
	dmaprobe "$2" unmap "$page"
	is "$(dmaprobe "$2" write "$iova" 64 0x33)" \
		"fault not-present $iova" "$1: and no more after unmap"
	check "$1: memory unchanged" dmaprobe "$2" check "$page" 0x22
}

# hold_up FUNCTION [PARAMETER...]: whoever calls it next
hold_up() {
	local f=$1
	shift
	modprobe stall function="$f" "$@" || give_up "modprobe stall $f"
}

# let_go: it goes on
let_go() { echo 1 >$stall/go; }

load_pci
load_dmaprobe
a=$(probe_dev 0)
b=$(probe_dev 1)
c=$(probe_dev 2)

# A device is on the bus, and the IOMMU core is going to hear of it, when the
# module is loaded.
hold_up dpm_sysfs_add device=$added
hvctl vpci offer dmaprobe3
wait_for 60 is_held_up || give_up "the added device is held up"
# In the background, as insmod may wait for whoever adds it, when all is done.
insmod "$(modinfo -n hv_pviommu)" &
loader=$!
wait_for 60 eval 'untranslated_list | grep -q $added' ||
	give_up "the module knows the added device"
check_not "loaded while a device is added: it is left alone" has_group $added
let_go
wait $loader
is $? 0 "loaded while a device is added: the module is loaded"
wait_for 60 test -e /dev/dmaprobe-$added || give_up "the added device is there"
is_translated "loaded while a device is added" $added dmaprobe3
rmmod stall
take_away dmaprobe3 || give_up "dmaprobe3 goes"
check "as nothing is translated the module goes" rmmod hv_pviommu

# A device is added while the module registers.
hold_up iommu_device_register
insmod "$(modinfo -n hv_pviommu)" &
loader=$!
wait_for 60 is_held_up || give_up "the registration is held up"
hvctl vpci offer dmaprobe3
check "added while the module registers: it waits, or is there" \
	wait_for 60 eval '[ -e /dev/dmaprobe-$added ] || somebody_waits'
let_go
wait $loader
is $? 0 "the module is loaded"
wait_for 60 test -e /dev/dmaprobe-$added || give_up "the added device is there"
is_translated "added while the module registers" $added dmaprobe3
take_away dmaprobe3 || give_up "dmaprobe3 goes"
rmmod stall

# A device is being probed because it is added, when another one is unbound.
# From 6.15 on the core gives up its lock in the middle of that.
point=hv_pviommu:probe_device
since 6.15 && point=pci_dma_configure
hold_up $point device=$added
hvctl vpci offer dmaprobe3
wait_for 60 is_held_up || give_up "the probe of the added device is held up"
unbind "$a" &
unbinder=$!
wait_for 60 eval 'has_group "$a" || is_waiting $unbinder' ||
	give_up "the unbound device is adopted, or waits"
let_go
wait $unbinder
is_translated "unbound while another one is added" "$a" dmaprobe0
wait_for 60 test -e /dev/dmaprobe-$added || give_up "the added device is there"
is_translated "added while another one is unbound" $added dmaprobe3
rmmod stall

# A platform device goes while the core asks about it for the sake of another.
hold_up hv_pviommu:probe_device device=stall-platform platform=1
unbind "$b" &
unbinder=$!
wait_for 60 is_held_up || give_up "the question about a platform device is held up"
echo 1 >$stall/unplug
wait_for 60 eval '[ ! -e /sys/devices/platform/stall-platform ] ||
	somebody_waits' || give_up "the platform device goes, or waits"
let_go
wait $unbinder
check "the platform device goes" \
	wait_for 60 test ! -e /sys/devices/platform/stall-platform
is_translated "unbound while a platform device goes" "$b" dmaprobe1
rmmod stall

# A driver lets go of its device when the system is about to sleep. (It does
# not sleep: there is nowhere to write its memory to.)
modprobe stall unbind="$c" || give_up "modprobe stall"
check_not "the system does not sleep without swap space" \
	sh -c 'echo disk >/sys/power/state'
log_has "unbound before hibernation, a device is not taken over then" \
	"$c is unbound before hibernation, not taken over"
check "it is when the system goes on" wait_for 60 has_group "$c"
is_translated "unbound before hibernation" "$c" dmaprobe2
is_translated "in use during hibernation" $added dmaprobe3
rmmod stall

is "$(untranslated)" 0 "nothing is untranslated"
is "$(cat /sys/class/iommu/hv-pviommu/translated)" 4 "four are translated"
for n in 0 1 2 3; do
	take_away dmaprobe$n || give_up "dmaprobe$n goes"
done
check "with the devices the module goes" rmmod hv_pviommu
is "$(hvctl iommu domain-count)" 0 "no domain is left in the host"
