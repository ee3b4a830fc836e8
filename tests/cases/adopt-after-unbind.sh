# SPDX-License-Identifier: GPL-2.0
#: summary what is not translated, and why; a device is, once its driver lets go of it
#: hvsim --device nvme --device dmaprobe --device dmaprobe,direct
#: hvsim --device dmaprobe,absent,guid=aaaaaaaa-2000-4000-8000-646576696365
#: hvsim --device dmaprobe,absent
#: append iommu.strict=1
#: timeout 360
#: allow-log@6.12 WARNING: .*iommu_setup_default_domain|Call Trace

# dmaprobe1 is not behind the pvIOMMU, dmaprobe2 has the ids of dmaprobe0.
direct=2001:00:00.0
added=2003:00:00.0

bind() { echo "$1" >"/sys/bus/pci/drivers/$2/bind"; }
unbind() { echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"; }
load() { insmod "$(modinfo -n hv_pviommu)"; }
untranslated_are() { [ "$(untranslated)" = "$1" ]; }
is_listed() { untranslated_list | grep -qx "$1"; }
is_bound() { [ "$(driver_of "$1")" = "$2" ]; }

# writes WHAT: dmaprobe0 writes through a mapping, and not after its unmap
writes() {
	local page iova
	wait_for 10 test -e "/dev/dmaprobe-$a" || give_up "/dev/dmaprobe-$a"
	page=$(dmaprobe "$a" alloc 1)
	iova=$(dmaprobe "$a" map "$page" bidir)
	check "$1: it writes" dmaprobe "$a" write "$iova" 4096 0x22
	dmaprobe "$a" unmap "$page"
	case $(dmaprobe "$a" write "$iova" 64 0x33) in
	'fault not-present'*) pass "$1: not what is unmapped" ;;
	*) miss "$1: not what is unmapped" ;;
	esac
}

# vfio WHAT: user space drives dmaprobe0
vfio() {
	vfio-probe run "$a" >/tmp/out 2>&1
	is $? 0 "$1: user space drives it through VFIO"
}

# The buses are scanned first, as where pci-hyperv is built in.
load_pci
wait_nvme
load_dmaprobe
nvme=$(nvme_dev)
a=$(probe_dev)
load || give_up "insmod hv_pviommu"
log_has "the log counts what could be translated" \
	"hv_pviommu: 2 devices in use already"
is "$(untranslated)" 3 "three untranslated in sysfs"
check "NVMe: its driver has it" is_listed "$nvme in-use"
check "dmaprobe0: as well" is_listed "$a in-use"
check "dmaprobe1: the host says no" is_listed "$direct not-offered"

# NVMe: unbound, bound again
unbind "$nvme"
check "NVMe has a group as soon as it is unbound" has_group "$nvme"
is "$(kind_of nvme0)" paging "NVMe is in a paging domain"
is "$(untranslated)" 2 "two untranslated"
bind "$nvme" nvme
wait_nvme
before=$(hvctl iommu dma nvme0)
check "bound again, NVMe reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k \
	count=16 iflag=direct
after=$(hvctl iommu dma nvme0)
[ "${after% *}" -gt "${before% *}" ]
is $? 0 "through the tables of the module"
is "${after#* }" "${before#* }" "and not past them"

# dmaprobe0: from its driver to that of user space, and back
modprobe vfio-pci
modprobe vfio_iommu_type1
echo vfio-pci >"/sys/bus/pci/devices/$a/driver_override"
unbind "$a"
echo "$a" >/sys/bus/pci/drivers/vfio-pci/bind
check "vfio-pci has dmaprobe0 at the first try" is_bound "$a" vfio-pci
vfio "vfio-pci"
is "$(untranslated_list)" "$direct not-offered" "one untranslated"
echo >"/sys/bus/pci/devices/$a/driver_override"
unbind "$a"
bind "$a" dmaprobe
writes "back at its driver"

# The one that cannot be translated works as without the module.
page=$(dmaprobe $direct alloc 1)
iova=$(dmaprobe $direct map "$page" bidir)
is "$(printf '0x%x' "$iova")" "$(dmaprobe $direct phys "$page")" \
	"dmaprobe1 gets physical addresses"
check "dmaprobe1 writes there" dmaprobe $direct write "$iova" 64 0x44
dmaprobe $direct unmap "$page"
unbind $direct
is "$(untranslated_list)" "$direct not-offered" "unbound it is still not offered"
bind $direct dmaprobe

# A second device with the ids of dmaprobe0, and ones that are refused
rmmod dmaprobe
bring_back dmaprobe2 || give_up "dmaprobe2"
check "hot-added with ids in use: a second one untranslated" \
	wait_for 60 untranslated_are 2
twin=$(untranslated_list | sed -n 's/ duplicate-id$//p')
log_has "the log says so" "$twin: logical device id 0x20004000 is not unique"
check_not "it has no group" has_group "$twin"
is "$(kind_of dmaprobe0)" paging "the first one is still in its domain"
take_away dmaprobe0 || give_up "dmaprobe0 does not go"
check "the first one gone, the second gets a group" wait_for 60 has_group "$twin"
is "$(kind_of dmaprobe2)" paging "in a paging domain"
is "$(untranslated_list)" "$direct not-offered" "one untranslated again"
take_away dmaprobe2 || give_up "dmaprobe2 does not go"
bring_back dmaprobe0 || give_up "dmaprobe0 does not come back"
check "dmaprobe0 is back, with a group" wait_for 60 has_group "$a"
for call in property create attach; do
	hvctl iommu fail $call INSUFFICIENT_MEMORY
	bring_back dmaprobe3 || give_up "dmaprobe3"
	check "$call fails at hot-add: refused" \
		wait_for 60 is_listed "$added refused"
	is "$(untranslated)" 2 "$call fails at hot-add: two untranslated"
	take_away dmaprobe3 || give_up "dmaprobe3 does not go"
	is "$(untranslated_list)" "$direct not-offered" \
		"$call fails at hot-add: gone from the list with the device"
done

# The host refuses when a driver has let go: the next one gets it as it was, and
# when that lets go it is tried again.
injected() { [ "$(hvctl iommu injected)" != "$before" ]; }
modprobe dmaprobe
for call in create attach; do
	what="$call fails after unbind"
	hvctl iommu fail property INSUFFICIENT_MEMORY
	bring_back dmaprobe3 || give_up "dmaprobe3"
	check "$what: it had a driver" wait_for 60 is_bound "$added" dmaprobe
	hvctl iommu fail $call INSUFFICIENT_MEMORY
	before=$(hvctl iommu injected)
	unbind "$added"
	check "$what: so it did" injected
	is "$(kind_of dmaprobe3)" unattached "$what: the host has it in no domain"
	check_not "$what: it has no group" has_group "$added"
	check "$what: refused" is_listed "$added refused"
	check "$what: a driver gets it" bind "$added" dmaprobe
	page=$(dmaprobe "$added" alloc 1)
	iova=$(dmaprobe "$added" map "$page" bidir)
	check "$what: it writes" dmaprobe "$added" write "$iova" 64 0x44
	dmaprobe "$added" unmap "$page"
	unbind "$added"
	check "$what: unbound again it has a group" has_group "$added"
	is "$(kind_of dmaprobe3)" paging "$what: and a domain"
	take_away dmaprobe3 || give_up "dmaprobe3 does not go"
done
rmmod dmaprobe

take_away nvme0 || give_up "nvme0 does not go"
take_away dmaprobe0 || give_up "dmaprobe0 does not go"
check "with the devices it goes" rmmod hv_pviommu
is "$(hvctl iommu domain-count)" 0 "no domain left in the host"

# must WHAT COMMAND...: passes are only counted
bad=0
must() {
	local what=$1
	shift
	"$@" && return
	miss "round $round: $what"
	bad=$((bad + 1))
	[ $bad -lt 5 ] || give_up "too many mistakes"
}

# unbound while the module goes: it stays, or takes the device the next time
modprobe dmaprobe
stayed=0 round=0
while [ $round -lt 12 ]; do
	round=$((round + 1))
	bring_back dmaprobe0 || give_up "dmaprobe0 does not come back"
	must "dmaprobe has it" wait_for 60 is_bound "$a" dmaprobe
	must "it loads" load
	must "dmaprobe0 is left alone" is_listed "$a in-use"
	# To start a program takes longer than to unbind.
	{
		usleep $((round % 6 * 15000))
		unbind "$a"
	} &
	if rmmod hv_pviommu 2>/dev/null; then
		wait
		must "it loads again" load
	else
		wait
		stayed=$((stayed + 1))
	fi
	must "dmaprobe0 gets a group" wait_for 60 has_group "$a"
	must "it is in a paging domain" [ "$(kind_of dmaprobe0)" = paging ]
	take_away dmaprobe0 || give_up "dmaprobe0 does not go"
	must "it goes" rmmod hv_pviommu
done
is $bad 0 "unbound while the module went, $round times"
note "the module stayed $stayed times"

# added while the module comes
rmmod dmaprobe
bad=0 round=0
while [ $round -lt 16 ]; do
	round=$((round + 1))
	hvctl vpci offer dmaprobe0
	usleep $((round * 4000))
	must "it loads" load
	must "dmaprobe0 is there" wait_for 10 bus_is dmaprobe0 d0
	must "it gets a group" wait_for 60 has_group "$a"
	must "it is in a paging domain" [ "$(kind_of dmaprobe0)" = paging ]
	must "nothing else in sysfs" \
		[ "$(untranslated_list)" = "$direct not-offered" ]
	take_away dmaprobe0 || give_up "dmaprobe0 does not go"
	must "it goes" rmmod hv_pviommu
done
is $bad 0 "added while the module came, $round times"
is "$(hvctl iommu domain-count)" 0 "no domain left in the host"
