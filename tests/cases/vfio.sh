# SPDX-License-Identifier: GPL-2.0
#: core
#: summary vfio-pci from user space, without no-IOMMU mode
#: hvsim --device dmaprobe

load_all
modprobe vfio-pci
modprobe vfio_iommu_type1
a=$(probe_dev)
echo vfio-pci >"/sys/bus/pci/devices/$a/driver_override"
echo "$a" >/sys/bus/pci/drivers_probe
is "$(basename "$(readlink "/sys/bus/pci/devices/$a/driver")")" vfio-pci \
	"the device is vfio-pci's"
vfio-probe run "$a" >/tmp/out 2>&1
rc=$?
while IFS= read -r l; do
	case $l in
	'ok '* | 'not ok '*)
		hvctl tap "$(echo "$l" | sed 's/^\(not \)\{0,1\}ok [0-9]* *-* */\1ok - /')"
		;;
	*) note "$l" ;;
	esac
done </tmp/out
is $rc 0 "vfio-probe held"
log_lacks "no no-IOMMU mode" "no-iommu|noiommu"
is "$(hvctl iommu stale-hits)" 0 "no stale IOTLB entry was used"
