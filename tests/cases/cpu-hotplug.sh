# SPDX-License-Identifier: GPL-2.0
#: summary CPUs go and come back while all of them map and unmap: flushes go on
#: hvsim --device nvme,size=64M --device dmaprobe,functions=3 --cpus 3
#: uses fio
#: variant lazy iommu.strict=0
#: variant strict iommu.strict=1
#: timeout 300

# 6.1 takes away the hypercall page of a CPU that goes offline while it still
# runs timers and interrupts, and before its NVMe queue is drained: in strict
# mode the completions flush, in lazy mode the timer of the flush queue does.
seconds=15

io() {
	fio --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio --name=load \
		--rw=randwrite --bs=4k --size=16M --offset_increment=24M \
		--iodepth=32 --time_based --runtime=$1 --numjobs=2 \
		--group_reporting --verify=crc32c --verify_backlog=64 \
		--verify_fatal=1 >/tmp/fio.log 2>&1
}

# CPU N goes and comes, after as many seconds each: a pace, nothing is waited for.
blink() {
	echo 0 >/sys/devices/system/cpu/cpu$1/online && times=$((times + 1))
	sleep $2
	echo 1 >/sys/devices/system/cpu/cpu$1/online
	sleep $2
}

load_all
wait_nvme
load_dmaprobe

# One CPU, and nothing but I/O: this is where its timers are caught.
io 10 &
load=$!
times=0
while kill -0 $load; do blink 1 0.1; done 2>/dev/null
wait $load
is $? 0 "I/O only: fio verified its data"
[ $times -ge 4 ]
is $? 0 "I/O only: a CPU went offline meanwhile ($times times)"

# All of them, and more to do than they can.
io $seconds &
load=$!
storms=
for n in 0 1 2; do
	d=$(probe_dev $n)
	page=$(dmaprobe "$d" alloc 4)
	taskset $((1 << n)) dmaprobe "$d" storm "$page" $seconds \
		>/tmp/storm.$n 2>&1 &
	storms="$storms $!"
done

flushes=$(flush_calls)
times=0
set -- $storms
while kill -0 $load; do
	for n in 1 2; do
		# So that there is something in the queue of that CPU.
		for p in $(pidof fio); do taskset -p $((1 << n)) "$p"; done
		blink $n 0
	done
	# Back to where they were: they were moved away.
	taskset -p 2 "$2"
	taskset -p 4 "$3"
done >/dev/null 2>&1

wait $load
is $? 0 "fio verified its data"
n=0
for p in $storms; do
	wait "$p"
	is $? 0 "storm $n: each write arrived ($(cat /tmp/storm.$n) times)"
	[ "$(cat /tmp/storm.$n)" -ge 20 ]
	is $? 0 "storm $n: at least 20 times"
	n=$((n + 1))
done
[ $times -ge 4 ]
is $? 0 "CPUs went offline meanwhile ($times times)"
note "$(($(flush_calls) - flushes)) flush calls"
is "$(kind_of nvme0)" paging "NVMe is still in its paging domain"
is "$(kind_of dmaprobe0.2)" paging "dmaprobe is, too"
log_lacks "no flush failed" "hv_pviommu: .*(are blocked|failed with)"
no_faults "all the while"
