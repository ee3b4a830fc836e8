# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Builds what boots: the module, hvsim, the guest's programs and initramfs.
# Source it after common.sh and kernels.sh.

# build_module KERNEL FLAVOUR: in a copy of the sources, as DKMS does, so that
# several kernels and flavours can stand side by side. FLAVOUR: plain, canary,
# or incore, for a kernel with a pvIOMMU driver of its own.
build_module() {
	local kernel=$1 flavour=$2 dir=$build/module-$1-$2 flags=()
	[ "$flavour" = canary ] && flags=(CANARY=1)
	[ "$flavour" = incore ] && flags=(KCFLAGS=-DCONFIG_HYPERV_PVIOMMU=1)
	# Only of the module under test: see src/Kbuild.
	[ "$flavour" != plain ] || [ -z "${HVP_FORCE_PROBES:-}" ] ||
		flags=("HVP_FORCE_PROBES=$HVP_FORCE_PROBES")
	mkdir -p "$dir"
	cp -pru "$top/src" "$top/include" "$dir/" || return 1
	kernel_make "$kernel" -s M="$dir/src" W=1 "${flags[@]}" modules >"$dir/build.log" 2>&1 || {
		cat "$dir/build.log" >&2
		return 1
	}
}

# Copies program $2... and the libraries they load into tree $1.
copy_program() {
	local tree=$1 f
	shift
	for f in "$@"; do
		{
			echo "$f"
			ldd "$f" | grep -oE '/[^ ]+'
		} | while read -r l; do
			mkdir -p "$tree${l%/*}"
			cp -L "$l" "$tree$l"
		done || return 1
	done
}

# Copies modules $3... of Debian's kernel $1, and what they depend on, into
# tree $2.
copy_modules() {
	local kernel=$1 tree=$2 rel mods list f
	shift 2
	rel=$(kernel_release "$kernel")
	mods=$(kernel_modules "$kernel")
	list=$(/sbin/modprobe -a -d "$cache/kernels/$kernel" -S "$rel" \
		-C /dev/null --show-depends "$@") || return 1
	for f in $(echo "$list" | awk '$1 == "insmod" { print $2 }'); do
		f=${f#"$mods"/}
		mkdir -p "$tree/lib/modules/$rel/${f%/*}"
		cp "$mods/$f" "$tree/lib/modules/$rel/$f" || return 1
	done
}

pack() { (cd "$1" && find . | cpio --quiet -o -H newc -R 0:0); }

# Modules of Debian's kernel that guests load, with what they depend on; what
# is built in is left out.
guest_modules="hv_vmbus pci-hyperv nvme vfio-pci vfio_iommu_type1"

build_initramfs() {
	local kernel=$1 out=$build/guest-$1.cpio tree=$build/guest-$1
	local rel mods m
	rel=$(kernel_release "$kernel")
	mods=$(kernel_modules "$kernel")
	rm -rf "$tree"
	mkdir -p "$tree/bin" "$tree/lib/modules/$rel/updates" \
		"$tree/etc/modprobe.d" || return 1
	cp "$(command -v busybox)" "$tree/bin/busybox"
	cp "$top/tests/guest/init" "$tree/init"
	cp "$top"/tests/guest/*.sh "$tree/"
	cp "$top/src/initramfs/hv-pviommu" "$tree/initramfs-script" || return 1
	cp "$build/guest/hvctl" "$build/guest/dmaprobe" \
		"$build/guest/fail-nth" "$build/guest/kload" \
		"$build/guest/vfio-probe" "$build/guest-tools/hv-pviommu" \
		"$tree/bin/" || return 1
	copy_program "$tree" /usr/bin/kmod || return 1
	mkdir -p "$tree/sbin"
	for m in modprobe rmmod insmod depmod lsmod modinfo; do
		ln -s /usr/bin/kmod "$tree/sbin/$m"
	done
	cp "$mods"/modules.order "$mods"/modules.builtin* \
		"$tree/lib/modules/$rel/"
	# shellcheck disable=SC2086
	copy_modules "$kernel" "$tree" $guest_modules || return 1
	cp "$build/module-$kernel-plain/src/hv_pviommu.ko" \
		"$build/guest-ko-$(kernel_release "$kernel")/dmaprobe.ko" \
		"$build/guest-ko-$(kernel_release "$kernel")/apitest/apitest.ko" \
		"$build/guest-ko-$(kernel_release "$kernel")/other/otheriommu.ko" \
		"$build/guest-ko-$(kernel_release "$kernel")"/meddle/*.ko \
		"$tree/lib/modules/$rel/updates/" || return 1
	# To be named by its file: there cannot be two modules of one name.
	cp "$build/module-$kernel-incore/src/hv_pviommu.ko" \
		"$tree/hv_pviommu-incore.ko" || return 1
	cp "$top/src/modprobe.d/hv-pviommu.conf" "$tree/etc/modprobe.d/" ||
		return 1
	/sbin/depmod -b "$tree" "$rel" || return 1
	pack "$tree" >"$out.new" && mv "$out.new" "$out" || return 1
	# The canary module goes over the real one.
	tree=$build/guest-$kernel-canary
	rm -rf "$tree"
	mkdir -p "$tree/lib/modules/$rel/updates"
	cp "$build/module-$kernel-canary/src/hv_pviommu.ko" \
		"$tree/lib/modules/$rel/updates/" || return 1
	out=$build/guest-$kernel-canary.cpio
	pack "$tree" >"$out.new" && mv "$out.new" "$out"
}

build_fio() {
	local tree=$build/fio out=$build/fio.cpio
	[ "$out" -nt /usr/bin/fio ] && return 0
	rm -rf "$tree"
	copy_program "$tree" /usr/bin/fio && pack "$tree" >"$out.new" &&
		mv "$out.new" "$out"
}

# The kernel that a guest starts by kexec.
kexec_cpio() { echo "$build/kexec-$(kernel_release "$1").cpio"; }

build_kexec() {
	local tree=$build/kexec out
	out=$(kexec_cpio "$1")
	[ -e "$out" ] && return 0
	rm -rf "$tree"
	mkdir -p "$tree/boot" &&
		cp "$(kernel_image "$1")" "$tree/boot/vmlinuz" &&
		pack "$tree" >"$out.new" && mv "$out.new" "$out"
}

# build_all KERNEL: everything, quick when nothing changed.
build_all() {
	local kernel=$1
	mkdir -p "$build"
	kernel_fetch "$kernel"
	make -s -C "$top/tests/hvsim" O="$build/hvsim" >"$build/hvsim.log" \
		2>&1 || { cat "$build/hvsim.log" >&2; return 1; }
	build_module "$kernel" plain || return 1
	make -s -C "$top/tests/guest" O="$build/guest" \
		KO="$build/guest-ko-$(kernel_release "$kernel")" \
		SYMVERS="$build/module-$kernel-plain/src/Module.symvers" \
		KMAKE="$top/tests/lib/kmake $kernel" >"$build/guest.log" 2>&1 ||
		{ cat "$build/guest.log" >&2; return 1; }
	make -s -C "$top/src/tools" O="$build/guest-tools" LDFLAGS=-static \
		>>"$build/guest.log" 2>&1 ||
		{ cat "$build/guest.log" >&2; return 1; }
	build_module "$kernel" canary || return 1
	build_module "$kernel" incore || return 1
	build_fio && build_kexec "$kernel" || return 1
	build_initramfs "$kernel"
}
