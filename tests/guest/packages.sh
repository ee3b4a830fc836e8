# SPDX-License-Identifier: GPL-2.0
# Stages of a machine that has hv_pviommu from packages, for t.sh. What there is
# to do in stage N is in the words of $STEPS_N (tests/lib/bootproof.sh writes
# them, and $UPGRADE, into a file next to this one).
#
#   translated	the module is in use, the root disk is behind the IOMMU
#   in-use	it is loaded, but the root disk had its driver before
#   absent	no trace of the module, everything works without
#   upgrade	install the packages in $UPGRADE
#   purge	remove our packages
#   reboot	do not power off when done

. /usr/local/lib/hvp-test/steps

ours="hv-pviommu-dkms hv-pviommu-tools"

# The number of the first line of the log that matches; 999999 if none does.
line_of() { dmesg | grep -nE "$1" | head -n 1 | cut -d: -f1 | grep . ||
	echo 999999; }

# before WHAT REGEX REGEX: the first line of the log with one comes before that
# with the other, and both are there
before() {
	local a b
	a=$(line_of "$2")
	b=$(line_of "$3")
	[ "$a" -lt "$b" ] && [ "$b" != 999999 ]
	is $? 0 "$1 (lines $a, $b)"
}

# said: what hv-pviommu says of the disk and of all, in one line
tool_json() {
	hv-pviommu --json >/run/json
	tool_code=$?
}
json_key() { sed -n "s/^ *\"$1\": \(.*[^,]\),*\$/\1/p" /run/json; }
json_dev() {
	grep -F "{\"name\": \"$1\"" /run/json |
		sed -n "s/.*\"$2\": \(\"[^\"]*\"\|[a-z]*\)[,}].*/\1/p"
}

root_disk() {
	is "$(findmnt -no SOURCE /)" /dev/nvme0n1 "the root disk is the NVMe"
	check "it takes writes" sh -c 'head -c 4000000 /dev/urandom >/root/data &&
		sync && echo 3 >/proc/sys/vm/drop_caches &&
		sha256sum /root/data >/root/sum'
	check "and gives them back" sh -c 'echo 3 >/proc/sys/vm/drop_caches &&
		sha256sum -c /root/sum'
}

# What the last boot wrote is there.
survived() {
	[ ! -e /root/sum ] || check "data of the boot before" sha256sum -c \
		/root/sum
}

module_built() {
	case $(modinfo -n hv_pviommu) in
	"/lib/modules/$(uname -r)/updates/dkms/hv_pviommu.ko"*) pass \
		"the module is DKMS's, for $(uname -r)" ;;
	*) miss "the module is DKMS's: $(modinfo -n hv_pviommu 2>&1)" ;;
	esac
	check "DKMS knows it" sh -c "dkms status -m hv-pviommu -k $(uname -r) |
		grep -q ': installed'"
	check "the module is loaded" loaded hv_pviommu
}

translated() {
	local dev

	module_built
	before "it was loaded before pci-hyperv" \
		"hv_pviommu: Hyper-V pvIOMMU" "registering driver hv_pci"
	before "by the initramfs, before there was a root" \
		"hv_pviommu: Hyper-V pvIOMMU" "EXT4-fs \(nvme0n1\): mounted"
	survived
	root_disk
	dev=$(nvme_dev)
	is "$(kind_of nvme0)" paging "the host says that it is translated"
	set -- $(hvctl iommu dma nvme0)
	note "DMA of the root disk: $2 translated, $3 not"
	[ "$2" -gt 1000 ] && [ "$3" = 0 ]
	is $? 0 "all of its DMA was"
	check "it has a group" test \
		-e "/sys/kernel/iommu_groups/$(group_of "$dev")/devices/$dev"
	is "$(group_type "$dev")" DMA-FQ "of the kernel's default type"
	is "$(untranslated)" 0 "the module knows of none that is untranslated"
	tool_json
	is "$tool_code" 0 "hv-pviommu: exit code"
	is "$(json_key status)" '"ok"' "hv-pviommu: status"
	is "$(json_dev "$dev" state)" '"translated"' "hv-pviommu: the disk"
	is "$(json_dev "$dev" driver)" '"nvme"' "hv-pviommu: its driver"
	hv-pviommu | while IFS= read -r l; do note "$l"; done
	no_faults "in this boot"
}

in_use() {
	local dev

	module_built
	before "pci-hyperv, which is built in, came first" \
		"PCI VMBus probing" "hv_pviommu: Hyper-V pvIOMMU"
	log_has "the log counts the disk" "hv_pviommu: 1 devices? in use already"
	survived
	root_disk
	dev=$(nvme_dev)
	is "$(hvctl iommu device nvme0)" "0 unattached" \
		"the host says that the disk is not translated"
	set -- $(hvctl iommu dma nvme0)
	is "$2" 0 "none of its DMA was"
	check_not "it has no group" has_group "$dev"
	is "$(untranslated)" 1 "the module knows that"
	tool_json
	is "$tool_code" 1 "hv-pviommu: exit code"
	is "$(json_key status)" '"warnings"' "hv-pviommu: status"
	is "$(json_dev "$dev" state) $(json_dev "$dev" reason)" \
		'"untranslated" "in-use"' "hv-pviommu: the disk, and why"
	hv-pviommu | while IFS= read -r l; do note "$l"; done
	no_faults "in this boot"
}

# What is left of our packages in the file system: neither files nor the module
# in an initramfs.
leftovers() {
	local i
	find / -xdev \( -path /usr/local -o -path /root -o -path /proc \) \
		-prune -o \( -name '*hv[-_]pviommu*' ! -path '/var/log/*' \
		\) -print
	for i in /boot/initrd.img-*; do
		lsinitramfs "$i" | grep -i 'hv[-_]pviommu' | sed "s|^|$i: |"
	done
}

absent() {
	check_not "the module is not loaded" loaded hv_pviommu
	log_lacks "nothing of it in the log" "hv_pviommu"
	survived
	root_disk
	is "$(hvctl iommu device nvme0)" "0 unattached" \
		"the host was told nothing of the disk"
	is "$(all_calls)" 0 "the pvIOMMU was not asked"
	is "$(ls /sys/kernel/iommu_groups | wc -l)" 0 "there are no groups"
	is "$(systemctl --failed --no-legend | tr '\n' ' ')" "" \
		"no unit has failed"
}

# timed WHAT COMMAND...: with the end of its output if it fails
timed() {
	local what=$1 start code
	start=$(cut -d. -f1 /proc/uptime)
	shift
	"$@" >/root/log 2>&1 </dev/null
	code=$?
	is $code 0 "$what, in $(($(cut -d. -f1 /proc/uptime) - start)) s"
	[ $code = 0 ] || tail -n 20 /root/log |
		while IFS= read -r l; do note "$l"; done
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@"; }

upgrade() {
	local new

	ls /lib/modules >/root/kernels
	timed "apt installs $UPGRADE" apt --no-install-recommends \
		${UPGRADE_FROM:+-t "$UPGRADE_FROM"} --no-download install \
		$UPGRADE
	new=$(ls /lib/modules | grep -vxFf /root/kernels)
	note "the new kernel is $new"
	is "$(readlink /vmlinuz)" "boot/vmlinuz-$new" "the next boot has it"
	check "DKMS has built the module for it" sh -c \
		"modinfo -k $new -n hv_pviommu | grep /updates/dkms/"
	check "its initramfs has the module" sh -c \
		"lsinitramfs /boot/initrd.img-$new | grep /hv_pviommu.ko"
}

purge() {
	timed "apt purges $ours" apt purge $ours
	is "$(leftovers | tr '\n' ' ')" "" "nothing is left of them"
	check "the module is in use until the machine stops" loaded hv_pviommu
}

eval "steps=\${STEPS_$STAGE}"
for step in $steps; do
	note "$step"
	case $step in
	translated | absent | upgrade | purge) $step ;;
	in-use) in_use ;;
	reboot) echo reboot >/run/hvp-next ;;
	*) give_up "step '$step'" ;;
	esac
done
# What the last step returned is no failure of the stage.
true
