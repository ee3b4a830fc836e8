# SPDX-License-Identifier: GPL-2.0
#: summary a device taken away, or asked back, before and after each call made for it
#: hvsim --device dmaprobe --device dmaprobe
#: hvsim --device dmaprobe,absent,guid=aaaaaaaa-2000-4000-8000-646576696365
#: hvsim --device dmaprobe,absent,guid=bbbbbbbb-2000-4008-8000-646576696365
#: hvsim --device nvme,absent,guid=cccccccc-2000-4000-8000-646576696365
#: hvsim --eject-limit 4
#: append iommu.strict=1
#: timeout 480

# dmaprobe0 is the victim. dmaprobe2 and nvme0 have its ids, dmaprobe3 only
# asks for the same PCI domain number.
a=2000:00:00.0
b=2001:00:00.0
round=0 bad=0 late=0

# must WHAT COMMAND...: passes are only counted
must() {
	local what=$1
	shift
	"$@" && return
	miss "$label: $what"
	bad=$((bad + 1))
	[ $bad -lt 5 ] || give_up "too many mistakes"
}

bind() { echo "$1" >"/sys/bus/pci/drivers/$2/bind"; }
load() { insmod "$(modinfo -n hv_pviommu)"; }
there() { [ -e "/sys/bus/pci/devices/$a" ]; }
gone() { bus_is "$1" absent; }
has_come() { [ "$(hvctl iommu on waiting)" = 0 ]; }
# vfio-pci has been asked to let go of the device, and says so only once.
ejecting() { dmesg | grep -q "$a: .*[Rr]elaying device request to user\|$a: No device request channel registered"; }
domain_count_is() { [ "$(hvctl iommu domain-count)" = "$1" ]; }

# The dmaprobe function that is neither the victim nor its neighbour.
find_third() {
	local n=0
	while d=$(probe_dev $n); do
		case $d in
		"$a" | "$b") n=$((n + 1)) ;;
		*) return 0 ;;
		esac
	done
	return 1
}

# What makes the calls; each goes on when the device goes away under it.
use() {
	local page
	[ $plugged = 1 ] || hvctl vpci offer dmaprobe0
	plugged=1
	wait_for 30 eval 'has_come || test -e "/dev/dmaprobe-$a"'
	page=$(dmaprobe "$a" alloc 4) && dmaprobe "$a" storm "$page" 3
}
remove() { echo 1 >"/sys/bus/pci/devices/$a/remove"; }
vfio() { vfio-probe run "$a"; }
load_module() { must "the module loads" load; }

# plug_for PROGRAM: the device as the program wants it. It is added, attached and
# bound by the time that this is over, as the next call must be the program's.
plug_for() {
	plugged=0
	[ "$1" != use ] || return 0
	bring_back dmaprobe0 || give_up "dmaprobe0 does not come back"
	wait_for 30 there || give_up "$a is not there"
	plugged=1
	[ "$1" != load_module ] || return 0
	# The driver comes last, after the group.
	wait_for 30 driver_of "$a" || give_up "$a has no driver"
	has_group "$a" || give_up "$a has a driver, and no group"
	[ "$1" = vfio ] || return 0
	echo vfio-pci >"/sys/bus/pci/devices/$a/driver_override"
	echo "$a" >"/sys/bus/pci/devices/$a/driver/unbind"
	echo "$a" >/sys/bus/pci/drivers_probe
}

# one PROGRAM CALL NTH WHEN ACTION
one() {
	round=$((round + 1))
	label="$1: $5 $4 $2 $3"
	plug_for "$1"
	hvctl iommu on "$2" "$3" "$4" vpci "$5" dmaprobe0
	"$1" >/tmp/out 2>&1
	# Where the module comes after the device it may look at it once more.
	if ! wait_for 10 has_come; then
		must "the call is made" false
		hvctl iommu on clear
	fi
	# An eject is refused while the bus is being set up.
	if bus_is dmaprobe0 d0 || bus_is dmaprobe0 open; then
		late=$((late + 1))
		hvctl vpci rescind dmaprobe0
	fi
	must "the bus goes" wait_for 30 gone dmaprobe0
	must "the device goes" eval '! there'
	must "as many domains as before" domain_count_is "$domains"
}

# all PROGRAM CALL NTH
all() {
	one "$@" before rescind
	one "$@" after rescind
	one "$@" before eject
	one "$@" after eject
}

# finish WHAT: one result for the rounds so far
finish() {
	is $bad 0 "$1: $round rounds"
	round=0 bad=0
}

# In use, by its driver and by user space, while another one goes on
load_all
load_dmaprobe
modprobe vfio-pci
modprobe vfio_iommu_type1
page=$(dmaprobe $b alloc 4)
while [ ! -e /tmp/stop ]; do
	dmaprobe $b storm "$page" 1 || exit 1
done >/dev/null &
bystander=$!
take_away dmaprobe0 || give_up "dmaprobe0 does not go"
domains=$(hvctl iommu domain-count)

all use property 1
all use create 1
all use configure 1
all use attach 1
all use flush-list 3
finish "while it is added and used"

all remove attach 1
all remove detach 1
all remove delete 1
finish "while it is removed"

# To blocked, to the domain of VFIO, and back
one vfio attach 1 before rescind
one vfio attach 1 after eject
one vfio create 1 before rescind
one vfio attach 2 before rescind
one vfio attach 2 after eject
one vfio flush-list 2 before rescind
one vfio flush-list 2 after eject
one vfio attach 3 before rescind
one vfio attach 4 before rescind
one vfio attach 4 after rescind
one vfio delete 1 before rescind
finish "while user space has it"
note "$late ejects were refused by the host"

# A user who does not let go: the host waits, then does it by force.
label=hold
plug_for vfio
vfio-probe use $a 8 >/tmp/hold 2>&1 &
holder=$!
wait_for 10 grep -q 'has it' /tmp/hold || give_up "vfio-probe use"
hvctl vpci eject dmaprobe0
check "the host waits for a user to let go" wait_for 10 \
	bus_is dmaprobe0 ejecting
check "the user is asked to" wait_for 10 ejecting
check "sysfs can be read meanwhile" timeout 1 cat \
	/sys/class/iommu/hv-pviommu/untranslated_devices
check "after its time it takes the device" wait_for 10 \
	bus_is dmaprobe0 rescinded
wait $holder
check "the device goes with its user" wait_for 30 gone dmaprobe0
check "and so does its domain" domain_count_is "$domains"

# Other devices in its place
label=places
check "the same ids, another device" bring_back dmaprobe2
check "it gets a group" wait_for 5 has_group $a
is "$(kind_of dmaprobe2)" paging "and a paging domain"
hvctl vpci rescind dmaprobe2
hvctl vpci offer nvme0
wait_nvme
check "the same ids, another type, at once: it reads" dd if=/dev/nvme0n1 \
	of=/dev/null bs=64k count=4 iflag=direct
wait_for 30 gone dmaprobe2
take_away nvme0 || give_up "nvme0 does not go"
check "the same ids, the first device again" bring_back dmaprobe0
check "it gets a group again" wait_for 5 has_group $a
check "a device that wants the same PCI domain number" bring_back dmaprobe3
wait_for 5 find_third
check "it gets another one, and a group" wait_for 5 has_group "$d"
load_dmaprobe
for x in $a "$d"; do
	page=$(dmaprobe "$x" alloc 2)
	check "$x: mapped, written, unmapped" dmaprobe "$x" storm "$page" 1
done
is "$(kind_of dmaprobe0)/$(kind_of dmaprobe3)" paging/paging \
	"both are in paging domains"
is "$(untranslated)" 0 "none is untranslated"
take_away dmaprobe3 || give_up "dmaprobe3 does not go"
take_away dmaprobe0 || give_up "dmaprobe0 does not go"
check "no domain stays" domain_count_is "$domains"

touch /tmp/stop
wait $bystander
is $? 0 "the other device worked all the while"
is "$(kind_of dmaprobe1)" paging "in its domain"
take_away dmaprobe1 || give_up "dmaprobe1 does not go"
check "the module can be unloaded" rmmod hv_pviommu
domains=$(hvctl iommu domain-count)
is "$domains" 0 "no domain left in the host"

# While the module loads, with an idle device
rmmod dmaprobe
load_round() {
	one load_module "$@"
	must "it can be unloaded" rmmod hv_pviommu
	must "nothing stays in the host" domain_count_is 0
}
domains=2
for act in 'before rescind' 'after rescind' 'after eject'; do
	for call in 'property 1' 'create 3' 'configure 3' \
		'attach 1'; do
		load_round $call $act
	done
done
finish "while the module loads"
log_lacks "no device was blocked, no domain lost" \
	"hv_pviommu: .*(are blocked|never used again)"
