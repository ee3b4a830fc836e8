# SPDX-License-Identifier: GPL-2.0
#: summary kexec into the same kernel, with the host cleaned up and not
#: hvsim --device nvme --device dmaprobe --strict-exit
#: hvsim@clean --vpci-unclean running
#: hvsim@kept --vpci-unclean held
#: uses kexec
#: stages 2
#: variant clean iommu.strict=1
#: variant kept iommu.strict=1 kept
#: timeout 400

. /kexec.sh

# The same in both kernels: the devices work.
devices_work() {
	is "$(kind_of nvme0) $(kind_of dmaprobe0)" "paging paging" \
		"kernel $STAGE: both devices are translated"
	a=$(probe_dev)
	page=$(dmaprobe "$a" alloc 1)
	iova=$(dmaprobe "$a" map "$page" bidir)
	check "kernel $STAGE: the device writes" dmaprobe "$a" write "$iova" \
		4096 "0x1$STAGE"
	check "kernel $STAGE: memory changed" dmaprobe "$a" check "$page" \
		"0x1$STAGE"
}

# Where pci-hyperv is built in, the second kernel's disk driver is there before
# the module. After a clean end it finds the disk blocked. With domains that were
# kept it would have the disk use tables of a kernel that is gone, and anything
# may come of that: here the disk is away until the module is there.
disk=blocked
is_builtin pci-hyperv || disk=waiting
! has kept || [ $disk = waiting ] || disk=away

# The module after its devices: they are older, and are shut down first all the
# same.
load_late() {
	local dev
	load_pci
	wait_nvme
	dev=$(nvme_dev)
	echo "$dev" >/sys/bus/pci/drivers/nvme/unbind
	modprobe hv_pviommu || give_up "modprobe hv_pviommu"
	echo "$dev" >/sys/bus/pci/drivers/nvme/bind
}

if [ "$STAGE" = 1 ]; then
	if has kept; then
		load_all
	else
		load_late
	fi
	wait_nvme
	load_dmaprobe
	devices_work
	is "$(ids)" "1 2 3 4" "kernel 1: the domains in the host"
	write_disk kernel1
	is $? 0 "kernel 1: the disk is written"
	load_kernel 2 "iova=$iova" $impatient
	[ $disk != away ] || take_away nvme0 || give_up "nvme0 does not go"
	# It goes on to the very end, as other devices' DMA might.
	check "the device writes on and on" hvctl beat dmaprobe0 10 "$iova"
	if has kept; then
		for call in attach detach delete; do
			hvctl iommu fail $call OPERATION_DENIED 1 all
		done
	fi
	[ $disk = away ] || cat /dev/nvme0n1 >/dev/null &
	start_kernel
fi

# What the first kernel has mapped, if nothing was done about it.
old=$(value iova)
domains=$(ids)
set -- $(hvctl beat dmaprobe0)
note "DMA of the first kernel: $*"
# A pci-hyperv that is built in has met the refused D0ENTRY by now, and has had
# the device reset for that.
want=on
! is_builtin pci-hyperv || ! has kept || want=off
[ "$1 $4" = "$want no-device" ] && [ "$2" -gt 0 ] && [ "$3" -gt 0 ]
is $? 0 "the device wrote until kexec, and has tried since"
if has kept; then
	if [ $disk = away ]; then
		is "$domains" "1 2 3" "the first kernel's domains are there"
		is "$(domain_of dmaprobe0)" 3 "with the device in one"
		new="5 4"
	else
		is "$domains" "1 2 3 4" "the first kernel's domains are there"
		is "$(domain_of nvme0) $(domain_of dmaprobe0)" "3 4" \
			"with the devices in them"
		new="5 6"
	fi
	hvctl iommu fail clear
	hvctl iommu forgive
else
	is "$domains" "" "the first kernel has left no domain"
	is "$(kind_of nvme0) $(kind_of dmaprobe0)" "detached detached" \
		"and no device in one"
fi
no_faults "the first kernel"
n=$(hvctl iommu blocked-dma)
if [ $disk = blocked ]; then
	[ "$n" -gt 0 ]
	is $? 0 "the disk's driver was there before the module, and got nowhere"
else
	is "$n" 0 "its devices were blocked when all was done"
fi

load_all
case $disk in
away) bring_back nvme0 || give_up "nvme0 does not come back" ;;
blocked) retry_disk ;;
esac
wait_nvme
hvctl beat dmaprobe0 off
load_dmaprobe
devices_work
is "$(read_disk)" kernel1 "the disk has what the first kernel wrote"
write_disk kernel2
is "$(read_disk)" kernel2 "and takes what the second writes"
no_faults "the second kernel"
if has kept; then
	is "$(ids)" "$domains $(echo $new | tr ' ' '\n' | sort | xargs)" \
		"new domains beside those with devices"
	is "$(domain_of nvme0) $(domain_of dmaprobe0)" "$new" \
		"the devices are in the new ones"
	is "$(own_log | grep -cE 'domain [12] .*earlier kernel: it goes')" 2 \
		"the log tells of those that were deleted"
	is "$(own_log | grep -cE 'domain [34] .*earlier kernel: it stays')" \
		$(($(echo $domains | wc -w) - 2)) "and of those that could not be"
else
	is "$(ids)" "1 2 3 4" "the domains have the ids of before"
	log_lacks "the log tells of no earlier kernel" "earlier kernel"
fi
is "$(loud_log)" "" "nothing above info in the log"
is "$(hvctl iommu forgiven-dma nvme0) $(hvctl iommu forgiven-dma dmaprobe0)" \
	"0 0" "no access through a table of the first kernel"
dmaprobe "$a" unmap "$page"
[ "$old" = "$iova" ] || note "mapped at $old, and now at $iova"
is "$(dmaprobe "$a" write "$old" 8 0x55 | cut -d' ' -f1-2)" \
	"fault not-present" "what it had mapped is not to be reached"
