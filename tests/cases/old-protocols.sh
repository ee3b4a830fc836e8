# SPDX-License-Identifier: GPL-2.0
#: summary NVMe behind the IOMMU with the oldest VMBus and vPCI protocols
#: hvsim --vpci-max 1.1 --vmbus-max 4.0 --device nvme
#: append iommu.strict=1

load_all
wait_nvme
log_has "the guest settled for vPCI 1.1" "hv_pci .*Using version 0x10001"
log_has "the guest settled for VMBus 4.0" "Vmbus version:4\.0"
is "$(group_type "$(nvme_dev)")" DMA "a strict DMA domain"
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" paging \
	"the host has it in a paging domain"

# MSI of protocol 1.1 names its processors by a mask: more than one queue
# shows that all of them arrive.
check "random data" dd if=/dev/urandom of=/tmp/data bs=64k count=64
check "NVMe takes it" dd if=/tmp/data of=/dev/nvme0n1 bs=64k oflag=direct \
	count=64
for cpu in 0 1; do
	check "NVMe gives it back to processor $cpu" taskset $((1 << cpu)) \
		dd if=/dev/nvme0n1 of=/tmp/back bs=64k iflag=direct count=64
	check "unchanged" cmp /tmp/data /tmp/back
done
log_lacks "no I/O had to be polled for or was aborted" \
	"completion polled|I/O .* timeout"
no_faults "old protocols"
