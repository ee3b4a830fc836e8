# SPDX-License-Identifier: GPL-2.0
#: summary loaded late: a device that is being added meanwhile, another IOMMU that comes after
#: hvsim --device nvme --device dmaprobe --device dmaprobe,absent
#: append iommu.strict=1

# dmaprobe0 keeps its driver all the while, dmaprobe1 is hot-added.
added=2001:00:00.0
keeper=/sys/module/slowadd/parameters

# works WHAT DEVICE TYPE: its driver's DMA does; TYPE: direct or paging
works() {
	local page iova phys

	page=$(dmaprobe "$2" alloc 1)
	dmaprobe "$2" fill "$page" 0x11
	phys=$(dmaprobe "$2" phys "$page")
	iova=$(dmaprobe "$2" map "$page" bidir)
	check "$1: it writes" dmaprobe "$2" write "$iova" 64 0x11
	if [ "$3" = direct ]; then
		is "$iova" "$phys" "$1: at physical addresses"
	fi
	dmaprobe "$2" unmap "$page"
	if [ "$3" = paging ]; then
		is "$(dmaprobe "$2" write "$iova" 64 0x22)" \
			"fault not-present $iova" "$1: and no more after unmap"
	fi
	check "$1: memory unchanged" dmaprobe "$2" check "$page" 0x11
	dmaprobe "$2" free "$page"
}

# left_alone WHAT: dmaprobe0 is as it was before the module came
left_alone() {
	check_not "$1: dmaprobe0 has no group" has_group "$a"
	is "$(kind_of dmaprobe0)" unattached \
		"$1: the host was told nothing of dmaprobe0"
	is "$(untranslated_list | grep "^$a ")" "$a in-use" \
		"$1: dmaprobe0 is listed as in use"
	works "$1: dmaprobe0" "$a" direct
}

is_kept() { [ "$(cat $keeper/waiting)" = 1 ]; }

# is_stuck PID: the process has been asleep without a break for a second
is_stuck() {
	local n=0
	while [ $n -lt 10 ]; do
		grep -q '^State:[[:space:]]*D' "/proc/$1/status" || return 1
		n=$((n + 1))
		sleep 0.1
	done
}

load_pci
wait_nvme
load_dmaprobe
nvme=$(nvme_dev)
a=$(probe_dev)
insmod "$(modinfo -n hv_pviommu)" || give_up "insmod hv_pviommu"
left_alone "loaded late"

# A device is on the bus, and the IOMMU core has not heard of it, when another
# one is there to be adopted.
check "a module keeps devices that are added" modprobe slowadd
hvctl vpci offer dmaprobe1
wait_for 60 is_kept || give_up "dmaprobe1 is kept"
echo "$nvme" >/sys/bus/pci/drivers/nvme/unbind &
unbinder=$!
# Either is right: NVMe is adopted now, or whoever unbinds it has to wait for
# the device that is being added.
wait_for 60 eval 'has_group "$nvme" || is_stuck $unbinder' ||
	give_up "NVMe is adopted, or waits"
check_not "the device that is being added has no group" has_group $added
is "$(kind_of dmaprobe1)" unattached "and the host was told nothing of it"
echo 1 >$keeper/go
wait $unbinder
check "NVMe is adopted" wait_for 60 has_group "$nvme"
is "$(kind_of nvme0)" paging "in a paging domain"
wait_for 60 test -e "/dev/dmaprobe-$added" || give_up "dmaprobe1 has a driver"
check "the added device has a group when it has a driver" has_group $added
is "$(kind_of dmaprobe1)" paging "in a paging domain"
works "the added device" $added paging
is "$(untranslated_list)" "$a in-use" "nothing else is untranslated"
left_alone "with a device added"
rmmod slowadd

# Another IOMMU registers, and the core asks us for all devices once more. Up
# to 6.6 there can be one only.
if since 6.12; then
	check "another IOMMU registers" modprobe otheriommu
else
	check_not "another IOMMU is refused" modprobe otheriommu
fi
left_alone "with another IOMMU"
works "with another IOMMU: the added device" $added paging
is "$(untranslated_list)" "$a in-use" \
	"with another IOMMU: nothing else is untranslated"

is "$(faults)" 2 "no other faults"

echo "$nvme" >/sys/bus/pci/drivers/nvme/bind
wait_nvme
check "NVMe reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct
take_away dmaprobe1 || give_up "dmaprobe1 goes"
take_away nvme0 || give_up "nvme0 goes"
