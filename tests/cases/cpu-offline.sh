# SPDX-License-Identifier: GPL-2.0
#: summary a CPU goes and comes back under load, lazy mode: flushes go on
#: hvsim --device nvme,size=64M
#: uses fio
#: append iommu.strict=0
#: timeout 240

# 6.1 takes away the hypercall page of a CPU that goes offline while it still
# runs timers, and the flush queue is flushed from a timer.
load_all
wait_nvme
fio --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio --name=load \
	--rw=randwrite --bs=4k --size=16M --offset_increment=24M --iodepth=32 \
	--time_based --runtime=20 --numjobs=2 --group_reporting \
	--verify=crc32c --verify_backlog=64 --verify_fatal=1 \
	>/tmp/fio.log 2>&1 &
load=$!
times=0
while kill -0 $load 2>/dev/null; do
	echo 0 >/sys/devices/system/cpu/cpu1/online && times=$((times + 1))
	sleep 0.1
	echo 1 >/sys/devices/system/cpu/cpu1/online
	sleep 0.1
done 2>/dev/null
wait $load
is $? 0 "fio verified its data"
[ $times -ge 5 ]
is $? 0 "the CPU went offline while fio ran ($times times)"
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" paging \
	"NVMe is still in its paging domain"
log_lacks "no flush failed" "hv_pviommu: .*(are blocked|failed with)"
no_faults "all the while"
