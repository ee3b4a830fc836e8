# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Debian packages in roots, for the tests in tests/packaging. Source it after
# common.sh, roots.sh and tap.sh.

version=$(cat "$top/VERSION")

# debs DIR: builds the packages of what is committed, and puts them there, with
# the tarball that they are made from as dist.tar.gz.
debs_make() {
	make -s -C "$top" deb >"$build/deb.log" 2>&1 || {
		tail -n 20 "$build/deb.log" >&2
		return 1
	}
	rm -rf "$1"
	cp -r "$build/deb" "$1" &&
		cp "$build/dist/hv-pviommu-$version.tar.gz" "$1/dist.tar.gz"
}
debs() {
	git -C "$top" diff --quiet HEAD 2>/dev/null ||
		note "what is not committed is not in the packages"
	with_lock deb debs_make "$1" || bail_out "no packages"
}

# The root of SUITE with DKMS, initramfs-tools, and a kernel with its headers.
# It is made once a day, and not to be changed.
stage_make() {
	local suite=$1 dir=$build/packaging/stage-$1
	[ -z "$(find "$dir" -maxdepth 0 -mmin -1440 2>/dev/null)" ] || return 0
	say "making a root of Debian $suite with a kernel"
	root_copy "$suite" "$dir.new" &&
		root_apt "$dir.new" update &&
		root_apt "$dir.new" dist-upgrade &&
		root_apt "$dir.new" install dkms initramfs-tools openssl zstd \
			linux-image-cloud-amd64 linux-headers-cloud-amd64 &&
		root_run "$dir.new" apt-get clean &&
		as_root touch "$dir.new" &&
		as_root rm -rf "$dir" && as_root mv "$dir.new" "$dir"
}

# stage SUITE DIR: a copy of it, which runs its kernel as far as `uname -r`
# can tell: the scripts of DKMS ask.
stage() {
	with_lock "stage-$1" stage_make "$1" >&2 ||
		bail_out "no root of $1 with a kernel"
	as_root rm -rf "$2"
	mkdir -p "$(dirname "$2")"
	as_root cp -a "$build/packaging/stage-$1" "$2" ||
		bail_out "cannot copy the root of $1 (disk full?)"
	kernel=$(kernels "$2")
	printf '#!/bin/sh\n[ "$*" != -r ] || { echo %s; exit; }\n%s\n' \
		"$kernel" 'exec /bin/uname "$@"' |
		as_root tee "$2/usr/sbin/uname" >/dev/null
	as_root chmod 755 "$2/usr/sbin/uname"
}

# A text as a regular expression.
quote() { sed 's/[.+*?()]/\\&/g' <<<"$1"; }

# Kernels of a root.
kernels() { (cd "$1/boot" && printf '%s\n' vmlinuz-* | sed 's/^vmlinuz-//'); }

# module ROOT KERNEL: where DKMS has installed it.
module() {
	local f
	for f in "$1/lib/modules/$2"/updates/dkms/hv_pviommu.ko*; do
		[ ! -f "$f" ] || echo "${f#"$1"}"
	done
}

# initrd ROOT KERNEL: the files in its initramfs.
initrd() { root_run "$1" lsinitramfs "/boot/initrd.img-$2"; }

# field ROOT KERNEL FIELD: of modinfo
field() { root_run "$1" modinfo -k "$2" -F "$3" hv_pviommu; }

# snapshot ROOT: all that a package may leave behind, by name and size; what is
# in /etc and /var by content. An initramfs has times in it, so it counts by the
# names in it. The key of DKMS stays: it is that of the machine, and enrolled in
# its firmware.
snapshot() {
	local k
	(
		cd "$1" && as_root find . -xdev \( -path ./proc -o -path ./sys \
			-o -path ./dev -o -path ./run -o -path ./tmp \
			-o -path ./var/cache -o -path ./var/log \
			-o -path './var/lib/dkms/mok.*' \
			-o -path ./var/lib/apt -o -path ./var/lib/dpkg \
			-o -path ".$build" \) -prune -o \
			\( \( -path './boot/initrd.img-*' -o -type d \) \
				-printf '%y %m %u:%g %p\n' \
			-o -printf '%y %m %u:%g %p %l %s\n' \) &&
			as_root find etc var/lib/dkms -type f \
				! -name 'mok.*' -exec sha1sum {} +
	)
	for k in $(kernels "$1"); do
		initrd "$1" "$k" | sed "s/^/initrd $k /"
	done
	root_run "$1" sh -c 'cd /var/lib/dpkg/info && ls'
}
