#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the RPM packages from the release tarball, in build/rpm. The same
# commit in the same directory gives the same bits: rpmbuild puts the directory
# into the source package, and a checksum of that into the others.

. "$(dirname "$0")/common.sh"

"$top/tests/lib/deps.sh" rpm || exit 1
"$top/tests/lib/dist.sh" || exit 1
version=$(cat "$top/VERSION")
tarball=$build/dist/hv-pviommu-$version.tar.gz
time=$(git -C "$top" show -s --format=%ct HEAD) || exit 1

work=$build/rpm-work
rm -rf "$work" "$build/rpm"
mkdir -p "$work/SPECS" || exit 1
tar -xOf "$tarball" "hv-pviommu-$version/rpm/hv-pviommu.spec" \
	>"$work/SPECS/hv-pviommu.spec" || exit 1
# On Debian gcc and make are no RPM packages (--nodeps); brp-compress is run by
# dash, which it is not for; and there are no debuginfo packages, so that the
# tool is linked without symbols (-s).
SOURCE_DATE_EPOCH=$time rpmbuild -ba --nodeps --target x86_64 \
	--define "_topdir $work" \
	--define "_sourcedir $build/dist" \
	--define "_buildhost localhost" \
	--define "use_source_date_epoch_as_buildtime 1" \
	--define "clamp_mtime_to_source_date_epoch 1" \
	--define "__os_install_post bash %{_rpmconfigdir}/brp-compress %{_prefix}" \
	--define "build_ldflags -s" \
	"$@" "$work/SPECS/hv-pviommu.spec" >"$work/log" 2>&1 || {
	tail -n 20 "$work/log" >&2
	fail "rpmbuild failed, see $work/log"
}
mkdir "$build/rpm"
mv "$work"/RPMS/*/*.rpm "$work"/SRPMS/*.rpm "$build/rpm/"
rm -rf "$work/BUILD" "$work/BUILDROOT"
ls "$build"/rpm/*.rpm >&2
