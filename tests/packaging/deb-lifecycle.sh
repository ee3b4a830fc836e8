#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The life of the Debian packages in a root of Debian 12 and in one of Debian
# 13: installation, full disk, kernel upgrade, upgrade, removal. What it leaves
# behind is compared with what was there before.

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/roots.sh"
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/packages.sh"

scratch=$build/packaging/lifecycle
trap 'as_root rm -rf "$scratch"' EXIT

apt() { root_run "$root" apt-get -y --no-install-recommends "$@"; }

state() { # PACKAGE
	root_run "$root" dpkg-query -W -f '${Status}' "$1" 2>/dev/null
}

# The version of the module that is in the initramfs of kernel $1.
initrd_version() {
	# shellcheck disable=SC2016
	root_run "$root" sh -c '
		set -e
		dir=$(mktemp -d)
		unmkinitramfs "/boot/initrd.img-$1" "$dir"
		modinfo -F version \
			"$(find "$dir" -name "hv_pviommu.ko*" | head -n 1)"
		rm -r "$dir"' initrd_version "$1" 2>/dev/null
}

# ready KERNEL VERSION WHEN: all that its next boot needs is there
ready() {
	local k=$1
	is "$(field "$root" "$k" version 2>/dev/null)" "$2" \
		"$suite: $3: the module is there for $k"
	is "$(initrd_version "$k")" "$2" "$suite: $3: and in its initramfs"
}

# An initramfs for which MODULES=most takes all drivers has the module by
# pci-hyperv's softdep, too. One that has only what is named shows what the hook
# does.
check_hook() {
	# shellcheck disable=SC2016
	like "$(root_run "$root" sh -c '
		set -e
		dir=$(mktemp -d)
		cp -r /etc/initramfs-tools "$dir/conf"
		echo MODULES=list >"$dir/conf/conf.d/zz-list"
		mkinitramfs -d "$dir/conf" -o "$dir/image" "$1"
		lsinitramfs "$dir/image"
		rm -r "$dir"' check_hook "$1" 2>&1)" \
		'^(usr/)?lib/modules/.*/hv_pviommu\.ko' \
		"$suite: $1: the hook has it in the initramfs by name"
}

# Before pci-hyperv where that is a module; no other driver is loaded in another
# way than before, and the script of the initramfs comes before udev's.
check_order() {
	local order driver
	order=$(root_run "$root" modprobe -S "$1" --show-depends pci-hyperv)
	case $order in
	*builtin*) ;;
	*)
		is "$(grep -oE '/(hv_pviommu|pci-hyperv)\.ko' <<<"$order" |
			tr '\n' ' ')" '/hv_pviommu.ko /pci-hyperv.ko ' \
			"$suite: $1: modprobe takes it before pci-hyperv"
		;;
	esac
	for driver in nvme mlx4_core mlx5_core vfio-pci; do
		unlike "$(root_run "$root" modprobe -S "$1" \
			--show-depends $driver 2>&1)" hv_pviommu \
			"$suite: $1: $driver is loaded as without us"
	done
	# shellcheck disable=SC2016
	is "$(root_run "$root" sh -c '
		dir=$(mktemp -d)
		unmkinitramfs "/boot/initrd.img-$1" "$dir"
		cat "$(find "$dir" -path "*/scripts/init-top/ORDER")"
		rm -r "$dir"' order "$1" 2>/dev/null |
		grep -oE 'init-top/(hv-pviommu|udev|blacklist)' | xargs)" \
		"init-top/blacklist init-top/hv-pviommu init-top/udev" \
		"$suite: $1: the initramfs loads it before udev"
	like "$(initrd "$root" "$1")" '/modprobe\.d/hv-pviommu\.conf$' \
		"$suite: $1: also in the initramfs"
}

# gone KERNEL WHEN [REGEX]: no file of the initramfs matches, either
gone() {
	is "$(module "$root" "$1")" "" "$suite: $2: no module for $1"
	unlike "$(initrd "$root" "$1")" "${3:-hv.pviommu}" \
		"$suite: $2: nor in its initramfs"
}

# Files with our name; but not those of the tests, in the build directory and
# in the configuration of apt.
leftovers() {
	(cd "$root" && find . -xdev -iname '*hv[-_]pviommu*' \
		! -path ".$build/*" ! -path './etc/apt/*')
}

# A second version of the packages: the next release.
next_debs() {
	local dir=$scratch/next next=$version.1
	mkdir -p "$dir"
	tar -C "$dir" -xf "$scratch/debs/dist.tar.gz" &&
		mv "$dir/hv-pviommu-$version" "$dir/src" &&
		(
			cd "$dir/src" &&
			sed -i "1s/($version\([^)]*\))/($next\1)/" \
				debian/changelog &&
			sed -i "s/\"$version\"/\"$next\"/" dkms.conf \
				src/version.h &&
			echo "$next" >VERSION &&
			dpkg-buildpackage -us -uc -b >../log 2>&1
		) || bail_out "no second version: $(tail -n 3 "$dir/log")"
	next_version=$next
}

# A disk that is full while DKMS builds, and room again.
check_full_disk() {
	! output=$(root_run "$root" sh -c '
		mount -t tmpfs -o size=600k tmpfs /var/lib/dkms &&
		apt-get -y install "$@" 2>&1' sh "${debs[@]}")
	result $? "$suite: full disk: the installation fails"
	like "$output" 'no space left in /var/lib/dkms' \
		"$suite: full disk: and says why"
	like "$output" "dpkg --configure -a" \
		"$suite: full disk: and what to do"
	like "$(state hv-pviommu-dkms)" half-configured \
		"$suite: full disk: dpkg knows"
	runs "$suite: full disk: dpkg --configure -a, with room" \
		root_run "$root" dpkg --configure -a
	ready "$kernel" "$version" "full disk, then room"
}

check_first_life() {
	snapshot "$root" | sort >"$scratch/before"
	check_full_disk
	check_order "$kernel"
	check_hook "$kernel"
	runs "$suite: reinstall" apt install --reinstall "${debs[@]}"
	ready "$kernel" "$version" reinstall

	output=$(root_run "$root" hv-pviommu --version)
	is "$output" "hv-pviommu $version" "$suite: the tool runs"
	like "$(root_run "$root" bash -c '
		. /usr/share/bash-completion/completions/hv-pviommu
		COMP_WORDS=(hv-pviommu --r) COMP_CWORD=1
		_hv_pviommu
		echo "${COMPREPLY[@]}"')" '^--report --root$' \
		"$suite: bash completes its options"

	runs "$suite: purge" apt purge hv-pviommu-dkms hv-pviommu-tools
	snapshot "$root" | sort >"$scratch/after"
	is "$(diff "$scratch/before" "$scratch/after" | grep '^[<>]')" "" \
		"$suite: purge: all is as it was before"
}

# $1: what names the new kernel to apt; and again for the headers, if these are
# to come later
check_kernel_upgrade() {
	runs "$suite: kernel upgrade: installed" apt install $1
	new=$(kernels "$root" | grep -vx "$kernel")
	if [ $# -gt 1 ]; then
		like "$output" "$(quote "$new").*skipped.*headers" \
			"$suite: no headers: the log says so"
		gone "$new" "no headers" 'hv_pviommu\.ko'

		runs "$suite: headers: installed" apt install $2
		ready "$new" "$version" "headers, after their kernel"
	else
		ready "$new" "$version" "kernel upgrade"
		is "$(grep -cE 'Generating.*/boot/initrd.img-'"$(quote "$new")" \
			<<<"$output")" 1 \
			"$suite: kernel upgrade: one initramfs is enough"
	fi
	check_order "$new"
	check_hook "$new"
}

check_suite() {
	root=$scratch/$suite
	stage "$suite" "$root"
	check_first_life

	runs "$suite: install" apt install "${debs[@]}"
	ready "$kernel" "$version" install
	check_kernel_upgrade "$@"

	runs "$suite: upgrade" apt install "$scratch"/next/*.deb
	ready "$kernel" "$next_version" upgrade
	ready "$new" "$next_version" upgrade
	is "$(cd "$root" && echo var/lib/dkms/hv-pviommu/[0-9]* \
		usr/src/hv-pviommu*)" \
		"var/lib/dkms/hv-pviommu/$next_version usr/src/hv-pviommu-$next_version" \
		"$suite: upgrade: nothing of the old version is left"

	runs "$suite: remove" apt remove hv-pviommu-dkms hv-pviommu-tools
	gone "$kernel" remove
	gone "$new" remove
	is "$(leftovers | grep -v '/dpkg/info/')" \
		./etc/kernel/header_postinst.d/hv-pviommu \
		"$suite: remove: a configuration file is left, no more"
	runs "$suite: purge, when removed" \
		apt purge hv-pviommu-dkms hv-pviommu-tools
	is "$(leftovers)" "" "$suite: purge: nothing is left"
	is "$(state hv-pviommu-dkms)$(state hv-pviommu-tools)" "" \
		"$suite: purge: dpkg has forgotten them"
}

mkdir -p "$scratch"
debs "$scratch/debs"
debs=("$scratch"/debs/hv-pviommu-{dkms,tools}_*.deb)
next_debs

suite=bookworm
check_suite "linux-image-6.12-cloud-amd64" "linux-headers-6.12-cloud-amd64"
as_root rm -rf "$root"
suite=trixie
check_suite "-t trixie-backports linux-image-cloud-amd64 linux-headers-cloud-amd64"
done_testing
