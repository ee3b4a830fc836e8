# SPDX-License-Identifier: GPL-2.0
#: summary group types, moves that fail on each kind of host, bind storms
#: hvsim --device nvme --device dmaprobe,ats --iommu ats
#: hvsim@lazy --iommu evict=11
#: variant lazy iommu.strict=0
#: variant strict iommu.strict=1
#: variant passthrough iommu.passthrough=1
#: timeout 480
#: allow-log@6.12 WARNING: .*__iommu_group_set_domain_internal|Call Trace

drivers=/sys/bus/pci/drivers
type_of() { cat "$group/type"; }
set_type() { echo "$1" >"$group/type"; }
attached() { hvctl iommu device dmaprobe0 | cut -d' ' -f2; }
ats() { hvctl iommu ats dmaprobe0 | cut -d' ' -f1; }
host_fails() { hvctl iommu fail "$@" || give_up "hvctl iommu fail $*"; }

# faults_as WHAT WANT ADDRESS: the device is told so, when it writes there
faults_as() {
	is "$(dmaprobe "$a" write "$3" 64 0x99)" "fault $2 $3" "$1"
}

# dma_is WHAT TYPE: device, host and kernel agree that it is in such a domain;
# binds the driver for that, and unbinds it.
dma_is() {
	local page iova phys
	is "$(type_of)" "$2" "$1: the kernel says $2"
	echo "$a" >$drivers/dmaprobe/bind
	page=$(dmaprobe "$a" alloc 1)
	dmaprobe "$a" fill "$page" 0x11
	phys=$(dmaprobe "$a" phys "$page")
	iova=$(dmaprobe "$a" map "$page" bidir)
	check "$1: the device writes" dmaprobe "$a" write "$iova" 64 0x11
	if [ "$2" = identity ]; then
		is "$(attached) $(ats)" "identity off" "$1: so does the host"
		is "$iova" "$phys" "$1: DMA address = physical address"
	else
		is "$(attached) $(ats)" "paging on" "$1: so does the host"
		faults_as "$1: not elsewhere" not-present "$phys"
	fi
	dmaprobe "$a" unmap "$page"
	[ "$2" != DMA ] || faults_as "$1: nor after unmap" not-present "$iova"
	echo "$a" >$drivers/dmaprobe/unbind
}

# All six ways from one type to another, and to DMA in the end.
round_trip() {
	local type what
	for type in identity DMA-FQ DMA DMA-FQ identity DMA; do
		[ "$type" != "$(type_of)" ] || continue
		what="$1, $(type_of) to $type"
		check "$what" set_type $type
		dma_is "$what" $type
	done
	is "$(hvctl iommu domain-count)" "$domains" \
		"$1: as many domains in the host as before"
}

# no_move WHAT FROM TO HOST: a move, of which the host refuses a part, fails,
# and the device is in HOST then: FROM's domain, blocked, or detached. Without
# the refusal the next one works.
no_move() {
	local what="$1, $2 to $3"
	check_not "$what: the caller hears of it" set_type "$3"
	is "$(type_of)" "$2" "$what: the kernel says so"
	hvctl iommu fail clear
	case $4 in
	same)
		dma_is "$what" "$2" ;;
	*)
		is "$(attached) $(ats)" "$4 off" "$what: $4"
		echo "$a" >$drivers/dmaprobe/bind
		faults_as "$what: reaches nothing" blocked 0x1000
		echo "$a" >$drivers/dmaprobe/unbind
		;;
	esac
	check "$what: then it moves" set_type "$3"
}

# 6.12's core asks for the old domain itself, after the module did; if that fails
# as well, the core warns. 7.2's does that for other members of a group only.
core_tries_again() {
	host_fails attach INSUFFICIENT_MEMORY 2 2
	no_move "$1: the way back fails at first" "$2" "$3" same
	host_fails attach INSUFFICIENT_MEMORY 2 2
	host_fails detach INSUFFICIENT_MEMORY 2
	no_move "$1: the way back fails twice" "$3" "$2" blocked
	host_fails attach INSUFFICIENT_MEMORY 2 4
	no_move "$1: not even blocked" "$2" "$3" detached
}

# Each part of a move, there and back. A host that wants a detach first sees
# the attach it refuses, the detach, the attach, and then the ways back.
all_failures() {
	local way from to
	for way in "identity DMA" "DMA identity"; do
		to=${way% *}
		from=${way#* }
		if [ "$1" = replace ]; then
			host_fails attach INVALID_PARAMETER
			no_move "$1: attach fails" "$from" "$to" same
			host_fails attach DEVICE_ALREADY_IN_DOMAIN 1 2
			no_move "$1: always in a domain" "$to" "$from" same
			check "back" set_type "$to"
			continue
		fi
		host_fails detach INSUFFICIENT_MEMORY
		no_move "$1: detach fails" "$from" "$to" same
		host_fails attach OPERATION_DENIED 2
		no_move "$1: attach fails" "$to" "$from" same
		if since 6.12 && ! since 7.2; then
			core_tries_again "$1" "$from" "$to"
			continue
		fi
		host_fails attach INSUFFICIENT_MEMORY 2 2
		no_move "$1: the way back fails, too" "$from" "$to" blocked
		host_fails attach INSUFFICIENT_MEMORY 2 3
		no_move "$1: not even blocked" "$to" "$from" detached
		check "back" set_type "$to"
	done
	dma_is "$1: in the end" DMA
}

load_all
wait_nvme
load_dmaprobe
n=$(nvme_dev)
a=$(probe_dev)
group=/sys/kernel/iommu_groups/$(group_of "$a")
domains=$(hvctl iommu domain-count)
case $(cat /proc/cmdline) in
*passthrough=1*) type=identity host=attach=replace ;;
*strict=1*) type=DMA host=inuse=any ;;
*) type=DMA-FQ host=attach=detach-first ;;
esac
is "$(group_type "$n")" $type "NVMe: $type"

check "data" dd if=/dev/urandom of=/tmp/data bs=64k count=16
check "NVMe takes it" dd if=/tmp/data of=/dev/nvme0n1 bs=64k \
	oflag=direct count=16
dd if=/dev/nvme0n1 of=/tmp/back bs=64k iflag=direct count=16 2>/dev/null
check "and gives it back" cmp /tmp/data /tmp/back
if [ $type = identity ]; then
	is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" identity \
		"the host has it in an identity domain"
	is "$(flush_calls)" 0 "no flushes"
	is "$(hvctl iommu dma nvme0 | cut -d' ' -f1)" 0 "all DMA untranslated"
fi
no_faults "at first"

# A driver that is bound has its addresses: only DMA-FQ can be had then.
for to in identity DMA DMA-FQ; do
	case $type-$to in
	"$to-$to" | DMA-DMA-FQ) ;;
	*) check_not "with a driver: no $to" set_type $to ;;
	esac
done
is "$(type_of)" $type "with a driver: still $type"
echo "$a" >$drivers/dmaprobe/unbind
dma_is "without, and with it again" $type
[ $type != identity ] || domains=$((domains + 1))
hvctl iommu config $host
round_trip "$host"
all_failures "${host#*=}"
hvctl iommu config attach=replace,inuse=same
is "$(hvctl iommu domain-count)" "$domains" \
	"as many domains in the host as before"
check "auto" set_type auto
is "$(type_of)" $type "auto: as booted"
[ $type != identity ] || domains=$((domains - 1))

if [ $type = DMA ]; then

# VFIO asks for a domain, and does not get it: it hears of that, at the block
# and after it.
modprobe vfio-pci
modprobe vfio_iommu_type1
override=/sys/bus/pci/devices/$a/driver_override
echo vfio-pci >"$override"
echo "$a" >/sys/bus/pci/drivers_probe
before=$(hvctl iommu device dmaprobe0)
host_fails attach INSUFFICIENT_MEMORY
check_not "VFIO: not blocked" vfio-probe run "$a"
is "$(hvctl iommu device dmaprobe0)" "$before" "VFIO: where it was"
host_fails attach INSUFFICIENT_MEMORY 2
check_not "VFIO: blocked, but no domain" vfio-probe run "$a"
is "$(hvctl iommu device dmaprobe0)" "$before" "VFIO: given back"
check "VFIO: then it works" vfio-probe run "$a"
is "$(hvctl iommu device dmaprobe0)" "$before" "VFIO: given back again"
echo "$a" >$drivers/vfio-pci/unbind
echo >"$override"
dma_is "after VFIO" $type

elif [ $type = DMA-FQ ]; then

# Drivers come and go, the domains stay.
calls=$(setup_calls)
i=0
good=0
while [ $i -lt 24 ]; do
	echo "$a" >$drivers/dmaprobe/bind
	page=$(dmaprobe "$a" alloc 4)
	iova=$(dmaprobe "$a" map "$page" bidir)
	dmaprobe "$a" write "$iova" 16384 $i >/dev/null &&
		dmaprobe "$a" check "$page" $i >/dev/null &&
		good=$((good + 1))
	echo "$a" >$drivers/dmaprobe/unbind
	i=$((i + 1))
done
is $good 24 "dmaprobe: DMA each time that it was bound"
i=0
good=0
while [ $i -lt 20 ]; do
	echo "$n" >$drivers/nvme/unbind
	echo "$n" >$drivers/nvme/bind
	wait_nvme
	dd if=/dev/nvme0n1 of=/tmp/back bs=64k iflag=direct count=1 2>/dev/null
	cmp -s -n 65536 /tmp/data /tmp/back && good=$((good + 1))
	i=$((i + 1))
done
is $good 20 "NVMe: reads what was written each time"
is "$(setup_calls)" "$calls" "no call for that but flushes"

fi
is "$(hvctl iommu domain-count)" "$domains" \
	"as many domains in the host as before"
