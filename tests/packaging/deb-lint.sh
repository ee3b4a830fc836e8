#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Debian packages as a reviewer sees them: lintian of Debian 12 and 13, two
# builds that must be the same to the byte, and the tests that come with them.

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/roots.sh"
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/packages.sh"

scratch=$build/packaging/lint
trap 'as_root rm -rf "$scratch"' EXIT

check_contents() {
	local files
	files=$(dpkg -c "$scratch"/debs/hv-pviommu-dkms_*.deb |
		sed 's/^[^.]*\.//; /\/$/d')
	unlike "$files" '/src/(tools|modprobe\.d|initramfs|dracut|systemd)/|/tests/|\.(o|ko|cmd)$' \
		"hv-pviommu-dkms has what builds the module, and no more"
	is "$(grep -v '^/usr/src/' <<<"$files" | sort)" "$(sort <<'END'
/etc/kernel/header_postinst.d/hv-pviommu
/usr/lib/dracut/modules.d/90hv-pviommu/hv-pviommu
/usr/lib/dracut/modules.d/90hv-pviommu/hv-pviommu-hook.sh
/usr/lib/dracut/modules.d/90hv-pviommu/module-setup.sh
/usr/lib/modprobe.d/hv-pviommu.conf
/usr/lib/systemd/system/hv-pviommu.service
/usr/lib/systemd/system/sysinit.target.wants/hv-pviommu.service -> ../hv-pviommu.service
/usr/share/doc/hv-pviommu-dkms/changelog.gz
/usr/share/doc/hv-pviommu-dkms/copyright
/usr/share/initramfs-tools/hooks/hv-pviommu
/usr/share/initramfs-tools/scripts/init-top/hv-pviommu
/usr/share/lintian/overrides/hv-pviommu-dkms
END
)" "and the files that make it load"
	is "$(dpkg -c "$scratch"/debs/hv-pviommu-tools_*.deb |
		sed 's/^[^.]*\.//; /\/$/d' | sort)" "$(sort <<'END'
/usr/bin/hv-pviommu
/usr/share/bash-completion/completions/hv-pviommu
/usr/share/doc/hv-pviommu-tools/changelog.gz
/usr/share/doc/hv-pviommu-tools/copyright
/usr/share/man/man8/hv-pviommu.8.gz
END
)" "hv-pviommu-tools has the command, its page, and completion"
}

# Another directory, time of day and year, umask, locale, and user's habits.
check_reproducible() {
	local dir="$scratch/another-place" name
	"$top/tests/lib/deps.sh" faketime || bail_out "no faketime"
	mkdir -p "$dir"
	tar -C "$dir" -xf "$scratch/debs/dist.tar.gz"
	(
		umask 027
		cd "$dir"/hv-pviommu-* &&
			TZ=Pacific/Kiritimati LC_ALL=C.UTF-8 HOME=/nowhere \
				DEB_BUILD_OPTIONS=parallel=4 faketime -f +400d \
				dpkg-buildpackage -us -uc >../log 2>&1
	)
	result $? "builds in another place, 400 days later" ||
		diag "$(tail -n 10 "$dir/log")"
	for name in "$scratch"/debs/*.deb "$scratch"/debs/*.dsc; do
		name=${name##*/}
		cmp "$scratch/debs/$name" "$dir/$name"
		result $? "the same to the byte: $name" || differences "$name"
	done
}

differences() {
	! command -v diffoscope >/dev/null ||
		diag "$(diffoscope "$scratch/debs/$1" "$dir/$1" | head -n 40)"
}

# A lintian that is older than the policy cannot know it.
check_lintian() {
	root_apt "$root" install lintian || bail_out "no lintian for $suite"
	runs "$suite: lintian" root_run "$root" \
		lintian --allow-root --display-info --pedantic \
		--show-overrides --fail-on none \
		--suppress-tags newer-standards-version \
		"$scratch/debs/hv-pviommu_${version}_amd64.changes"
	is "$(grep -v '^[ON]: ' <<<"$output")" "" \
		"$suite: has nothing to say but what is overridden"
	is "$(grep -c '^O: ' <<<"$output")" \
		"$(grep -vc '^#' "$top"/debian/*.lintian-overrides)" \
		"$suite: and needs all of its overrides"
}

# In a root that is thrown away, so a test may break it.
check_autopkgtest() {
	root_apt "$root" install autopkgtest autodep8 ||
		bail_out "no autopkgtest for $suite"
	root_run "$root" autopkgtest --output-dir=/tmp/autopkgtest \
		--ignore-restrictions=breaks-testbed --timeout-test=600 \
		"$scratch/debs/hv-pviommu_${version}_amd64.changes" -- null \
		>"$scratch/autopkgtest.log" 2>&1
	result $? "$suite: autopkgtest" ||
		diag "$(tail -n 40 "$scratch/autopkgtest.log")"
	output=$(cat "$root/tmp/autopkgtest/summary")
	for t in dkms-autopkgtest tool boot-files; do
		like "$output" "^$t +PASS" "$suite: autopkgtest: $t"
	done
	like "$(cat "$scratch/autopkgtest.log")" \
		"^I: PASS (hv-pviommu/$version )?$(quote "$kernel")\$" \
		"$suite: it has built the module for $kernel"
}

mkdir -p "$scratch"
debs "$scratch/debs"
check_contents
check_reproducible
for suite in bookworm trixie; do
	root=$scratch/$suite
	stage "$suite" "$root"
	check_lintian
	check_autopkgtest
	as_root rm -rf "$root"
done
done_testing
