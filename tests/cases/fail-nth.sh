# SPDX-License-Identifier: GPL-2.0
#: summary every hypercall fails with every status, at its 1st, 2nd... call
#: hvsim --device dmaprobe
#: append iommu.strict=1 slub_debug=FZP
#: timeout 1200
#: allow-log@6.12 WARNING: .*iommu_setup_default_domain|Call Trace

# fail-nth reads the log itself, and a serial line is slow.
dmesg -n 2
load_all
a=$(probe_dev) || give_up "the dmaprobe appears"
modprobe vfio-pci && modprobe vfio_iommu_type1 || give_up "vfio"
fail-nth "$a" dmaprobe0 "$(modinfo -n hv_pviommu)" "$(modinfo -n dmaprobe)" \
	2>/tmp/err
is $? 0 "all combinations held $(cat /tmp/err)"
is "$(hvctl iommu stale-hits)" 0 "no stale IOTLB entry was used"
