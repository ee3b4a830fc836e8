# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# What the boot proofs of packages have in common: a Debian release as it is
# installed, our packages by apt, and boots of it. Source it last.

# proof_start NAME SUITE: a root of SUITE with kernel and headers from Debian,
# as large as it takes to boot; $root and $disk name it and its disk.
proof_start() {
	command -v /sbin/mke2fs >/dev/null ||
		"$top/tests/lib/deps.sh" e2fsprogs || bail_out "no mke2fs"
	"$top/tests/run" --build >&2 || bail_out "hvsim cannot be built"
	disk=$build/$1
	root=$disk/root
	as_root rm -rf "$disk"
	mkdir -p "$disk" && debs "$disk/debs"
	root_copy "$2" "$root" || bail_out "no root of $2"
	trap 'as_root rm -rf "$root" "$disk/image"' EXIT
	# The order a user meets: the system with its kernel comes first.
	runs "$2: a system with kernel and initramfs" root_apt "$root" install \
		systemd-sysv udev kmod e2fsprogs initramfs-tools zstd openssl \
		linux-image-cloud-amd64 || bail_out "no system"
	is "$(as_root find "$root/boot" "$root/usr/lib/modules" \
		-name '*pviommu*')" "" "$2: without anything of ours"
}

# proof_install: our packages and the headers, as README.md says.
proof_install() {
	local kernel d
	kernel=$(ls "$root/lib/modules")
	d=/var/tmp/debs
	as_root mkdir -p "$root$d" && as_root cp \
		"$disk"/debs/hv-pviommu-dkms_*.deb \
		"$disk"/debs/hv-pviommu-tools_*.deb "$root$d/" || return 1
	runs "apt installs our packages and the headers" root_apt "$root" \
		install linux-headers-cloud-amd64 \
		"$d/$(cd "$root$d" && echo hv-pviommu-dkms_*.deb)" \
		"$d/$(cd "$root$d" && echo hv-pviommu-tools_*.deb)"
	as_root rm -rf "${root:?}$d"
	like "$(root_run "$root" dkms status -m hv-pviommu)" \
		"${kernel//[.+]/.}.*: installed" "DKMS has built the module for $kernel"
	like "$(root_run "$root" lsinitramfs "/boot/initrd.img-$kernel")" \
		'updates/dkms/hv_pviommu\.ko' "the initramfs has it"
	root_apt "$root" clean
}

# proof_purge: our packages go, and nothing stays.
proof_purge() {
	runs "apt purges our packages" root_apt "$root" purge \
		hv-pviommu-dkms hv-pviommu-tools
	# apt's configuration is of roots.sh, /usr/local of disk.sh.
	is "$(as_root find "$root" -xdev \( -path "$root/usr/local" -o \
		-path "$root/etc/apt" -o -path "$root/var/log" -o \
		-path "$root$build" \) -prune -o -name '*hv[-_]pviommu*' \
		-print)" "" "nothing is left of them"
	# shellcheck disable=SC2016
	is "$(root_run "$root" sh -c 'for i in /boot/initrd.img-*; do
		lsinitramfs "$i" | grep "hv[-_]pviommu"; done')" "" \
		"nor in an initramfs"
}

# proof_disk STEPS...: the disk, whose boot N does the N-th of these; empty ones
# are of a disk before.
proof_disk() {
	local n=0 s first=
	disk_stage "$root" "$top/tests/guest/packages.sh" || return 1
	{
		printf 'UPGRADE="%s"\nUPGRADE_FROM="%s"\n' "${upgrade-}" \
			"${upgrade_from-}"
		for s; do
			n=$((n + 1))
			printf 'STEPS_%s="%s"\n' $n "$s"
			[ -z "$s" ] || : "${first:=$n}"
		done
		echo "FIRST=$first"
	} | as_root tee "$root/usr/local/lib/hvp-test/steps" >/dev/null
	runs "the root becomes a disk" disk_image "$root" "$disk" 3000
}

# proof_boot N WANT KERNEL LABEL [WORDS]: boot N, which has to start KERNEL and
# to end with WANT, reboot or poweroff.
proof_boot() {
	local code=0 start=$SECONDS
	[ "$2" = poweroff ] || code=4
	like "$(disk_kernel "$disk")" "$3" "$4: the kernel to boot" || return
	disk_boot "$disk" "$1" "${5-}" || bail_out "no kernel on the disk"
	if [ "$status" = 125 ]; then
		bail_out "the QEMU machine failed: $(tail -n 3 "$disk/$1/log")"
	fi
	disk_report "$disk" "$1" "$4" $code
	note "$4: $((SECONDS - start)) s"
}
