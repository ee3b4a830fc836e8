#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What hv-pviommu-dkms says where the installation is right and the next boot is
# not: the running kernel has no headers, no openssl, no /proc. And what comes
# of an installation that is interrupted.
# With releases as arguments only those.

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/roots.sh"
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/packages.sh"

scratch=$build/packaging/tell
trap 'as_root rm -rf "$scratch"' EXIT

# apt lets dpkg write to a terminal, which ends lines with a carriage return.
install() {
	output=$(root_run "$root" apt-get -y --no-install-recommends \
		install --reinstall "${debs[@]}" 2>&1)
	result $? "$suite: $1: it is installed" || diag "$output"
	output=${output//$'\r'/}
}

# What postinst does by itself; DKMS has a part in it.
postinst() {
	"$@" /var/lib/dpkg/info/hv-pviommu-dkms.postinst configure "$version" 2>&1
}

# runs_kernel VERSION: what uname says in the root
runs_kernel() {
	printf '#!/bin/sh\n[ "$*" != -r ] || { echo %s; exit; }\n%s\n' \
		"$1" 'exec /bin/uname "$@"' |
		as_root tee "$root/usr/sbin/uname" >/dev/null
}

check_suite() {
	suite=$1
	root=$scratch/$suite
	stage "$suite" "$root"
	install "headers of the running kernel"
	unlike "$output" '^hv-pviommu-dkms: ' \
		"$suite: headers of the running kernel: nothing to say"

	as_root mkdir -p "$root/lib/modules/6.1.0-1-cloud-amd64"
	runs_kernel 6.1.0-1-cloud-amd64
	install "another kernel's headers"
	like "$output" 'running kernel, 6\.1\.0-1-cloud-amd64, has no headers' \
		"$suite: another kernel's headers: it says so"
	like "$output" "install linux-headers-6\.1\.0-1-cloud-amd64, or reboot into one that has the module: $(quote "$kernel")\$" \
		"$suite: another kernel's headers: and what to do"
	is "$(field "$root" "$kernel" version)" "$version" \
		"$suite: another kernel's headers: that one has the module"

	as_root mkdir -p "$root/lib/modules/5.10.0-1-cloud-amd64"
	runs_kernel 5.10.0-1-cloud-amd64
	unlike "$(postinst root_run "$root")" 'has no headers' \
		"$suite: a running kernel that is too old: headers would not help"
	as_root rm -r "$root"/lib/modules/{6.1.0,5.10.0}-1-cloud-amd64
	unlike "$(postinst root_run "$root")" 'has no headers' \
		"$suite: a chroot: the kernel outside is none of its"
	runs_kernel "$kernel"

	# Interrupted before postinst; then by a signal, in the middle of it.
	root_run "$root" sh -c 'dpkg --purge hv-pviommu-tools hv-pviommu-dkms &&
		dpkg --unpack "$@"' sh "${debs[@]}" >/dev/null 2>&1
	result $? "$suite: unpacked only"
	is "$(module "$root" "$kernel")" "" "$suite: unpacked only: no module"
	runs "$suite: unpacked, then purged" root_run "$root" \
		dpkg --purge hv-pviommu-tools hv-pviommu-dkms
	root_run "$root" dpkg --unpack "${debs[@]}" >/dev/null 2>&1
	root_run "$root" timeout 5 dpkg --configure -a >/dev/null 2>&1
	runs "$suite: interrupted, then dpkg --configure -a" \
		root_run "$root" dpkg --configure -a
	is "$(field "$root" "$kernel" version)" "$version" \
		"$suite: interrupted, then dpkg --configure -a: the module is there"

	# DKMS has made its key when it built the first module.
	as_root mv "$root/usr/bin/openssl" "$root/usr/bin/openssl.away"
	as_root rm -f "$root"/var/lib/dkms/mok.{key,pub}
	output=$(postinst root_run "$root")
	like "$output" "without openssl .* not signed.*: $(quote "$kernel");" \
		"$suite: no openssl: it says that the module is not signed"
	as_root mv "$root/usr/bin/openssl.away" "$root/usr/bin/openssl"
	runs "$suite: openssl, and dpkg-reconfigure" \
		root_run "$root" dpkg-reconfigure hv-pviommu-dkms
	like "$(field "$root" "$kernel" signer)" DKMS \
		"$suite: openssl, and dpkg-reconfigure: it is signed"

	# DKMS 3.0.10 cannot do without it, newer ones can.
	if output=$(postinst as_root chroot "$root" \
		env PATH=/usr/sbin:/usr/bin:/sbin:/bin); then
		is "$(field "$root" "$kernel" version)" "$version" \
			"$suite: no /proc: the module is there"
	else
		like "$output" '^hv-pviommu-dkms: /proc is not mounted' \
			"$suite: no /proc: its cause is named"
	fi
	unlike "$output" 'no space left' "$suite: no /proc: not called a full disk"
	root_run "$root" dpkg --configure -a >/dev/null 2>&1
	runs "$suite: purge" root_run "$root" \
		dpkg --purge hv-pviommu-tools hv-pviommu-dkms
	is "$(module "$root" "$kernel")" "" "$suite: purge: no module"
	as_root rm -rf "$root"
}

mkdir -p "$scratch"
debs "$scratch/debs"
debs=("$scratch"/debs/hv-pviommu-{dkms,tools}_*.deb)
[ $# -gt 0 ] || set -- bookworm trixie
for s; do
	check_suite "$s"
done
done_testing
