#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The dracut module of hv_pviommu: puts the module into the initramfs, and has it
# loaded before udev starts. dracut sources this file.

# called by dracut: into every initramfs, as that may meet Hyper-V later.
check() {
	return 0
}

# called by dracut
depends() {
	return 0
}

# Not for every kernel: DKMS builds it where it can.
hv_pviommu_exists() {
	# shellcheck disable=SC2154 # kernel is dracut's
	modinfo -k "$kernel" ${dracutsysrootdir:+-b "$dracutsysrootdir"} \
		hv_pviommu >/dev/null 2>&1
}

# called by dracut. No device names the module, so it is in by its own name.
installkernel() {
	! hv_pviommu_exists || hostonly='' instmods hv_pviommu
}

# called by dracut
install() {
	hv_pviommu_exists || return 0
	inst_multiple modprobe sleep
	# shellcheck disable=SC2154 # moddir is dracut's
	inst_script "$moddir/hv-pviommu" /usr/lib/hv-pviommu-initramfs
	inst_hook pre-udev 01 "$moddir/hv-pviommu-hook.sh"
}
