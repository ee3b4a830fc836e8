# SPDX-License-Identifier: GPL-2.0
#: summary a crash kernel gets at its disk, DMA of the crashed one ends
#: hvsim --device nvme --device dmaprobe --on-panic continue
#: hvsim@kept --vpci-unclean running
#: hvsim@held --vpci-unclean held
#: hvsim@dropped --iommu unload=drop
#: uses kexec
#: stages 2
#: variant kept iommu.strict=1 crashkernel=192M want=kept
#: variant held iommu.strict=1 crashkernel=192M want=kept held
#: variant dropped iommu.strict=1 crashkernel=192M want=dropped
#: allow-log Call Trace:
#: timeout 400

. /kexec.sh

if [ "$STAGE" = 1 ]; then
	load_all
	wait_nvme
	load_dmaprobe
	write_disk kernel1
	is $? 0 "the disk is written"

	# The crash kernel's memory is watched, and the device writes to a page
	# of the first one, whatever comes.
	a=$(probe_dev)
	page=$(dmaprobe "$a" alloc 1)
	iova=$(dmaprobe "$a" map "$page" bidir)
	gpa=$(dmaprobe "$a" phys "$page")
	load_kernel -p 2 nr_cpus=1 reset_devices "iova=$iova" "gpa=$gpa" \
		$impatient
	area=$(sed -n 's/^ *\([0-9a-f]*\)-\([0-9a-f]*\) : Crash kernel/0x\1 0x\2/p' \
		/proc/iomem)
	[ -n "$area" ] || give_up "no crash kernel in /proc/iomem"
	# shellcheck disable=SC2086
	check "the crash kernel's memory ($area) is watched" \
		hvctl iommu watch $area
	check "the device writes on and on" hvctl beat dmaprobe0 10 "$iova"
	cat /dev/nvme0n1 >/dev/null &
	# Crash kernels run where the crash was: not on the boot CPU here.
	has held && taskset -p 2 $$ >/dev/null
	crash
fi

iova=$(value iova)
gpa=$(value gpa)
beats() { hvctl beat dmaprobe0 | cut -d' ' -f2; }
refused() { hvctl beat dmaprobe0 | cut -d' ' -f3; }
beats_on() { [ "$(beats)" -gt "$1" ]; }

check "this is a crash kernel" test -s /proc/vmcore
if [ "$(value want)" = kept ]; then
	is "$(ids)" "1 2 3 4" "the domains of the first kernel are there"
	# Nobody has stopped it yet: it writes where it was allowed to. But a
	# pci-hyperv that is built in has met the refused D0ENTRY by now, and has
	# had the device reset for that.
	before=$(beats)
	if is_builtin pci-hyperv && has held; then
		is "$(hvctl beat dmaprobe0 | cut -d' ' -f1)" off \
			"the device was reset"
	else
		check "the device goes on writing" \
			wait_for 10 beats_on "$before"
	fi
	n=$(hvctl peek "$gpa")
	[ "$n" -ge "$before" ] && [ "$n" -le "$(beats)" ]
	is $? 0 "to the page it had in the first kernel"
	is "$(refused)" 0 "none was refused so far"
else
	is "$(ids)" "" "the host has dropped all domains"
	is "$(hvctl beat dmaprobe0 | cut -d' ' -f1)" off \
		"and reset the devices"
fi

# Where pci-hyperv is built in, the disk's driver is there before the module, and
# has the disk look for the crash kernel's memory in the tables of the first one.
early=
! is_builtin pci-hyperv || [ "$(value want)" != kept ] || early=yes
if [ -n "$early" ]; then
	is "$(hvctl iommu fault-list | cut -d' ' -f1,3 | sort -u)" \
		"nvme0 not-present" "the disk reaches nothing"
	hvctl iommu faults-clear
fi

load_all
[ -z "$early" ] || retry_disk
wait_nvme
if [ "$(value want)" = kept ]; then
	log_has "the log says that the module is needed" \
		"hv_pviommu: crash kernel: the host still has the domains"
	is "$(kind_of nvme0) $(kind_of dmaprobe0)" "paging paging" \
		"both devices are translated"
	is "$(ids)" "1 2 3 4 1073741824 1073741825 1073741826 1073741827" \
		"by domains far from the first kernel's"
else
	log_has "the log says that the module is not needed" \
		"hv_pviommu: not needed in this crash kernel"
	check_not "it is not loaded" loaded hv_pviommu
	is "$(kind_of nvme0) $(kind_of dmaprobe0)" "unattached unattached" \
		"the devices are not translated"
	is "$(ids)" "" "nothing of the module in the host"
fi
is "$(loud_log)" "" "nothing above info in the log"
if has held; then
	log_has "the host had to be asked twice" "Retrying D0 Entry"
	is "$(sed -n 's/^apicid.*: //p' /proc/cpuinfo)" 1 \
		"the crash kernel runs on the CPU that crashed"
else
	log_lacks "the host had to be asked once" "Retrying D0"
fi

# From here on not one more of them, long before its driver is there. Nothing
# tells when one would have come: the device writes every 10 ms when it does. On a
# slow machine there are fewer chances to see one, and no false failure.
n=$(beats)
sleep 0.2
is "$(beats)" "$n" "the device writes no more"
is "$(hvctl iommu watched dmaprobe0)" 0 \
	"it has never touched the crash kernel's memory"
no_faults "cut off before it could meet a new table"
if [ "$(value want)" = kept ] && ! has held; then
	[ "$(refused)" -gt 0 ]
	is $? 0 "it did try"
fi

is "$(read_disk)" kernel1 "the disk has what the first kernel wrote"
dd if=/proc/vmcore of=/dev/nvme0n1 bs=64k count=64 oflag=direct 2>/dev/null
is $? 0 "the memory of the first kernel goes to the disk"
dd if=/dev/nvme0n1 bs=64k count=64 iflag=direct 2>/dev/null >/tmp/disk
dd if=/proc/vmcore bs=64k count=64 2>/dev/null >/tmp/core
check "the disk has it" cmp /tmp/disk /tmp/core

# The device's own driver comes, and lets it do DMA again.
hvctl beat dmaprobe0 off
load_dmaprobe
a=$(probe_dev)
page=$(dmaprobe "$a" alloc 1)
new=$(dmaprobe "$a" map "$page" bidir)
check "the device works in the crash kernel" dmaprobe "$a" write "$new" 4096 \
	0x22
check "memory changed" dmaprobe "$a" check "$page" 0x22
no_faults "the crash kernel"
