# SPDX-License-Identifier: GPL-2.0
#: summary load before and after the devices, refuse and allow unload
#: hvsim --device nvme --device dmaprobe

# Idle host: no vPCI bus in the guest yet.
! is_builtin pci-hyperv || unload_pci
i=0
while [ $i -lt 20 ]; do
	modprobe hv_pviommu || break
	rmmod hv_pviommu || break
	i=$((i + 1))
done
is $i 20 "20 cycles on an idle host"

# Again, while interrupt handlers fill the hypercall page: what the host has
# said of itself must have been read before interrupts were on again.
check "interrupt handlers use the hypercall page" modprobe scribble us=1000
i=0
while [ $i -lt 20 ]; do
	modprobe hv_pviommu || break
	rmmod hv_pviommu || break
	i=$((i + 1))
done
is $i 20 "20 cycles meanwhile"
rmmod scribble
log_has "they were at work" "scribble: ran [0-9]{3,} times"
is "$(hvctl iommu domain-count)" 0 "no domain left in the host"

# After the devices: the bound one is left alone, the unbound one is adopted.
load_pci
wait_nvme
dev=$(nvme_dev)
a=$(probe_dev)
check_not "without the module there is no group" group_of "$dev"
while :; do
	dd if=/dev/nvme0n1 of=/dev/null bs=64k iflag=direct 2>/dev/null ||
		exit 1
	[ ! -e /tmp/stop ] || exit 0
done &
reader=$!
dmesg -c >/dev/null
check "it loads late" modprobe hv_pviommu
check_not "NVMe, bound, is left alone" group_of "$dev"
check "dmaprobe, unbound, has a group" group_of "$a"
log_has "the log counts what is left untranslated" \
	"hv_pviommu: .*1 device.* not translated"
touch /tmp/stop
wait $reader
is $? 0 "NVMe was read all the while"
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" unattached \
	"the host was told nothing of the NVMe"
is "$(hvctl iommu device dmaprobe0 | cut -d' ' -f2)" paging \
	"dmaprobe is in a paging domain"
check_not "rmmod is refused while it has a device" rmmod hv_pviommu

# The buses go, then the module may go, and leaves nothing.
unload_pci || give_up "the buses go"
check "rmmod works when the devices are gone" rmmod hv_pviommu
is "$(hvctl iommu domain-count)" 0 "no domain left in the host"

# Before the devices, as the softdep has it.
load_all
check "the softdep loaded it with pci-hyperv" loaded hv_pviommu
wait_nvme
dev=$(nvme_dev)
check "NVMe has a group" group_of "$dev"
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" paging \
	"it is in a paging domain"
check "NVMe reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct
check_not "rmmod is refused while it is in use" rmmod hv_pviommu
unload_pci || give_up "the buses go"
check "rmmod works again" rmmod hv_pviommu
is "$(hvctl iommu domain-count)" 0 "no domain left in the host"
no_faults "all the while"
