# SPDX-License-Identifier: GPL-2.0
# What cases use inside the guest. Sourced first thing; results leave through
# hvsim's control port (hvctl), not through the console.

# kmod's, which users have. Debian's busybox shell would run applets of its own
# first, whatever PATH says, and those know no softdep.
modprobe() { /sbin/modprobe "$@"; }
insmod() { /sbin/insmod "$@"; }
rmmod() { /sbin/rmmod "$@"; }
modinfo() { /sbin/modinfo "$@"; }

# Which kernel of the case this is: 1, 2 after a reboot, or what the one before
# has put on the command line of the next.
STAGE=$(sed -n 's/.*\bstage=\([0-9]*\).*/\1/p' /proc/cmdline)
: "${STAGE:=$(($(hvctl boots) + 1))}"

# since MAJOR.MINOR: this kernel is of that series or a later one
since() {
	local v major
	v=$(uname -r)
	v=${v%%[!0-9.]*}.0
	major=${v%%.*}
	v=${v#*.}
	[ "$major" -gt "${1%.*}" ] ||
		{ [ "$major" = "${1%.*}" ] && [ "${v%%.*}" -ge "${1#*.}" ]; }
}

pass() { hvctl tap "ok - $*"; }
miss() { hvctl tap "not ok - $*"; }
note() { hvctl tap "# $*"; }

# Ends the case here and now.
give_up() {
	miss "$*"
	dmesg | tail -n 15 | while IFS= read -r l; do note "$l"; done
	exit 1
}

# is GOT WANT WHAT
is() {
	if [ "$1" = "$2" ]; then
		pass "$3"
	else
		miss "$3: got '$1', want '$2'"
	fi
}

# check WHAT COMMAND...: the command succeeds
check() {
	local what=$1 out
	shift
	if out=$("$@" 2>&1); then
		pass "$what"
	else
		miss "$what ($*: $out)"
	fi
}

# check_not WHAT COMMAND...: the command fails
check_not() {
	local what=$1 out
	shift
	if out=$("$@" 2>&1); then
		miss "$what ($* succeeded: $out)"
	else
		pass "$what"
	fi
}

# log_has WHAT REGEX, log_lacks WHAT REGEX: the kernel log
log_has() {
	if dmesg | grep -qE "$2"; then
		pass "$1"
	else
		miss "$1: no line matches '$2'"
	fi
}

log_lacks() {
	local line
	line=$(dmesg | grep -E -m 1 "$2")
	if [ -z "$line" ]; then
		pass "$1"
	else
		miss "$1: $line"
	fi
}

# What the module has logged at "quiet" levels (info, debug), and above. What
# the kernel says about any unsigned out-of-tree module is not the module's.
own_log() { dmesg -r | grep 'hv_pviommu: ' |
	grep -vE 'taints kernel|tainting kernel'; }
quiet_log() { own_log | grep -E '^<(6|7|14|15|30|31)>'; }
loud_log() { own_log | grep -vE '^<(6|7|14|15|30|31)>'; }

# declines WHAT REGEX CALLS COMMAND...: the command does not load the module,
# one line at info level says why, and no more than CALLS calls were made to the
# pvIOMMU
declines() {
	local what=$1 regex=$2 max=$3 calls
	shift 3
	dmesg -c >/dev/null
	calls=$(all_calls)
	"$@" 2>/tmp/err
	is $? 1 "$what: the module declines"
	check "$what: with ENODEV" grep -q 'No such device' /tmp/err
	check_not "$what: it is not loaded" loaded hv_pviommu
	is "$(loud_log)" "" "$what: nothing above info in the log"
	quiet_log >/tmp/log
	is "$(wc -l </tmp/log)" 1 "$what: one line in the log"
	check "$what: which says why" grep -qE "$regex" /tmp/log
	calls=$(($(all_calls) - calls))
	[ $calls -le "$max" ]
	is $? 0 "$what: at most $max calls to the host ($calls)"
}

# wait_for SECONDS COMMAND...: until it succeeds; 1 if it never does
wait_for() {
	local n=$(($1 * 10))
	shift
	while ! "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		[ $n -gt 0 ] || return 1
		sleep 0.1
	done
}

# The module says the same at most ten times in five seconds, and what it says
# next is to be in the log.
let_it_say() { sleep 5.5; }

# ---- Hyper-V and PCI ----

# is_builtin MODULE: it is part of the kernel itself
is_builtin() {
	grep -q "/$1\.ko\$" "/lib/modules/$(uname -r)/modules.builtin"
}

# Where pci-hyperv is built in, to unbind it from all buses does what to unload
# it does elsewhere: they go, and what is offered meanwhile waits.
vmbus=/sys/bus/vmbus
vpci_drivers=$vmbus/drivers/hv_pci

vpci_buses() {
	local d
	for d in $vmbus/devices/*; do
		case $(cat "$d/class_id" 2>/dev/null) in
		*44c4f61d-4444-4400-9d52-802e27ede19f*) echo "$d" ;;
		esac
	done
}

# load_pci: the buses are scanned, by pci-hyperv alone, as where that is built
# in or in an initramfs without hv_pviommu. unload_pci: they go.
load_pci() {
	local m d
	for m in hv_vmbus pci-hyperv-intf pci-hyperv; do
		is_builtin $m || loaded "$(echo $m | tr - _)" ||
			insmod "$(modinfo -n $m)" || give_up "insmod $m"
	done
	is_builtin pci-hyperv || return 0
	echo 1 >$vmbus/drivers_autoprobe
	for d in $(vpci_buses); do
		[ -e "$d/driver" ] || echo "${d##*/}" >$vpci_drivers/bind
	done
}

unload_pci() {
	local d
	if ! is_builtin pci-hyperv; then
		rmmod pci_hyperv
		return
	fi
	echo 0 >$vmbus/drivers_autoprobe
	for d in $vpci_drivers/*-*-*; do
		[ ! -e "$d" ] || echo "${d##*/}" >$vpci_drivers/unbind || return
	done
}

# VMBus, and no PCI bus on it.
load_vmbus() {
	if is_builtin pci-hyperv; then
		unload_pci
	else
		modprobe hv_vmbus
	fi || give_up "load_vmbus"
}

# All is translated that can be. Elsewhere pci-hyperv is loaded as by udev, and
# its softdep has hv_pviommu come first. Where it is built in, hv_pviommu comes
# late, and drivers have to let go of their devices once.
load_all() {
	if is_builtin pci-hyperv; then
		modprobe hv_pviommu 2>/dev/null
		load_pci
		! loaded hv_pviommu || rebind_all
	else
		modprobe pci-hyperv || give_up "modprobe pci-hyperv"
	fi
}

# The same, and domains have their ids in the order of the buses.
load_in_order() {
	! is_builtin pci-hyperv || unload_pci || give_up "the buses go"
	load_all
}

# rebind_device DEVICE: its driver lets go of it, and gets it back translated
rebind_device() {
	local driver
	driver=$(driver_of "$1") || give_up "$1 has a driver"
	echo "$1" >"/sys/bus/pci/drivers/$driver/unbind"
	has_group "$1" || give_up "$1 has a group as soon as it is unbound"
	echo "$1" >"/sys/bus/pci/drivers/$driver/bind"
}

rebind_all() {
	local d
	for d in $(untranslated_list | sed -n 's/ in-use$//p'); do
		rebind_device "$d"
	done
}

loaded() { grep -q "^$1 " /proc/modules; }

# PCI name of the N-th (0) function with vendor:device, e.g. pci_dev 1234:d3a0
pci_dev() {
	local d n=${2:-0}
	for d in /sys/bus/pci/devices/*; do
		[ -e "$d/vendor" ] || continue
		[ "$(cat "$d/vendor"):$(cat "$d/device")" = \
			"0x${1%:*}:0x${1#*:}" ] || continue
		if [ "$n" = 0 ]; then
			echo "${d##*/}"
			return 0
		fi
		n=$((n - 1))
	done
	return 1
}

pci_class_dev() {
	local d
	for d in /sys/bus/pci/devices/*; do
		case $(cat "$d/class" 2>/dev/null) in
		"$1"*) echo "${d##*/}" && return 0 ;;
		esac
	done
	return 1
}

nvme_dev() { pci_class_dev 0x010802; }
probe_dev() { pci_dev 1234:d3a0 "${1:-0}"; }

# Loads the driver of the test device; each function has its device file then.
load_dmaprobe() {
	local d n=0

	modprobe dmaprobe || give_up "modprobe dmaprobe"
	while d=$(probe_dev $n); do
		wait_for 10 test -e "/dev/dmaprobe-$d" ||
			give_up "/dev/dmaprobe-$d"
		n=$((n + 1))
	done
}

group_of() {
	local l
	l=$(readlink "/sys/bus/pci/devices/$1/iommu_group") && echo "${l##*/}"
}

has_group() { [ -e "/sys/bus/pci/devices/$1/iommu_group" ]; }

driver_of() {
	local l
	l=$(readlink "/sys/bus/pci/devices/$1/driver") && echo "${l##*/}"
}

# What the module says about devices that are not translated.
untranslated() { cat /sys/class/iommu/hv-pviommu/untranslated; }
untranslated_list() { cat /sys/class/iommu/hv-pviommu/untranslated_devices; }

group_type() { cat "/sys/kernel/iommu_groups/$(group_of "$1")/type"; }

# All nine kinds of calls to the pvIOMMU.
all_calls() {
	echo $(($(setup_calls) + $(flush_calls) + $(calls caps) + \
		$(calls property)))
}

# I/Os that the block layer has finished
nvme_ios() {
	set -- $(cat /sys/block/nvme0n1/stat)
	echo $(($1 + $5))
}

nvme_ready() { [ -b /dev/nvme0n1 ]; }

wait_nvme() {
	wait_for 30 nvme_ready || give_up "the NVMe namespace appears"
}

# ---- host ----

bus_is() { [ "$(hvctl vpci state "$1")" = "$2" ]; }

# kind_of NAME: of the domain the host has a device in
kind_of() {
	local d
	d=$(hvctl iommu device "$1") && echo "${d#* }"
}

# take_away NAME, bring_back NAME: the bus goes, and has gone; comes, and is up
take_away() {
	hvctl vpci rescind "$1" && wait_for 60 bus_is "$1" absent
}

bring_back() {
	hvctl vpci offer "$1" && wait_for 60 bus_is "$1" d0
}

faults() { hvctl iommu faults; }
calls() { hvctl iommu count "$1"; }

flush_calls() { echo $(($(calls flush) + $(calls flush-list))); }

# Calls that change what a device is attached to.
setup_calls() {
	local n=0 c
	for c in create delete configure attach detach; do
		n=$((n + $(calls $c)))
	done
	echo $n
}

# no_faults WHAT: none so far
no_faults() {
	is "$(faults)" 0 "$1: no translation fault"
}
