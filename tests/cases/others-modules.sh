# SPDX-License-Identifier: GPL-2.0
#: summary modprobe treats other people's modules as without us, and a blocked or damaged module of ours harms nobody
#: hvsim --device nvme --device dmaprobe,absent
#: timeout 300

conf=/etc/modprobe.d

# ---- our module is blocked: pci-hyperv and the disk do without ----

echo 'install hv_pviommu /bin/false' >$conf/block.conf
sh /initramfs-script
check_not "install hv_pviommu /bin/false: the initramfs does not load it" \
	loaded hv_pviommu
if is_builtin pci-hyperv; then
	load_pci
else
	modprobe pci-hyperv
	is $? 0 "install hv_pviommu /bin/false: pci-hyperv loads"
	check_not "and hv_pviommu does not" loaded hv_pviommu
fi
wait_nvme
check "the disk reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=4 \
	iflag=direct
unload_pci || give_up "the buses go"

# ---- a blacklist: honoured by what loads it at boot ----

echo 'blacklist hv_pviommu' >$conf/block.conf
sh /initramfs-script
check_not "blacklist: the initramfs does not load it" loaded hv_pviommu
# What hv-pviommu.service runs.
modprobe -q -b hv_pviommu
check_not "blacklist: nor does the unit" loaded hv_pviommu
modprobe -q -b -- "$(cat /sys/class/dmi/id/modalias)"
check_not "blacklist: nor does udev" loaded hv_pviommu
rm $conf/block.conf

# ---- a damaged module: the same ----

module=$(modinfo -n hv_pviommu)
cp "$module" /tmp/good.ko
head -c 5000 /tmp/good.ko >"$module"
sh /initramfs-script
is $? 0 "damaged: the script of the initramfs ends with 0"
check_not "damaged: the module is not loaded" loaded hv_pviommu
if is_builtin pci-hyperv; then
	load_pci
else
	modprobe pci-hyperv
	is $? 0 "damaged: pci-hyperv loads all the same"
fi
wait_nvme
check "damaged: the disk reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k \
	count=4 iflag=direct
unload_pci || give_up "the buses go"
cp /tmp/good.ko "$module"

# ---- others' modules have their own lines ----

# blocked MODULE NAME: a user's install line for MODULE is in force
blocked() {
	echo "install $1 /bin/false" >$conf/zz-block.conf
	modprobe "$1" 2>/dev/null
	is $? 1 "install $1 /bin/false: modprobe fails"
	check_not "install $1 /bin/false: it is not loaded" loaded "$2"
	check_not "install $1 /bin/false: nor is hv_pviommu" loaded hv_pviommu
	rm $conf/zz-block.conf
}
# Modules that are not in this guest have lines, too: NVIDIA's packages and
# users' own.
blocked vfio-pci vfio_pci
for m in mlx5_core nvidia mana amdgpu; do
	touch /tmp/ran-not
	echo "install $m /bin/busybox touch /tmp/ran-$m" >$conf/zz-$m.conf
	ln -sf "${module%/*}/dmaprobe.ko" "${module%/*}/$m.ko"
done
# The files are made-up modules: what counts is which line modprobe takes.
/sbin/depmod -a
for m in mlx5_core nvidia mana amdgpu; do
	modprobe "$m"
	is $? 0 "install line for $m: modprobe"
	check "install line for $m: it was run" test -e "/tmp/ran-$m"
	rm "$conf/zz-$m.conf" "${module%/*}/$m.ko"
done
/sbin/depmod -a
check_not "none of them loads hv_pviommu" loaded hv_pviommu

# kmod takes one softdep for a module, the first by the names of files.
echo 'softdep vfio-pci pre: dmaprobe' >$conf/zz-vfio.conf
modprobe vfio-pci
is $? 0 "a user's softdep for vfio-pci: modprobe"
check "it is not made void: dmaprobe came first" loaded dmaprobe
rm $conf/zz-vfio.conf
modprobe -r vfio-pci
rmmod dmaprobe

# ---- no driver takes the module away, nor any device its protection ----

load_all
check "the module is loaded" loaded hv_pviommu
unload_pci || give_up "the buses go"
modprobe vfio-pci
modprobe -r vfio-pci
is $? 0 "modprobe -r vfio-pci, while the module has no device"
check_not "vfio-pci is gone" loaded vfio_pci
check "hv_pviommu is not" loaded hv_pviommu
load_pci
bring_back dmaprobe0 || give_up "dmaprobe comes"
wait_for 10 probe_dev || give_up "dmaprobe is there"
load_dmaprobe
check "a device that comes now is translated" has_group "$(probe_dev)"
no_faults "all the while"
