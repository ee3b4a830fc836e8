# SPDX-License-Identifier: GPL-2.0
#: summary where the module is of no use: it declines quietly, devices work as without it
#: hvsim --device nvme
#: hvsim@root --root --cpus 1
#: hvsim@l1vh --l1vh
#: hvsim@isolated --isolated
#: variant guest gate=guest hv_pviommu.disable=1
#: variant off gate=off pci=noats iommu=pt,off
#: variant root gate=root
#: variant l1vh gate=l1vh
#: variant isolated gate=isolated

# insmod knows nothing of the kernel command line.
load_plain() { insmod "$(modinfo -n hv_pviommu)"; }

nvme_works() {
	load_all
	wait_nvme
	check_not "the module is not there" loaded hv_pviommu
	check "NVMe writes" dd if=/dev/zero of=/dev/nvme0n1 bs=64k count=8 \
		oflag=direct
	check "NVMe reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 \
		iflag=direct
	is "$(ls /sys/kernel/iommu_groups | wc -l)" 0 "no IOMMU group"
	is "$(hvctl iommu device nvme0)" "0 unattached" \
		"the host was told nothing of it"
	is "$(hvctl iommu domain-count)" 0 "no domain in the host"
	is "$(loud_log)" "" "nothing above info in the log"
}

# The kernel hands words that it does not know over to init.
case $gate in
guest)
	declines "hv_pviommu.disable=1 on the command line" \
		"disabled by parameter" 0 modprobe hv_pviommu
	hvctl iommu config off
	declines "no such hypercalls" "this Hyper-V host has no pvIOMMU" 1 \
		load_plain
	hvctl iommu config on,present=0
	declines "PRESENT clear" "no pvIOMMU for this VM" 1 load_plain
	hvctl iommu config present=1
	declines "a kernel with a driver of its own" \
		"this kernel has a pvIOMMU driver of its own" 0 \
		insmod /hv_pviommu-incore.ko
	# Up to 6.6 the core takes one IOMMU driver, and there is no way back.
	check "another IOMMU registers" modprobe otheriommu
	declines "another IOMMU" "this kernel uses another IOMMU" 0 load_plain
	nvme_works
	;;
off)
	declines "iommu=off on the command line" \
		"iommu=off on the kernel command line" 0 modprobe hv_pviommu
	nvme_works
	;;
root)
	# Its devices do not come through VMBus.
	declines "root partition" \
		"not for a partition that owns the hardware" 0 \
		modprobe hv_pviommu
	;;
l1vh)
	declines "L1VH partition" \
		"not for a partition that owns the hardware" 0 \
		modprobe hv_pviommu
	nvme_works
	;;
isolated)
	declines "isolated VM" "not for an isolated VM" 0 modprobe hv_pviommu
	# 6.1 takes no vPCI bus there, 7.x does.
	if is_builtin pci-hyperv; then
		nvme_works
	else
		load_all
		check "pci-hyperv loads all the same" loaded pci_hyperv
	fi
	check_not "the module does not stay" loaded hv_pviommu
	is "$(all_calls)" 0 "the pvIOMMU was not asked at all"
	;;
*)
	give_up "gate '$gate'"
	;;
esac
