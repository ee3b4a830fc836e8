# SPDX-License-Identifier: GPL-2.0
#: core
#: any-host
#: summary what the initramfs does about drivers that were there first, and when not
#: hvsim --device nvme --device dmaprobe
#: append iommu.strict=1
#: allow-log@6.12 WARNING: .*iommu_setup_default_domain|Call Trace

# The script of the initramfs, run in the state that it finds where pci-hyperv
# and drivers are built in. tests/packaging/boot-trixie.sh runs it where it
# belongs.
script() {
	dmesg -c >/dev/null
	sh /initramfs-script >/tmp/out 2>&1
	is "$? $(cat /tmp/out)" "0 " "$1: the script says nothing, and ends with 0"
}

in_use() {
	is "$(untranslated_list | sort)" \
		"$(printf '%s in-use\n' "$nvme" "$probe" | sort)" \
		"$1: nothing is touched"
}

# reads WHAT past|through: the disk is read, past the tables of the module or
# through them
reads() {
	local before after
	before=$(hvctl iommu dma nvme0)
	check "$1: the disk reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k \
		count=16 iflag=direct
	after=$(hvctl iommu dma nvme0)
	if [ "$2" = through ]; then
		[ "${after#* }" = "${before#* }" ]
	else
		[ "${after%% *}" = "${before%% *}" ]
	fi
	is $? 0 "$1: $2 the tables of the module ($before, $after)"
}

has_drivers() {
	is "$(driver_of "$nvme") $(driver_of "$probe")" "nvme dmaprobe" \
		"$1: devices have their drivers"
}

is "$(sh /initramfs-script prereqs)" "" "it does not wait for another script"
load_pci
wait_nvme
load_dmaprobe
nvme=$(nvme_dev)
probe=$(probe_dev)

# ---- nothing is done without the module ----

echo 'options hv_pviommu disable=1' >/etc/modprobe.d/off.conf
script "disabled"
rm /etc/modprobe.d/off.conf
check_not "disabled: the module is not loaded" loaded hv_pviommu
has_drivers "disabled"

# ---- nor to disks in use ----

left="is left untranslated: a disk is in use already"
mkswap /dev/nvme0n1 >/dev/null && swapon /dev/nvme0n1 || give_up "swapon"
script "swap"
swapoff /dev/nvme0n1
check "swap: the module is loaded" loaded hv_pviommu
in_use "swap"
log_has "swap: the log says why" "hv-pviommu: initramfs: $nvme $left"
log_has "swap: of both" "hv-pviommu: initramfs: $probe $left"

mkdir -p /tmp/mnt
mount -t tmpfs /dev/disk /tmp/mnt || give_up "mount"
script "file system"
umount /tmp/mnt
in_use "file system"
log_has "file system: the log says why" "$nvme $left"

mount -t tmpfs block /sys/class/block || give_up "mount"
mkdir -p /sys/class/block/nvme0n1/holders/dm-0
script "holder"
umount /sys/class/block
in_use "holder"
log_has "holder: the log says why" "$nvme $left"
reads "left alone" past

# ---- the host refuses: the driver has it back as it was ----

first=$(untranslated_list | sed -n '1s/ .*//p')
hvctl iommu fail create INSUFFICIENT_MEMORY
script "refused"
is "$(untranslated_list | sed 's/ .*//')" "$first" \
	"refused: one is untranslated, the other is not"
has_drivers "refused"
log_has "refused: the log says so" \
	"hv-pviommu: initramfs: $first is not translated \(refused\), .* has it back"
wait_nvme
case $first in
"$nvme") reads "refused" past ;;
*) reads "refused" through ;;
esac

# ---- what it is for ----

# The one that was refused: a driver that came anew is one that is in use.
load_unload() {
	unload_pci && rmmod hv_pviommu || give_up "$1: the buses go"
	hvctl vpci rescind nvme0 && wait_for 30 bus_is nvme0 absent &&
		hvctl vpci offer nvme0 || give_up "$1: a new NVMe controller"
	load_pci
	wait_nvme
	wait_for 10 has_probe || give_up "$1: dmaprobe"
}
has_probe() { [ "$(driver_of "$probe")" = dmaprobe ]; }

load_unload "anew"
script "in use"
is "$(untranslated_list)" "" "in use: all are translated"
has_drivers "in use"
for d in "$nvme" "$probe"; do
	log_has "in use: the log has $d" \
		"hv-pviommu: initramfs: $d: $(driver_of "$d") has let go of it, and has it back translated"
done
wait_nvme
reads "in use" through
is "$(kind_of nvme0) $(kind_of dmaprobe0)" "paging paging" \
	"in use: the host says so, too"

calls=$(setup_calls)
script "once more"
is "$(setup_calls)" "$calls" "once more: nothing is done"
has_drivers "once more"

# A kernel started by kexec, whose driver has given up on a blocked device
echo "$nvme" >/sys/bus/pci/drivers/nvme/unbind
script "given up"
has_drivers "given up"
wait_nvme
reads "given up" through
no_faults "all the while"
