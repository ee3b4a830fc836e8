#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes the release tarball from the last commit, an SPDX document about it,
# and the checksums of both, in build/dist. The same commit gives the same bits.

. "$(dirname "$0")/common.sh"

dist=$build/dist
git=(git -C "$top" -c core.autocrlf=false -c tar.umask=0022)

# spdx DIR TARBALL: what is in DIR, the unpacked TARBALL.
spdx() {
	local f n=0 id sums
	sums=$(cd "$1" && find . -type f -exec sha1sum {} + | cut -c 1-40 |
		LC_ALL=C sort | tr -d '\n' | sha1sum | cut -c 1-40)
	id=${commit:0:8}-${commit:8:4}-5${commit:12:3}-8${commit:15:3}
	cat <<-END
		SPDXVersion: SPDX-2.3
		DataLicense: CC0-1.0
		SPDXID: SPDXRef-DOCUMENT
		DocumentName: $name
		DocumentNamespace: urn:uuid:$id-${commit:18:12}
		Creator: Organization: hv-pviommu developers
		Created: $(TZ=UTC date -d "@$time" +%Y-%m-%dT%H:%M:%SZ)
		Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-source

		PackageName: hv-pviommu
		SPDXID: SPDXRef-source
		PackageVersion: $version
		PackageFileName: ${2##*/}
		PackageChecksum: SHA256: $(sha256sum "$2" | cut -c 1-64)
		PackageSourceInfo: <text>commit $commit</text>
		PackageDownloadLocation: NOASSERTION
		FilesAnalyzed: true
		PackageVerificationCode: $sums
		PackageLicenseConcluded: GPL-2.0-only
		PackageLicenseDeclared: GPL-2.0-only
		PackageLicenseInfoFromFiles: GPL-2.0-only
		PackageCopyrightText: NOASSERTION
	END
	# GPL-2.0 is what the kernel writes for GPL-2.0-only.
	(cd "$1" && find . -type f -print | LC_ALL=C sort) |
		while IFS= read -r f; do
			n=$((n + 1))
			cat <<-END

				FileName: $f
				SPDXID: SPDXRef-file-$n
				FileChecksum: SHA1: $(sha1sum <"$1/$f" | cut -c 1-40)
				FileChecksum: SHA256: $(sha256sum <"$1/$f" | cut -c 1-64)
				LicenseConcluded: GPL-2.0-only
				LicenseInfoInFile: $(if head -n 5 "$1/$f" | grep -qaE \
					'SPDX-License-Identifier: GPL-2\.0(-only)?( |$)'; then
					echo GPL-2.0-only; else echo NONE; fi)
				FileCopyrightText: NOASSERTION
			END
		done
}

command -v git >/dev/null || fail "needs git"
# Not one in which this directory only happens to be.
prefix=$("${git[@]}" rev-parse --show-prefix) && [ -z "$prefix" ] ||
	fail "no git checkout here; an unpacked tarball is a release already"
commit=$("${git[@]}" rev-parse --verify HEAD) ||
	fail "nothing is committed here"
time=$("${git[@]}" show -s --format=%ct HEAD)
version=$("${git[@]}" show HEAD:VERSION) || exit 1
[ "$version" = "$(cat "$top/VERSION")" ] ||
	fail "VERSION is $(cat "$top/VERSION") here, but $version in the last" \
		"commit, from which the tarball is made: commit it first"
[ -z "$("${git[@]}" status --porcelain)" ] ||
	say "${0##*/}: warning: there are uncommitted changes, which are not in" \
		"the tarball"

name=hv-pviommu-$version
new=$dist.new
rm -rf "$new"
mkdir -p "$new/unpacked" || exit 1
set -eo pipefail
"${git[@]}" archive --format=tar --prefix="$name/" HEAD >"$new/tar"
tar -xf "$new/tar" -C "$new/unpacked"
gzip -9n <"$new/tar" >"$new/$name.tar.gz"
spdx "$new/unpacked/$name" "$new/$name.tar.gz" >"$new/$name.spdx"
rm -rf "$new/tar" "$new/unpacked"
(cd "$new" && sha256sum -- * >SHA256SUMS)
rm -rf "$dist"
mv "$new" "$dist"
say "$dist/$name.tar.gz"
