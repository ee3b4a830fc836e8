# SPDX-License-Identifier: GPL-2.0
# For cases that boot one kernel from another ("#: uses kexec").

# load_kernel [-p] STAGE WORD...: gets the same kernel ready, with this very
# initramfs and more words on its command line, for kexec or (-p) for a crash
load_kernel() {
	local crash='' stage words
	if [ "$1" = -p ]; then
		crash=-p
		shift
	fi
	stage=$1
	shift
	words=$(tr ' ' '\n' </proc/cmdline | grep -v '^crashkernel=\|^stage=')
	(cd / && find init bin sbin lib* usr etc ./*.sh |
		cpio -o -H newc 2>/dev/null) >/tmp/initrd ||
		give_up "cannot make /tmp/initrd"
	# shellcheck disable=SC2086
	check "the next kernel is loaded" kload $crash /boot/vmlinuz \
		/tmp/initrd $words "stage=$stage" "$@"
	rm /tmp/initrd
}

# Starts it; does not return.
start_kernel() {
	sync
	kload -e
	give_up "kexec"
}

# Crashes; does not return.
crash() {
	sync
	echo 1 >/proc/sys/kernel/sysrq
	echo c >/proc/sysrq-trigger
	give_up "the crash"
}

# Where pci-hyperv is built in, the disk's driver does not wait for the module:
# with the disk blocked, or behind tables of the kernel before this one, it gives
# up after a while. Short for a test: the word is for load_kernel.
impatient=
! is_builtin pci-hyperv || impatient=nvme_core.admin_timeout=6

# retry_disk: once the module has the disk, its driver finds it again
retry_disk() {
	local d
	d=$(nvme_dev) || give_up "the NVMe controller is there"
	[ -z "$(driver_of "$d")" ]
	is $? 0 "its driver has given up"
	wait_for 60 has_group "$d" || give_up "$d gets a group"
	echo "$d" >/sys/bus/pci/drivers_probe
}

# has WORD, value NAME: of the command line
has() { grep -qw "$1" /proc/cmdline; }
value() { sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }

# What the host has: all domains; a device's, and its kind.
ids() { hvctl iommu domains | cut -d' ' -f1 | sort -n | xargs; }
domain_of() { hvctl iommu device "$1" | cut -d' ' -f1; }
kind_of() { hvctl iommu device "$1" | cut -d' ' -f2; }

# The disk, and 1 MiB on it, of lines with one word each.
write_disk() {
	yes "$1" | dd of=/dev/nvme0n1 bs=64k count=16 iflag=fullblock \
		oflag=direct 2>/dev/null
}
read_disk() { dd if=/dev/nvme0n1 bs=64k count=16 iflag=direct 2>/dev/null |
	sort -u; }
