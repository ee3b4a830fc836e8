#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The RPM packages: what is in them, and what they do in Debian roots with
# dkms 3.0 (bookworm) and 3.2 (trixie), dracut, and a kernel: installation,
# upgrade to the same and to another version, failures, removal. With releases
# as arguments only those.

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/roots.sh"
. "$top/tests/lib/tap.sh"

"$top/tests/lib/deps.sh" rpm rpmlint cpio file || bail_out "no packages"
version=$(cat "$top/VERSION")
commit=$(git -C "$top" rev-parse HEAD)
scratch=$build/test-rpm
trap 'as_root rm -rf "$scratch"' EXIT
as_root rm -rf "$scratch"
mkdir -p "$scratch" || exit 1

# With a build directory of their own: other tests make tarballs, too.
rpms=$scratch/build/rpm
make_rpms() {
	HVP_BUILD=$scratch/build make -s -C "$top" rpm 2>"$scratch/log" ||
		bail_out "make rpm failed: $(tail -n 3 "$scratch/log")"
}
make_rpms
dkms=$rpms/hv-pviommu-dkms-$version-1.noarch.rpm
tools=$rpms/hv-pviommu-tools-$version-1.x86_64.rpm

## What is in them

is "$(cd "$rpms" && echo *)" "hv-pviommu-$version-1.src.rpm \
hv-pviommu-dkms-$version-1.noarch.rpm hv-pviommu-tools-$version-1.x86_64.rpm" \
	"make rpm makes a source and two binary packages"

runs "rpmlint finds nothing" rpmlint -r "$top/rpm/hv-pviommu.rpmlintrc" \
	"$rpms"/*.rpm "$top/rpm/hv-pviommu.spec"
like "$output" ' 0 errors, 0 warnings' "not even warnings"

for p in "$dkms" "$tools"; do
	mkdir "$scratch/unpacked" || exit 1
	(cd "$scratch/unpacked" && rpm2cpio "$p" | cpio -idm --quiet) ||
		bail_out "cannot unpack $p"
	case $p in
	"$dkms")
		name=dkms
		wanted=$(cd "$top" && git ls-files include src | grep -vE \
			'^src/(tools|modprobe.d|initramfs|dracut|systemd)/' |
			sed "s|^|usr/src/hv-pviommu-$version/|"
			printf '%s\n' "usr/src/hv-pviommu-$version/"{COPYING,Makefile,VERSION,dkms.conf} \
				usr/lib/modprobe.d/hv-pviommu.conf \
				usr/lib/dracut/dracut.conf.d/90-hv-pviommu.conf \
				usr/lib/dracut/modules.d/90hv-pviommu/{hv-pviommu,hv-pviommu-hook.sh,module-setup.sh} \
				usr/lib/systemd/system/hv-pviommu.service \
				"usr/share/doc/hv-pviommu-dkms-$version/"{README,RELEASENOTES,doc/operating}.md \
				"usr/share/licenses/hv-pviommu-dkms-$version/COPYING")
		;;
	*)
		name=tools
		wanted=$(printf '%s\n' usr/bin/hv-pviommu \
			usr/share/bash-completion/completions/hv-pviommu \
			usr/share/man/man8/hv-pviommu.8.gz \
			"usr/share/licenses/hv-pviommu-tools-$version/COPYING")
		;;
	esac
	is "$(cd "$scratch/unpacked" && find . -type f | cut -c 3- | sort)" \
		"$(sort <<<"$wanted")" "$name: the files that must be there, no other"
	# shellcheck disable=SC2016
	is "$(rpm -qp --qf '[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]' \
		"$p" | grep -vE '^(-rw-r--r--|drwxr-xr-x|lrwxrwxrwx) root root /|^-rwxr-xr-x root root /usr/(bin|lib/dracut/modules.d/90hv-pviommu)/')" \
		"" "$name: modes and owners"
	is "$(grep -rlaF -e "$top" -e "$build" "$scratch/unpacked")" "" \
		"$name: no paths of the machine that built it"
	if [ $name = tools ]; then
		is "$("$scratch/unpacked/usr/bin/hv-pviommu" --version)" \
			"hv-pviommu $version" "tools: the command works"
		is "$(rpm -qpR "$p" | grep -vE '^(libc\.so|rtld|rpmlib)')" "" \
			"tools: needs only the C library"
	else
		cmp -s "$scratch/unpacked/usr/lib/modprobe.d/hv-pviommu.conf" \
			"$top/src/modprobe.d/hv-pviommu.conf"
		result $? "dkms: modprobe.d is that of src"
		is "$(cat "$scratch/unpacked/usr/src/hv-pviommu-$version/src/commit")" \
			"$commit" "dkms: names its commit"
	fi
	rm -rf "$scratch/unpacked"
done

for tag in POSTIN PREUN POSTUN POSTTRANS; do
	rpm -qp --qf "%{$tag}\n" "$dkms" >"$scratch/$tag"
	sh -n "$scratch/$tag" && bash -n "$scratch/$tag"
	result $? "%$tag is a shell script"
	is "$(tail -n 1 "$scratch/$tag")" "exit 0" "%$tag does not fail"
	if command -v shellcheck >/dev/null; then
		runs "%$tag passes shellcheck" shellcheck -s sh -S warning \
			"$scratch/$tag"
	fi
done
is "$(rpm -qp --scripts "$tools")" "" "tools: no scripts"
is "$(rpm -qp --scripts "$dkms" | sed -z 's/\\\n//g' |
	sed -nE 's/^ +dkms (install|remove) .* --rpm_safe_upgrade .*/\1/p' |
	xargs)" "install remove" "dkms: both ways by --rpm_safe_upgrade"

sums=$(cd "$rpms" && sha256sum -- *)
make_rpms
is "$(cd "$rpms" && sha256sum -- *)" "$sums" "built again: the same bits"

## What they do

# package VERSION RELEASE MARK: from the tarball, with other numbers, as users
# do it; the module's description ends with MARK. MARK "broken" does not
# compile.
package() {
	local dir=$scratch/src/hv-pviommu-$1
	mkdir -p "$dir"
	tar -xzf "$scratch/build/dist/hv-pviommu-$version.tar.gz" -C "$dir" \
		--strip-components 1 || return 1
	sed -i "s/^\(Version: *\).*/\1$1/; s/^\(Release: *\).*/\1$2/" \
		"$dir/rpm/hv-pviommu.spec"
	sed -i "s/$version/$1/" "$dir/dkms.conf" "$dir/src/version.h"
	sed -i "s/^MODULE_DESCRIPTION(\"/&$3: /" "$dir/src/main.c"
	[ "$3" != broken ] || echo '#error broken on purpose' >>"$dir/src/main.c"
	tar -czf "$scratch/hv-pviommu-$1.tar.gz" -C "$scratch/src" \
		"hv-pviommu-$1" || return 1
	rpmbuild -tb --nodeps --target x86_64 --define "_topdir $scratch/top" \
		"$scratch/hv-pviommu-$1.tar.gz" >"$scratch/log" 2>&1 || {
		tail -n 5 "$scratch/log" >&2
		return 1
	}
	rm -rf "$scratch/src"
	mv "$scratch/top/RPMS/noarch/hv-pviommu-dkms-$1-$2.noarch.rpm" "$scratch/"
}

package "$version" 2 second && package "$version.1" 1 next &&
	package "$version.2" 1 broken || bail_out "cannot make the upgrades"

in_root() { root_run "$root" "$@"; }
in_root_rpm() {
	output=$(in_root rpm "$@" 2>&1)
	code=$?
}

# What DKMS and the module leave in a root, without what belongs to DKMS.
traces() {
	# From outside, where nothing is mounted.
	# shellcheck disable=SC2016
	as_root sh -c 'cd "$1" && find lib/modules/*/ etc usr/lib usr/src \
		var/lib/dkms tmp var/tmp boot -not -type d -print' sh "$root" |
		grep -vE '^var/lib/dkms/(mok|dkms_dbversion)' | sort
	in_root lsinitrd "/boot/initramfs-$kernel.img" | grep -c hv_pviommu
}

module() { in_root modinfo -k "$kernel" -F "$1" hv_pviommu 2>&1; }
status() { in_root dkms status -m hv-pviommu 2>&1; }

# after VERSION MARK NAME: the module of that version is installed, nothing else
after() {
	is "$code" 0 "$suite: $3: rpm ends with 0" || diag "$output"
	is "$(module version) $(module description)" "$1 $2" \
		"$suite: $3: the module is the new one"
	is "$(status)" "hv-pviommu/$1, $kernel, x86_64: installed" \
		"$suite: $3: dkms has that version only"
	is "$(in_root sh -c "cd /usr/src && echo hv-pviommu*")" "hv-pviommu-$1" \
		"$suite: $3: and so has /usr/src"
	is "$(in_root sh -c "cd /tmp && rm -rf x && mkdir x && cd x &&
		lsinitrd --unpack /boot/initramfs-$kernel.img >/dev/null 2>&1;
		modinfo -F description \$(find . -name 'hv_pviommu.ko*')")" \
		"$2" "$suite: $3: and so has the initramfs"
	in_root rm -rf /tmp/x
}

lifecycle() {
	local before description
	description='Hyper-V para-virtual IOMMU for guests'
	suite=$1
	root=$scratch/root-$suite
	root_copy "$suite" "$root" &&
		root_apt "$root" install rpm dkms dracut kmod procps openssl gcc \
			make linux-image-cloud-amd64 linux-headers-cloud-amd64 ||
		bail_out "cannot make a root of $suite"
	kernel=$(cd "$root/lib/modules" && ls -d -- *-cloud-amd64)
	note "$suite: $kernel, dkms $(in_root dkms --version 2>&1 | tail -n 1)," \
		"dracut $(in_root dpkg-query -W -f '${Version}' dracut)"
	# An initramfs that dracut makes quickly, where RPM distributions have it;
	# a kernel that is too old; one without headers.
	printf '%s\n' 'hostonly=no' 'compress=cat' \
		'dracutmodules+=" base kernel-modules "' |
		as_root tee "$root/etc/dracut.conf.d/90-test.conf" >/dev/null
	in_root dracut -q --force "/boot/initramfs-$kernel.img" "$kernel" ||
		bail_out "dracut failed"
	in_root mkdir -p /lib/modules/5.14.0-1/build/include \
		/lib/modules/6.12.0-1
	before=$(traces)

	in_root_rpm -i --nodeps "$dkms"
	after "$version" "$description" "installation"
	like "$output" '^hv-pviommu: 5\.14\.0-1: skipped' \
		"$suite: a kernel that is too old is skipped, and named"
	unlike "$output" 'hv-pviommu: (6|.*(failed|no headers))' \
		"$suite: no other complaint"
	is "$(module commit) $(module name)" \
		"$commit hv_pviommu" \
		"$suite: the module names its commit"
	is "$(in_root lsinitrd "/boot/initramfs-$kernel.img" |
		grep -c 'modprobe.d/hv-pviommu.conf')" 1 \
		"$suite: the initramfs has the softdep, too"
	is "$(in_root lsinitrd "/boot/initramfs-$kernel.img" |
		grep -oE '[^ /]*hv[-_]pviommu[^ ]*' | sed 's/\.ko.*/.ko/' |
		grep -v '^hv-pviommu$' | LC_ALL=C sort -u | xargs)" \
		"01-hv-pviommu-hook.sh hv-pviommu-initramfs hv-pviommu.conf hv_pviommu.ko" \
		"$suite: module, script and hook, and nothing else of ours"
	is "$(in_root sh -c "modprobe -S $kernel --show-depends pci-hyperv |
		grep -c hv_pviommu || :")" \
		"$(in_root sh -c "grep -q pci-hyperv.ko \
			/lib/modules/$kernel/modules.builtin && echo 0 || echo 1")" \
		"$suite: modprobe loads it before pci-hyperv, where that is a module"

	in_root_rpm -U --nodeps "$scratch/hv-pviommu-dkms-$version-2.noarch.rpm"
	after "$version" "second: $description" "the same version again"

	in_root_rpm -U --nodeps "$scratch/hv-pviommu-dkms-$version.1-1.noarch.rpm"
	after "$version.1" "next: $description" "another version"

	if [ "$suite" = bookworm ]; then
		in_root_rpm -U --nodeps --replacepkgs \
			"$scratch/hv-pviommu-dkms-$version.1-1.noarch.rpm"
		after "$version.1" "next: $description" "reinstallation"

		in_root_rpm -U --nodeps \
			"$scratch/hv-pviommu-dkms-$version.2-1.noarch.rpm"
		is "$code" 0 "a source that does not compile: rpm ends with 0"
		like "$output" "^hv-pviommu: $kernel: dkms failed with [0-9]+:" \
			"it says that there is no module"
		in_root_rpm -U --nodeps --oldpackage \
			"$scratch/hv-pviommu-dkms-$version.1-1.noarch.rpm"
		after "$version.1" "next: $description" "back to what compiles"
	fi

	in_root_rpm -e hv-pviommu-dkms
	is "$code" 0 "$suite: removal: rpm ends with 0" || diag "$output"
	is "$(diff <(echo "$before") <(traces) | grep '^[<>]')" "" \
		"$suite: nothing is left, the initramfs is without the module"

	if [ "$suite" = bookworm ]; then
		# The running kernel is one without headers; there is no dkms.
		printf '#!/bin/sh\necho 6.12.0-1\n' |
			as_root tee "$root/usr/bin/uname" >/dev/null
		in_root rm -rf "/lib/modules/$kernel/build"
		in_root_rpm -i --nodeps "$dkms"
		is "$code" 0 "no headers: rpm ends with 0"
		like "$output" \
			'^hv-pviommu: 6\.12\.0-1: no headers .*kernel-devel-6\.12\.0-1' \
			"it says what to install"
		in_root_rpm -e hv-pviommu-dkms
		is "$code $(status)" "0 " "removal of what was never built"
		in_root rm /usr/sbin/dkms
		in_root_rpm -i --nodeps "$dkms"
		is "$code" 0 "no dkms: rpm ends with 0"
		like "$output" '^hv-pviommu: no dkms:' "it says so"
		in_root_rpm -e hv-pviommu-dkms
		is "$code" 0 "removal without dkms: rpm ends with 0"
	fi
	as_root rm -rf "$root"
}

[ $# -gt 0 ] || set -- bookworm trixie
for s in "$@"; do
	lifecycle "$s"
done
done_testing
