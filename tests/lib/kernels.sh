# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Which Debian kernels the tests run, found by meta package name. Source it
# after common.sh.
#
# An image is only unpacked, into the cache, never installed. Its headers have
# to be installed, because Debian's header packages use absolute paths.

kernel_names="6.1"

# Meta packages of a kernel name: image, headers.
kernel_meta() {
	case $1 in
	6.1) echo linux-image-cloud-amd64 linux-headers-cloud-amd64 ;;
	*) fail "unknown kernel '$1' (known: $kernel_names)" ;;
	esac
}

# Release string of an unpacked kernel, e.g. 6.1.0-56-cloud-amd64.
kernel_release() {
	local d=$cache/kernels/$1/lib/modules
	[ -d "$d" ] && ls "$d"
}

kernel_image() { echo "$cache/kernels/$1/boot/vmlinuz-$(kernel_release "$1")"; }
kernel_modules() { echo "$cache/kernels/$1/lib/modules/$(kernel_release "$1")"; }
kernel_headers() { echo "/usr/src/linux-headers-$(kernel_release "$1")"; }

# The package a meta package stands for now; empty if apt does not know it.
meta_target() {
	apt-cache depends "$1" 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-/ { print $2; exit }'
}

# Unpacks the image and installs the headers of kernel $1 unless they are
# there. The series is checked: on another Debian release the same meta
# package means another kernel.
kernel_fetch() {
	local name=$1 image headers package dir=$cache/kernels/$1
	if [ -d "$dir" ] && [ -e "$(kernel_headers "$name")/Makefile" ]; then
		return 0
	fi
	read -r image headers < <(kernel_meta "$name")
	package=$(meta_target "$image")
	case $package in
	linux-image-"$name".*) ;;
	*) fail "$image is '${package:-not known}' here, not a $name kernel:" \
		"the tests need Debian 12's package lists" ;;
	esac
	say "fetching $package"
	rm -rf "$dir" "$dir.new"
	mkdir -p "$dir.new"
	(cd "$dir.new" && apt-get -qq -o APT::Sandbox::User=root \
		download "$package" && dpkg -x ./*.deb . && rm ./*.deb) ||
		fail "cannot download and unpack $package (network? disk full?)"
	as_root apt-get -qq -y install \
		"${package/linux-image-/linux-headers-}" >"$build/apt.log" 2>&1 ||
		fail "cannot install the headers for $package, see $build/apt.log"
	/sbin/depmod -b "$dir.new" "$(ls "$dir.new/lib/modules")" ||
		fail "depmod failed for $package"
	mv "$dir.new" "$dir"
}
