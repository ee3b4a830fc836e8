# SPDX-License-Identifier: GPL-2.0
#: summary a device whose group VFIO owns can reach nothing until it is mapped
#: hvsim --device dmaprobe
#: append iommu.strict=1

load_all
load_dmaprobe
a=$(probe_dev)
page=$(dmaprobe "$a" alloc 1)
dmaprobe "$a" fill "$page" 0x11
phys=$(dmaprobe "$a" phys "$page")
iova=$(dmaprobe "$a" map "$page" bidir)
check "DMA works under the kernel driver" dmaprobe "$a" write "$iova" 64 0x11
dmaprobe "$a" unmap "$page"

rmmod dmaprobe
modprobe vfio-pci
modprobe vfio_iommu_type1
echo vfio-pci >"/sys/bus/pci/devices/$a/driver_override"
echo "$a" >/sys/bus/pci/drivers_probe
is "$(basename "$(readlink "/sys/bus/pci/devices/$a/driver")")" vfio-pci \
	"the device is vfio-pci's"
vfio-probe claim "$a" "$iova" "$phys" >/tmp/claim 2>&1
is $? 0 "claimed without an I/O address space: $(tail -n 1 /tmp/claim)"
[ "$(hvctl iommu blocked-dma)" -gt 0 ]
is $? 0 "the host blocked its DMA"
no_faults "blocked DMA is silent"
is "$(hvctl iommu device dmaprobe0 | cut -d' ' -f2)" paging \
	"given back: the default domain again"
