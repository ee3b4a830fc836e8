# SPDX-License-Identifier: GPL-2.0
#: core
#: any-host
#: summary drivers that were there first, as where pci-hyperv and nvme are built in
#: hvsim --device nvme --device dmaprobe --device dmaprobe
#: append iommu.strict=1

# 7.x has pci-hyperv built in, and its cloud flavour nvme: its devices have their
# driver before any module can be loaded. Others meet the same where an
# initramfs loads pci-hyperv alone.

drivers=/sys/bus/pci/drivers

# tool CODE WHAT: exit code of the status command, whose text is in /tmp/text
tool() {
	hv-pviommu >/tmp/text 2>&1
	is $? "$1" "$2: exit code of hv-pviommu"
}
# tells WHAT REGEX: that text says so
tells() { check "$1: hv-pviommu says so" grep -qE "$2" /tmp/text; }

# reads WHAT past|through: the disk is read, past the tables of the module or
# through them
reads() {
	local before after n
	before=$(hvctl iommu dma nvme0)
	check "$1: the disk reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k \
		count=16 iflag=direct
	after=$(hvctl iommu dma nvme0)
	if [ "$2" = through ]; then
		[ "${after#* }" = "${before#* }" ] &&
			[ "${after%% *}" -gt "${before%% *}" ]
	else
		[ "${after#* }" -gt "${before#* }" ] &&
			[ "${after%% *}" = "${before%% *}" ]
	fi
	is $? 0 "$1: $2 the tables of the module ($before, $after)"
}

if is_builtin pci-hyperv; then
	note "pci-hyperv is built in"
	check "there is no pci-hyperv to be loaded" modprobe pci-hyperv
	check_not "nor does its softdep load the module" loaded hv_pviommu
fi
load_pci
wait_nvme
nvme=$(nvme_dev)
a=$(probe_dev 0)
b=$(probe_dev 1)

# ---- without the module ----

tool 2 "not loaded"
tells "not loaded" "warning: not-loaded: .* 3 vPCI devices can reach all of the memory"
tells "not loaded" "$nvme .* nvme +untranslated"
is "$(ls /sys/kernel/iommu_groups | wc -l)" 0 "not loaded: no IOMMU group"
reads "not loaded" past

# ---- what its coming changes, and what not ----

modprobe dmaprobe || give_up "modprobe dmaprobe"
echo "$b" >$drivers/dmaprobe/unbind
check "it loads" modprobe hv_pviommu
log_has "the log says that two devices were in use" \
	"hv_pviommu: 2 devices in use already: not translated until unbound"
is "$(untranslated_list | sort)" "$(printf '%s in-use\n' "$nvme" "$a" | sort)" \
	"those with drivers are not translated"
check "the one without is" has_group "$b"
tool 1 "loaded"
tells "loaded" "warning: untranslated: 2 devices are not translated"
tells "loaded" "$nvme .* nvme +untranslated: its driver came before the module: unbind and bind it"
tells "loaded" "$b .* translated"
reads "loaded" past

# A driver that comes later finds its device translated.
echo "$b" >$drivers/dmaprobe/bind
page=$(dmaprobe "$b" alloc 1)
iova=$(dmaprobe "$b" map "$page" bidir)
check "its driver comes later: it writes where it may" \
	dmaprobe "$b" write "$iova" 64 0x11
is "$(dmaprobe "$b" write 0x13370000 64 0x22)" "fault not-present 0x13370000" \
	"and nowhere else"
dmaprobe "$b" unmap "$page"

# ---- how to change it, without a reboot ----

for d in $nvme $a; do
	driver=$(driver_of "$d")
	echo "$d" >"$drivers/$driver/unbind"
	check "$driver, unbound: a group at once" has_group "$d"
	echo "$d" >"$drivers/$driver/bind"
	is "$(driver_of "$d")" "$driver" "$driver, bound again"
done
wait_nvme
is "$(untranslated)" 0 "all are translated"
tool 0 "all translated"
reads "all translated" through

# Loading a driver never loads the module: other people's drivers are loaded as
# without us. What loads it at boot is in tests/cases/initramfs.sh.
rmmod dmaprobe
unload_pci || give_up "the buses go"
check "without its buses the module goes" rmmod hv_pviommu
is "$(hvctl iommu domain-count)" 0 "and leaves nothing in the host"
hvctl vpci rescind nvme0 && wait_for 30 bus_is nvme0 absent &&
	hvctl vpci offer nvme0 || give_up "a new NVMe controller"
is_builtin nvme || rmmod nvme || give_up "rmmod nvme"
load_pci
wait_for 30 nvme_dev || give_up "the buses are scanned"
check "modprobe nvme" modprobe nvme
check "modprobe vfio-pci" modprobe vfio-pci
check_not "neither loads hv_pviommu" loaded hv_pviommu
# Not the driver, but what comes before udev: then the module is there first.
unload_pci || give_up "the buses go again"
check "the module comes first" modprobe -b hv_pviommu
load_pci
wait_nvme
wait_for 10 has_group "$nvme"
is $? 0 "then the disk is translated from the start"
is "$(untranslated)" 0 "and so are all"
is "$(faults)" 1 "no fault but the one asked for"
