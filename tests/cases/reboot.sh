# SPDX-License-Identifier: GPL-2.0
#: summary nothing is left in the host at a reboot and at power-off
#: hvsim --device nvme --device dmaprobe --on-reset reboot --strict-exit
#: stages 2
#: variant dma iommu.strict=1
#: variant identity iommu.passthrough=1
#: variant off hv_pviommu.disable=1
#: timeout 400

# The first kernel writes, the second reads. hvsim ends the run at the reset
# and at power-off if a domain is left or a device is in one.
. /kexec.sh

want=paging
has iommu.passthrough=1 && want=identity
has hv_pviommu.disable=1 && want=unattached

load_all
wait_nvme
load_dmaprobe
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" $want \
	"kernel $STAGE: the NVMe controller is $want in the host"

if [ "$STAGE" = 1 ]; then
	is "$(hvctl boots)" 0 "the first boot"
	write_disk kernel1
	is $? 0 "the disk is written"
	# The device is in use and has mappings to the end.
	b=$(dmaprobe "$(probe_dev)" alloc 16)
	dmaprobe "$(probe_dev)" map "$b" bidir >/dev/null
	cat /dev/nvme0n1 >/dev/null &
	reboot -f
	give_up "reboot"
fi

is "$(hvctl boots)" 1 "the machine was reset once"
is "$(read_disk)" kernel1 "the disk has what was written"
no_faults "the second boot"
