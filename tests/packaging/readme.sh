#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The commands that README.md gives for Debian, as they are typed there, on
# roots of Debian 12 and 13 that have a kernel and sudo, and no headers.
#
# Two things are not as on a VM: `uname -r` is made to name the root's kernel,
# and `modprobe hv_pviommu` only looks for what it would load.

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/roots.sh"
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/packages.sh"

scratch=$build/packaging/readme
trap 'as_root rm -rf "$scratch"' EXIT
as_root rm -rf "$scratch"
mkdir -p "$scratch" || exit 1
debs "$scratch/debs"

is "$(sed -n 's/^<!-- tested: \(.*\) -->$/\1/p' "$top/README.md" | xargs)" \
	"debian source debian-remove" "these are the blocks that are run here"

# block NAME: the lines after its mark
block() {
	awk -v mark="<!-- tested: $1 -->" '
		$0 == mark { on = 1; next }
		on && /^    / { print substr($0, 5); next }
		on && NF { exit }' "$top/README.md"
}

# try NAME DIRECTORY: what is typed under that mark works
try() {
	block "$1" | as_root tee "$root/block.sh" >/dev/null
	[ -s "$root/block.sh" ]
	result $? "$suite: README.md has commands: $1"
	runs "$suite: and they work" root_run "$root" \
		sh -c "cd '$2' && exec sh -ex /block.sh"
}

# Modules of ours in the initramfs, without their directory.
in_initramfs() {
	initrd "$root" "$kernel" | grep -o 'hv_pviommu\.ko.*'
}

on_suite() {
	suite=$1
	root=$scratch/$suite
	root_copy "$suite" "$root" && root_apt "$root" update &&
		root_apt "$root" install sudo initramfs-tools \
			linux-image-cloud-amd64 || bail_out "no root of $suite"
	kernel=$(kernels "$root")
	printf '#!/bin/sh\n[ "$*" != -r ] || { echo %s; exit; }\n%s\n' \
		"$kernel" 'exec /bin/uname "$@"' |
		as_root tee "$root/usr/sbin/uname" >/dev/null
	printf '#!/bin/sh\n[ "$*" != hv_pviommu ] || set -- -nS %s "$@"\n%s\n' \
		"$kernel" 'exec /usr/sbin/modprobe "$@"' |
		as_root tee "$root/usr/local/sbin/modprobe" >/dev/null
	as_root chmod 755 "$root/usr/sbin/uname" "$root/usr/local/sbin/modprobe"
	echo 'APT::Get::Assume-Yes "true";' |
		as_root tee "$root/etc/apt/apt.conf.d/91yes" >/dev/null

	as_root cp "$scratch"/debs/*.deb "$root/srv/"
	try debian /srv
	is "$(field "$root" "$kernel" version)" "$version" \
		"$suite: the module is there"
	like "$(in_initramfs)" . "$suite: and in the initramfs"
	is "$(root_run "$root" hv-pviommu --version)" "hv-pviommu $version" \
		"$suite: and so is the tool"
	root_run "$root" man -w hv-pviommu >/dev/null 2>&1 ||
		[ -e "$root/usr/share/man/man8/hv-pviommu.8.gz" ]
	result $? "$suite: with its man page"

	try debian-remove /srv
	is "$(module "$root" "$kernel")$(in_initramfs)$(cd "$root" &&
		ls -d usr/src/hv-pviommu-* usr/bin/hv-pviommu 2>/dev/null)" "" \
		"$suite: nothing is left of that"

	as_root mkdir -p "$root/usr/local/src"
	as_root tar -xzf "$scratch/debs/dist.tar.gz" \
		-C "$root/usr/local/src" --strip-components 1
	try source /usr/local/src
	like "$output" 'hv_pviommu\.ko' "$suite: modprobe finds the module" ||
		diag "$(root_run "$root" modprobe -nvS "$kernel" hv_pviommu 2>&1)"
	is "$(field "$root" "$kernel" version)" "$version" \
		"$suite: it is the right one"
	is "$(root_run "$root" /usr/local/bin/hv-pviommu --version)" \
		"hv-pviommu $version" "$suite: the tool is there"
	unlike "$(root_run "$root" modprobe -S "$kernel" --show-depends nvme)" \
		'hv_pviommu' "$suite: other drivers are loaded as before"
	like "$(in_initramfs)" . "$suite: the initramfs has the module"
	as_root rm -rf "$root"
}

on_suite bookworm
on_suite trixie
done_testing
