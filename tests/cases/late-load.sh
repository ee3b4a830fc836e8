# SPDX-License-Identifier: GPL-2.0
#: summary the module loads and goes 50 times under NVMe I/O and drivers that come and go
#: hvsim --device nvme,size=64M --device dmaprobe
#: uses fio
#: timeout 480

# Passes are only counted: must WHAT COMMAND...
must() {
	local what=$1
	shift
	"$@" && return
	miss "round $round ($kind): $what"
	bad=$((bad + 1))
	[ $bad -lt 5 ] || give_up "too many mistakes"
}

# Verified writes, until there is a file /tmp/stop.
io() {
	while [ ! -e /tmp/stop ]; do
		fio --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio \
			--name=load --rw=randwrite --bsrange=4k-32k \
			--blockalign=4k --size=16M --iodepth=8 --rate_iops=200 \
			--time_based --runtime=8 --verify=crc32c \
			--verify_backlog=32 --verify_fatal=1 >/tmp/fio.log 2>&1 ||
			return 1
	done
}

# The driver of dmaprobe comes and goes, until there is a file /tmp/end-race;
# ends without it.
race() {
	while [ ! -e /tmp/end-race ]; do
		echo "$a" >$driver/bind
		echo "$a" >$driver/unbind
	done 2>/dev/null
}

# The number in the line "N devices in use already", 0 if there is none.
said() {
	local n
	n=$(dmesg | sed -n 's/.*hv_pviommu: \([0-9]*\) devices\{0,1\} in use.*/\1/p')
	echo "${n:-0}"
}

load() { insmod "$module"; }
unload() { rmmod hv_pviommu; }

driver=/sys/bus/pci/drivers/dmaprobe
module=$(modinfo -n hv_pviommu)
load_pci
wait_nvme
load_dmaprobe
nvme=$(nvme_dev)
a=$(probe_dev)
io &
writer=$!
ios=$(nvme_ios)
calls=0 both=0 round=0 bad=0
while [ $round -lt 50 ]; do
	round=$((round + 1))
	dmesg -c >/dev/null
	case $((round % 5)) in
	1) kind=bound ;;
	2) kind=idle ;;
	*) kind=race ;;
	esac
	[ -e $driver/$a ] || echo "$a" >$driver/bind
	[ $kind != idle ] || echo "$a" >$driver/unbind
	if [ $kind = race ]; then
		rm -f /tmp/end-race
		race &
		racer=$!
	fi
	must "it loads" load
	if [ $kind = race ]; then
		touch /tmp/end-race
		wait $racer
	fi

	must "NVMe has no group" eval '! has_group "$nvme"'
	must "NVMe has its driver" [ "$(driver_of "$nvme")" = nvme ]
	must "the host was told nothing of it" [ "$(kind_of nvme0)" = unattached ]
	n=$(said)
	if [ $kind = bound ]; then
		must "2 in use, says the log, not $n" [ "$n" = 2 ]
		must "2 in sysfs" [ "$(untranslated)" = 2 ]
		must "both by name" [ "$(untranslated_list | sort)" = "$nvme in-use
$a in-use" ]
		must "it goes again" unload
		continue
	fi
	if [ $kind = idle ]; then
		must "1 in use, says the log, not $n" [ "$n" = 1 ]
	else
		must "1 or 2 in use, says the log, not $n" \
			[ $((n - 1 & ~1)) = 0 ]
		both=$((both + n - 1))
	fi
	# Its driver has gone, before or after.
	must "dmaprobe gets a group" wait_for 60 has_group "$a"
	must "it is in a paging domain" [ "$(kind_of dmaprobe0)" = paging ]
	must "1 in sysfs" [ "$(untranslated)" = 1 ]
	must "NVMe, by name" [ "$(untranslated_list)" = "$nvme in-use" ]
	calls=$((calls + $(calls attach)))
	must "with a device of its own it does not go" \
		eval '! unload 2>/dev/null'
	must "dmaprobe goes" take_away dmaprobe0
	must "it goes again" unload
	must "dmaprobe comes back" bring_back dmaprobe0
	hvctl iommu reset-counts
done
is $bad 0 "50 times it loaded and went, and left alone what was in use"
note "in 30 races dmaprobe was in use $both times"
[ $calls -ge 40 ]
is $? 0 "the idle device was attached each time"
touch /tmp/stop
wait $writer
is $? 0 "fio verified its data"
n=$(($(nvme_ios) - ios))
[ $n -ge 1000 ]
is $? 0 "at least 1000 I/Os meanwhile ($n)"
is "$(hvctl iommu domain-count)" 0 "no domain left in the host"
no_faults "all the while"
