# SPDX-License-Identifier: GPL-2.0
#: core
#: summary fio with crc32c verification on NVMe, strict and lazy
#: hvsim --device nvme,size=128M
#: uses fio
#: variant strict iommu.strict=1
#: variant lazy iommu.strict=0
#: timeout 480

want=DMA-FQ
grep -q iommu.strict=1 /proc/cmdline && want=DMA

# Where nvme is a module, udev loads it when its device appears.
module=
loaded nvme && module=1 && rmmod nvme
load_all
wait_for 10 nvme_dev || give_up "the NVMe controller appears"
dev=$(nvme_dev)
[ -z "$module" ] || check "its driver loads by its alias" \
	modprobe "$(cat "/sys/bus/pci/devices/$dev/modalias")"
wait_nvme
is "$(group_type "$dev")" $want "the NVMe controller's domain type"
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" paging \
	"the host has it in a paging domain"

before=$(nvme_ios)
flushes_before=$(flush_calls)
others_before=$(setup_calls)
verify() {
	fio --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio \
		--verify=crc32c --verify_fatal=1 --do_verify=1 --group_reporting \
		"$@" >/tmp/fio.log 2>&1
}
check "fio verifies 4 KiB random writes" verify --name=small --rw=randwrite \
	--bs=4k --size=48M --iodepth=32
check "fio verifies 8 to 256 KiB blocks at odd offsets" verify --name=large \
	--rw=randwrite --bsrange=8k-256k --blockalign=4k --offset=64M \
	--size=48M --iodepth=8 --norandommap
n=$(($(nvme_ios) - before))
[ $n -ge 20000 ]
is $? 0 "at least 20000 I/Os ($n)"
f=$(($(flush_calls) - flushes_before))
note "$n I/Os, $f flush calls: $((f * 1000 / n)) per 1000 I/Os"
is $(($(setup_calls) - others_before)) 0 "no hypercall but flushes in the I/O path"
[ $f -gt 0 ]
is $? 0 "unmapping does flush"
no_faults "fio"
