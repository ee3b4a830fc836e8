# SPDX-License-Identifier: GPL-2.0
#: summary which errno VFIO's users see when the host refuses, as doc/operating.md has it
#: hvsim --device dmaprobe

# fails: what vfio-probe says of the call that failed, "" if none did
fails() { vfio-probe run "$a" 2>/dev/null | sed -n 's/^Bail out! //p'; }

load_all
modprobe vfio-pci && modprobe vfio_iommu_type1 || give_up "vfio"
a=$(probe_dev) || give_up "the dmaprobe appears"
echo vfio-pci >"/sys/bus/pci/devices/$a/driver_override"
echo "$a" >/sys/bus/pci/drivers_probe
is "$(driver_of "$a")" vfio-pci "the device is vfio-pci's"
is "$(fails)" "" "VFIO drives it"

# The kernel has an errno of its own for a domain that it did not get.
no_domain="Input/output error"
! since 6.12 || no_domain="Cannot allocate memory"
hvctl iommu fail create INSUFFICIENT_DEVICE_DOMAINS always
is "$(fails)" "VFIO_SET_IOMMU: $no_domain" "the host is out of domains"
hvctl iommu fail clear

# First the group is blocked, then it goes into its new domain.
while read -r status errno; do
	hvctl iommu fail attach "$status" 1 1
	is "$(fails)" "VFIO_GROUP_SET_CONTAINER: $errno" "$status: not blocked"
	is "$(kind_of dmaprobe0)" paging "$status: it is where it was"
	hvctl iommu fail attach "$status" 2 1
	is "$(fails)" "VFIO_SET_IOMMU: $errno" "$status: not attached"
	is "$(kind_of dmaprobe0)" paging "$status: it is back"
done <<-'END'
	INVALID_PARAMETER Invalid argument
	ACCESS_DENIED Permission denied
	INSUFFICIENT_MEMORY Cannot allocate memory
	INSUFFICIENT_DEVICE_DOMAINS No space left on device
	INVALID_HYPERCALL_CODE Operation not supported
	OBJECT_IN_USE File exists
	OPERATION_FAILED Input/output error
END
hvctl iommu fail clear

is "$(fails)" "" "VFIO drives it again"
is "$(hvctl iommu stale-hits)" 0 "no stale IOTLB entry was used"
