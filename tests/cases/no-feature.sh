# SPDX-License-Identifier: GPL-2.0
#: summary a host without pvIOMMU: the module declines, all else works
#: hvsim --device nvme --iommu off

declines "no pvIOMMU"
load_all
wait_nvme
check "pci-hyperv loads all the same" loaded pci_hyperv
check_not "no module stays behind" loaded hv_pviommu
check "NVMe reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct
is "$(loud_log)" "" "nothing above info in the log"
is "$(ls /sys/kernel/iommu_groups | wc -l)" 0 "no IOMMU group"
