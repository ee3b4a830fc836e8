# SPDX-License-Identifier: GPL-2.0
# Stages of a machine that has hv_pviommu from packages, for t.sh. What there is
# to do in stage N is in the words of $STEPS_N; $FIRST is the first stage of a
# disk, $UPGRADE packages (tests/lib/bootproof.sh writes all that into a file
# next to this one). On a kernel that is locked down, the host cannot be asked,
# so these checks are left out there.
#
#   translated	the module is in use, the root disk is behind the IOMMU
#   rebound	the same, but the disk's driver came first, and the initramfs
#		has made it let go
#   refused	the kernel does not take it for its signature
#   absent	no trace of the module, everything works without
#   upgrade	install the packages in $UPGRADE
#   purge	remove our packages
#   reboot	do not power off when done

. /usr/local/lib/hvp-test/steps

locked() {
	grep -qsE '\[(integrity|confidentiality)\]' /sys/kernel/security/lockdown
}

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

# What hv-pviommu says.
tool_json() {
	hv-pviommu --json >/run/json
	tool_code=$?
}
json_key() { sed -n "s/^ *\"$1\": \(.*[^,]\),*\$/\1/p" /run/json; }
show_tool() { hv-pviommu | while IFS= read -r l; do note "$l"; done; }
json_dev() {
	grep -F "{\"name\": \"$1\"" /run/json |
		sed -n "s/.*\"$2\": \(\"[^\"]*\"\|[a-z]*\)[,}].*/\1/p"
}

root_disk() {
	is "$(findmnt -no SOURCE /)" /dev/nvme0n1 "the root disk is the NVMe"
	check "it takes writes" sh -c 'cd /var/lib &&
		head -c 4000000 /dev/urandom >hvp-data &&
		sha256sum hvp-data >hvp-sum && sync'
	check "and gives them back" sh -c 'cd /var/lib &&
		echo 3 >/proc/sys/vm/drop_caches && sha256sum -c hvp-sum'
}

# What the last boot wrote is there.
survived() {
	[ "$STAGE" = "$FIRST" ] ||
		check "data of the boot before" sh -c \
			'cd /var/lib && sha256sum -c hvp-sum'
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

# disk_translated PAST: the root disk is behind the IOMMU, and everybody says so;
# PAST of its DMA were untranslated when the stage began
disk_translated() {
	local dev

	survived
	root_disk
	dev=$(nvme_dev)
	if locked; then
		note "the kernel is locked down: the host is not asked"
	else
		is "$(kind_of nvme0)" paging "the host says it is translated"
		past=$1
		# shellcheck disable=SC2046 # two numbers
		set -- $(hvctl iommu dma nvme0)
		note "DMA of the root disk: $1 translated, $2 not"
		[ "$1" -gt 1000 ] && [ "$2" = "$past" ]
		is $? 0 "all of its DMA was since"
		no_faults "in this boot"
	fi
	check "it has a group" test \
		-e "/sys/kernel/iommu_groups/$(group_of "$dev")/devices/$dev"
	is "$(group_type "$dev")" DMA-FQ "of the kernel's default type"
	is "$(untranslated)" 0 "the module knows of none that is untranslated"
	tool_json
	is "$tool_code" 0 "hv-pviommu: exit code"
	is "$(json_key status)" '"ok"' "hv-pviommu: status"
	is "$(json_dev "$dev" state)" '"translated"' "hv-pviommu: the disk"
	is "$(json_dev "$dev" driver)" '"nvme"' "hv-pviommu: its driver"
	show_tool
}

# The initramfs has done it, before there was a root.
before_root() {
	before "$1" "$2" "EXT4-fs \(nvme0n1\): mounted"
}

translated() {
	module_built
	before "it was loaded before pci-hyperv" \
		"hv_pviommu: Hyper-V pvIOMMU" "registering driver hv_pci"
	before_root "by the initramfs, before there was a root" \
		"hv_pviommu: Hyper-V pvIOMMU"
	disk_translated 0
}

rebound() {
	module_built
	before "pci-hyperv, which is built in, came first" \
		"PCI VMBus probing" "hv_pviommu: Hyper-V pvIOMMU"
	log_has "the log counts the disk" "hv_pviommu: 1 devices? in use already"
	before_root "its driver let go of it before there was a root" \
		"hv-pviommu: initramfs: $(nvme_dev): nvme has let go of it, and has it back translated"
	disk_translated "$(hvctl iommu dma nvme0 | cut -d' ' -f2)"
}

# Not even root loads it then, and all the rest is as without it.
refused() {
	local dev

	check "the module is signed" sh -c "modinfo -F signer hv_pviommu |
		grep ."
	check_not "it is not loaded" loaded hv_pviommu
	log_has "the log says why" \
		"Loading of module with unavailable key is rejected"
	modprobe hv_pviommu 2>/run/err
	is $? 1 "modprobe fails"
	check "and says why" grep "Key was rejected by service" /run/err
	survived
	root_disk
	dev=$(nvme_dev)
	check_not "the disk has no group" has_group "$dev"
	tool_json
	is "$tool_code" 2 "hv-pviommu: exit code"
	is "$(json_key status)" '"not-in-use"' "hv-pviommu: status"
	is "$(json_dev "$dev" state) $(json_dev "$dev" reason)" \
		'"untranslated" "not-loaded"' "hv-pviommu: the disk, and why"
	check "hv-pviommu: it was the signature" sh -c \
		"hv-pviommu | grep 'refused a module for its signature'"
	show_tool
}

# What is left of our packages in the file system: neither files (but for apt's
# configuration, which is roots.sh's) nor the module in an initramfs.
leftovers() {
	local i
	find / -xdev \( -path /usr/local -o -path /proc \) \
		-prune -o \( -name '*hv[-_]pviommu*' ! -path '/var/log/*' \
		! -path '/etc/apt/*' \) -print
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
	"$@" >/var/lib/hvp-log 2>&1 </dev/null
	code=$?
	is $code 0 "$what, in $(($(cut -d. -f1 /proc/uptime) - start)) s"
	[ $code = 0 ] || tail -n 20 /var/lib/hvp-log |
		while IFS= read -r l; do note "$l"; done
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@"; }

upgrade() {
	local new

	# The first initramfs is for any machine. From here on they are for this
	# one: the hook must do there, too, and it takes a fraction of the time.
	echo MODULES=dep >>/etc/initramfs-tools/conf.d/hvp-test
	ls /lib/modules | sort >/var/lib/hvp-kernels
	timed "apt installs $UPGRADE" apt --no-install-recommends \
		${UPGRADE_FROM:+-t "$UPGRADE_FROM"} --no-download install \
		$UPGRADE
	new=$(ls /lib/modules | sort | comm -13 /var/lib/hvp-kernels -)
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
	translated | rebound | absent | refused | upgrade | purge) $step ;;
	reboot) echo reboot >/run/hvp-next ;;
	*) give_up "step '$step'" ;;
	esac
done
# What the last step returned is no failure of the stage.
true
