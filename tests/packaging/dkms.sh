#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# DKMS with the sources as they are released, without a package: Debian 12's
# version (3.0.10) and Debian 13's (3.2). What it builds, what it skips, how it
# signs, and what the module says of itself.

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/roots.sh"
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/packages.sh"

scratch=$build/packaging/dkms
trap 'as_root rm -rf "$scratch"' EXIT
src=/usr/src/hv-pviommu-$version

dkms() { root_run "$root" dkms "$@"; }

# build_log KERNEL: of DKMS
build_log() {
	cat "$root/var/lib/dkms/hv-pviommu/$version/$1/x86_64/log/make.log"
}

# headers_for KERNEL SED-SCRIPT: headers of a made-up kernel, which are those
# of the real one with another configuration.
headers_for() {
	local dir=$root/usr/src/linux-headers-$1
	as_root cp -a "$root/usr/src/linux-headers-$kernel" "$dir"
	as_root sed -i "$2" "$dir/.config" "$dir/include/config/auto.conf"
	as_root mkdir -p "$root/lib/modules/$1"
	as_root ln -sfn "${dir#"$root"}" "$root/lib/modules/$1/build"
}

# skips KERNEL WHY: DKMS does not build for it, and does not call that an error
skips() {
	dkms build -m hv-pviommu -v "$version" -k "$1" >"$scratch/log" 2>&1
	is $? 77 "$suite: $2: DKMS skips it (77)" ||
		diag "$(tail -n 20 "$scratch/log")"
	runs "$suite: $2: and lets it be installed" \
		root_run "$root" /etc/kernel/postinst.d/dkms "$1"
	as_root rm -rf "$root/lib/modules/$1" "$root/usr/src/linux-headers-$1"
}

# An unpacked copy of the installed module, as $scratch/$suite/m.ko.
unpack_module() {
	local file
	file=$root$(module "$root" "$kernel")
	case $file in
	*.xz) xz -dc "$file" ;;
	*.zst) zstd -dqc "$file" ;;
	*) cat "$file" ;;
	esac | as_root tee "$root/m.ko" >/dev/null
}

# Signature and what it signs: a module ends with the signature, 12 bytes whose
# last four are its length, and 28 bytes of text.
split_signed() {
	local size length
	size=$(stat -c %s "$root/m.ko")
	length=$((16#$(tail -c 32 "$root/m.ko" | head -c 4 | od -An -tx1 |
		tr -d ' \n')))
	tail -c $((length + 40)) "$root/m.ko" | head -c $length |
		as_root tee "$root/m.sig" >/dev/null
	head -c $((size - length - 40)) "$root/m.ko" |
		as_root tee "$root/m.body" >/dev/null
}

verify() {
	root_run "$root" openssl cms -verify -binary -noverify -inform DER \
		-in /m.sig -content /m.body -certfile /mok.pem -nointern \
		-out /dev/null
}

check_signature() {
	like "$(field "$root" "$kernel" signer)" 'DKMS' \
		"$suite: modinfo: signed with DKMS's key"
	like "$(field "$root" "$kernel" sig_hashalgo)" '^sha(256|512)$' \
		"$suite: modinfo: with a hash that kernels take"
	split_signed
	root_run "$root" openssl x509 -inform DER -in /var/lib/dkms/mok.pub \
		-out /mok.pem
	runs "$suite: the signature is that of DKMS's certificate" verify
	printf x | as_root dd of="$root/m.body" bs=1 seek=4096 conv=notrunc \
		status=none
	! verify >/dev/null 2>&1
	result $? "$suite: and of this module: not of a changed one"
}

check_modinfo() {
	local f
	is "$(field "$root" "$kernel" version)" "$version" \
		"$suite: modinfo: version"
	like "$(field "$root" "$kernel" vermagic)" "^$(quote "$kernel") SMP" \
		"$suite: modinfo: it is for $kernel"
	is "$(field "$root" "$kernel" license)" GPL "$suite: modinfo: license"
	for f in author description srcversion; do
		like "$(field "$root" "$kernel" $f)" . "$suite: modinfo: $f"
	done
	is "$(field "$root" "$kernel" depends)" "" \
		"$suite: modinfo: needs no other module"
	is "$(field "$root" "$kernel" parm | sed 's/:.*//' | sort)" \
		"$(sed -n 's/^module_param\w*(\(\w*\),.*/\1/p' \
			"$top"/src/*.c | sort)" "$suite: modinfo: parameters"
	is "$(field "$root" "$kernel" alias | sort)" \
		"$(printf '%s\n' 'dmi:*:svnMicrosoftCorporation:pnVirtualMachine:*' \
			vmbus:1df6c444444400449d52802e27ede19f)" \
		"$suite: modinfo: aliases of Hyper-V, and no others"
	like "$(field "$root" "$kernel" commit)" '^[0-9a-f]{40}' \
		"$suite: modinfo: the commit"
}

# BTF needs a vmlinux in the headers; Debian has it from 6.12 on.
check_btf() {
	local vmlinux=/usr/src/linux-headers-$kernel/vmlinux
	if [ ! -e "$root$vmlinux" ]; then
		like "$(build_log "$kernel")" \
			'BTF generation .* unavailability of vmlinux' \
			"$suite: no BTF, and the build says so"
		return
	fi
	root_apt "$root" install bpftool || bail_out "no bpftool"
	runs "$suite: the installed module has BTF" root_run "$root" \
		bpftool btf dump file /m.ko -B "$vmlinux"
	like "$output" "STRUCT 'hvp_domain'" "$suite: and its types are in it"

	as_root mv "$root/usr/bin/pahole" "$root/usr/bin/pahole.away"
	runs "$suite: it is built without pahole" \
		dkms build --force -m hv-pviommu -v "$version" -k "$kernel"
	as_root mv "$root/usr/bin/pahole.away" "$root/usr/bin/pahole"
	like "$(build_log "$kernel")" 'no pahole .*without BTF' \
		"$suite: and the build says that there is no BTF then"
}

# The real kernel, without .config: that is no reason not to build.
check_no_config() {
	local config=$root/usr/src/linux-headers-$kernel/.config
	as_root mv "$config" "$config.away"
	runs "$suite: without .config, the module is built" \
		dkms build --force -m hv-pviommu -v "$version" -k "$kernel"
	runs "$suite: without .config, the kernel can be installed" \
		root_run "$root" /etc/kernel/postinst.d/dkms "$kernel"
	as_root mv "$config.away" "$config"
}

# Headers of a kernel that clang has built, as far as they say so, where there
# is no clang; and where there is. Debian's name their own compiler.
check_clang() {
	local k=6.99.0-5-cloud-amd64
	headers_for $k "s/^CONFIG_CC_IS_GCC=.*/CONFIG_CC_IS_CLANG=y/
		s/^CONFIG_LD_IS_BFD=.*/CONFIG_LD_IS_LLD=y/
		s/^CONFIG_CC_VERSION_TEXT=.*/CONFIG_CC_VERSION_TEXT=\"Debian clang version 19.1.7\"/
		/^CONFIG_GCC_/d"
	as_root rm -f "$root/usr/src/linux-headers-$k/.kernelvariables" \
		"$root/usr/src/linux-headers-$k/vmlinux"
	! dkms build -m hv-pviommu -v "$version" -k $k >/dev/null 2>&1
	result $? "$suite: built by clang, which is not here: no module"
	like "$(build_log_of_failure)" \
		'built by clang 19, .*install clang, lld and llvm' \
		"$suite: the log says what to install"
	if [ "$suite" = trixie ]; then
		root_apt "$root" install clang-19 lld-19 llvm-19 ||
			bail_out "no clang"
		runs "$suite: built by clang: DKMS builds with clang-19" \
			dkms build -m hv-pviommu -v "$version" -k $k ||
			diag "$(build_log_of_failure | tail -n 30)"
		like "$(build_log $k)" 'LLVM=-19' "$suite: it was clang"
	fi
	as_root rm -rf "$root/lib/modules/$k" "$root/usr/src/linux-headers-$k"
}

build_log_of_failure() {
	cat "$root/var/lib/dkms/hv-pviommu/$version/build/make.log"
}

check_suite() {
	root=$scratch/$suite
	stage "$suite" "$root"
	as_root mkdir "$root$src"
	as_root tar -C "$root$src" --strip-components=1 -xf "$scratch/dist.tar.gz"

	like "$(dkms --version)" "$1" "$suite: DKMS is $1"
	runs "$suite: dkms add" dkms add -m hv-pviommu -v "$version"
	runs "$suite: dkms build for $kernel" \
		dkms build -m hv-pviommu -v "$version" -k "$kernel"
	unlike "$output" 'eprecat|Warning|WARN|bad exit' \
		"$suite: and has no complaints"
	unlike "$(build_log "$kernel")" 'warning:|WARNING|undefined!' \
		"$suite: nor have compiler and modpost"
	runs "$suite: dkms install" \
		dkms install -m hv-pviommu -v "$version" -k "$kernel"
	like "$(dkms status -m hv-pviommu)" "$(quote ", $kernel, x86_64: installed")" \
		"$suite: dkms status says so"
	is "$(root_run "$root" modinfo -k "$kernel" -n hv_pviommu)" \
		"$(module "$root" "$kernel")" "$suite: it is what modprobe takes"

	check_modinfo
	unpack_module
	check_signature
	check_btf

	headers_for 5.10.0-0-cloud-amd64 ''
	skips 5.10.0-0-cloud-amd64 "5.10"
	headers_for 6.99.0-1-cloud-amd64 's/^CONFIG_HYPERV=.*//'
	skips 6.99.0-1-cloud-amd64 "a kernel without Hyper-V"
	headers_for 6.99.0-2-cloud-amd64 '$aCONFIG_HYPERV_PVIOMMU=y'
	skips 6.99.0-2-cloud-amd64 "a kernel with a driver of its own"

	# As the kernel's own bindeb-pkg makes header packages.
	headers_for 6.99.0-3-cloud-amd64 's/^CONFIG_HYPERV=.*//'
	as_root rm "$root/usr/src/linux-headers-6.99.0-3-cloud-amd64/.config"
	skips 6.99.0-3-cloud-amd64 "a kernel without Hyper-V and without .config"
	headers_for 6.99.0-4-cloud-amd64 '$aCONFIG_HYPERV_PVIOMMU=y'
	as_root rm "$root/usr/src/linux-headers-6.99.0-4-cloud-amd64/.config"
	skips 6.99.0-4-cloud-amd64 "one with its own driver, without .config"
	check_no_config
	check_clang

	runs "$suite: dkms remove" dkms remove -m hv-pviommu -v "$version" --all
	is "$(cd "$root" && ls -d var/lib/dkms/hv-pviommu* \
		lib/modules/*/updates 2>/dev/null)" "" \
		"$suite: nothing of it is left"
}

# Whose version numbers DKMS takes for those that can have the module.
check_versions() {
	local v wrong=
	# shellcheck disable=SC1091
	. "$top/dkms.conf"
	for v in 6.1.0-56-cloud-amd64 6.1.192 6.6.96-1.azl3 6.10.0 6.12.117+deb13 \
		6.18.1 7.0.0-rc1 7.2.12+deb13-cloud-amd64 9.9.9 10.0.1 12.34.5; do
		[[ $v =~ $BUILD_EXCLUSIVE_KERNEL ]] || wrong="$wrong !$v"
	done
	for v in 4.19.0 5.10.0-30-amd64 5.15.0-1-azure 6.0.0 6.0.12-1-amd64 \
		5.6.1 2.6.18; do
		[[ $v =~ $BUILD_EXCLUSIVE_KERNEL ]] && wrong="$wrong $v"
	done
	is "$wrong" "" "dkms.conf: kernels from 6.1 on, by their names"
	is "$PACKAGE_NAME $PACKAGE_VERSION" "hv-pviommu $version" \
		"dkms.conf: name and version are those of the release"
}

# refuses MAKE-ARGUMENT... REGEX: a build that is not by DKMS says why not
refuses() {
	local regex=${*: -1}
	! output=$(root_run "$root" make -C "/lib/modules/$kernel/build" \
		M="$src/src" "${@:1:$#-1}" modules 2>&1)
	result $? "without DKMS: ${*:1:$#-1}: not built"
	like "$output" "$regex" "without DKMS: ${*:1:$#-1}: and says why" ||
		diag "$(printf '%s\n' "$output" | tail -n 20)"
}

mkdir -p "$scratch"
make_dist() {
	make -s -C "$top" dist >"$scratch/log" 2>&1 &&
		cp "$build/dist/hv-pviommu-$version.tar.gz" "$scratch/dist.tar.gz"
}
with_lock deb make_dist || bail_out "no tarball: $(tail -n 3 "$scratch/log")"

check_versions
suite=bookworm
check_suite '3\.0\.10'
as_root rm -rf "$root"
suite=trixie
check_suite '3\.2'

refuses VERSION=5 PATCHLEVEL=10 'needs a kernel of 6\.1 or later.* is 5\.10'
refuses VERSION=6 PATCHLEVEL=0 'needs a kernel of 6\.1 or later.* is 6\.0'
refuses CONFIG_HYPERV= 'cannot work .* no +CONFIG_HYPERV\. Use another'
refuses CONFIG_PCI_HYPERV= CONFIG_IOMMU_DMA= \
	'no +CONFIG_PCI_HYPERV CONFIG_IOMMU_DMA\.'
refuses CONFIG_HYPERV_PVIOMMU=y 'a driver for the pvIOMMU'
as_root rm -rf "$root/lib/modules/$kernel/build"
! output=$(root_run "$root" make -C "$src" KVER="$kernel" modules 2>&1)
result $? "without headers: not built"
like "$output" "install $(quote "linux-headers-$kernel")," \
	"without headers: and says which package has them"
done_testing
