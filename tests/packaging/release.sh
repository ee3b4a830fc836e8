#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The release: what `make dist` makes is complete, the same every time, and
# enough to build from; it refuses what would be no release. VERSION is checked
# by tests/static/run; here it is seen that this notices.

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/tap.sh"

"$top/tests/lib/deps.sh" git linux-headers-cloud-amd64 ||
	bail_out "no packages"
scratch=$build/test-release
trap 'rm -rf "$scratch"' EXIT
rm -rf "$scratch"
mkdir -p "$scratch" || exit 1
headers=$(ls -d /usr/src/linux-headers-*-cloud-amd64 2>/dev/null |
	sort -V | tail -n 1)
[ -e "$headers/Makefile" ] || bail_out "no kernel headers in /usr/src"

commit=$(git -C "$top" rev-parse HEAD) || bail_out "this is no git checkout"
version=$(cat "$top/VERSION")
name=hv-pviommu-$version

## The tarball. All is made from a clone, which has nothing uncommitted.

clone=$scratch/clone
git clone -q "$top" "$clone" && git -C "$clone" checkout -q --detach "$commit" ||
	bail_out "cannot clone"
git -C "$clone" config user.name test
git -C "$clone" config user.email test@test.invalid
# clone TARGET...: make there, with a build directory of its own
in_clone() { env -u MAKEFLAGS HVP_BUILD="$scratch/build" make -s -C "$clone" "$@"; }

runs "make dist" in_clone dist
unlike "$output" warning "it warns of nothing"
dist=$scratch/build/dist
is "$(cd "$dist" && echo *)" "SHA256SUMS $name.spdx $name.tar.gz" \
	"a tarball, an SPDX document, checksums"
runs "the checksums are right" sh -c "cd '$dist' && sha256sum -c SHA256SUMS"

mv "$dist" "$scratch/first"
touch "$clone/VERSION" "$clone/src/main.c"
git -C "$clone" config core.autocrlf true
git -C "$clone" config tar.umask 0077
(umask 077 && in_clone dist 2>/dev/null)
git -C "$clone" config --unset core.autocrlf
diff -r "$scratch/first" "$dist" >&2
result $? "made again, with other times, umask and git configuration: the same bits"

is "$(tar -tzf "$dist/$name.tar.gz" | grep -v '/$' | sort)" \
	"$(git -C "$top" ls-tree -r --name-only HEAD | sed "s|^|$name/|" | sort)" \
	"all that is in git is in the tarball, and nothing else"
is "$(tar -tvzf "$dist/$name.tar.gz" | awk '{ print $1, $2 }' | sort -u)" \
	"$(printf '%s\n' '-rw-r--r-- root/root' '-rwxr-xr-x root/root' \
		'drwxr-xr-x root/root')" "modes and owners"

# The SPDX document against the unpacked tarball.
mkdir "$scratch/unpacked"
tar -xzf "$dist/$name.tar.gz" -C "$scratch/unpacked"
tree=$scratch/unpacked/$name
spdx=$dist/$name.spdx
is "$(sed -n 's/^FileName: //p' "$spdx" | sort)" \
	"$(cd "$tree" && find . -type f | sort)" "SPDX: names every file"
is "$(awk '/^FileName: / { f = $2 } /SHA256: / && f { print $3 "  " f }' \
	"$spdx" | (cd "$tree" && sha256sum -c --quiet 2>&1))" "" \
	"SPDX: their checksums are right"
is "$(sed -n 's/^PackageChecksum: SHA256: //p' "$spdx")" \
	"$(sha256sum "$dist/$name.tar.gz" | cut -d ' ' -f 1)" \
	"SPDX: and so is that of the tarball"
is "$(sed -n 's/^PackageVerificationCode: //p' "$spdx")" \
	"$(sed -n 's/^FileChecksum: SHA1: //p' "$spdx" | LC_ALL=C sort |
		tr -d '\n' | sha1sum | cut -d ' ' -f 1)" "SPDX: verification code"
is "$(sed -n 's/^SPDXID: //p' "$spdx" | sort | uniq -d)" "" \
	"SPDX: identifiers are unique"
is "$(awk '/^FileName: / { f = $2 }
	/^LicenseInfoInFile: NONE/ && f ~ /\.[ch]$|Makefile|Kbuild|\.sh$/ { print f }' \
	"$spdx")" "" "SPDX: every source file names its license"

## What can be built from it. It is below a git checkout here, but not of it.

runs "the tarball: make builds the module" \
	make -s -C "$tree" KDIR="$headers" KVER="${headers##*/linux-headers-}"
is "$(modinfo -F version "$tree/src/hv_pviommu.ko") \
$(modinfo -F commit "$tree/src/hv_pviommu.ko")" "$version $commit" \
	"the module knows its version and its commit, without git"
runs "make tools" env -u HVP_BUILD make -s -C "$tree" tools
is "$("$tree/build/tools/hv-pviommu" --version)" "hv-pviommu $version" \
	"the tool knows its version"
runs "unit tests" make -s -C "$tree/tests/unit" O="$scratch/unit" \
	TESTS="test_flush test_status" check
HVP_BUILD=$tree/build runs "make clean" make -s -C "$tree" clean
is "$(cd "$tree" && find . -type f | sort)" \
	"$(sed -n 's/^FileName: //p' "$spdx" | sort)" "nothing is left by that"

# commit_of TREE: what the module would say, of which only a part is compiled.
commit_of() {
	make -s -C "$headers" M="$1/src" main.o >"$scratch/log" 2>&1 ||
		tail -n 5 "$scratch/log"
	tr '\0' '\n' <"$1/src/main.o" | sed -n 's/^commit=//p'
}

is "$(commit_of "$clone")" "$commit" "a checkout: the module asks git"
echo >>"$clone/src/main.c"
is "$(commit_of "$clone")" "$commit-dirty" "with changes: it says so"
git -C "$clone" checkout -q src/main.c
cp -r "$clone/src" "$clone/include" "$scratch/unpacked/"
is "$(commit_of "$scratch/unpacked")" "unknown" \
	"a copy below another checkout: nobody knows"

## What is no release

output=$(make -s -C "$tree" dist 2>&1) && code=0 || code=$?
is "$((code != 0))" 1 "make dist in an unpacked tarball fails"
like "$output" 'no git checkout here' "and says why"

echo >>"$clone/README.md"
runs "uncommitted changes: make dist works" in_clone dist
like "$output" 'warning: .*uncommitted' "and warns that they are not in it"
cmp -s "$dist/$name.tar.gz" "$scratch/first/$name.tar.gz"
result $? "they are not"
git -C "$clone" checkout -q README.md

echo 9.9.9 >"$clone/VERSION"
output=$(in_clone dist 2>&1) && code=0 || code=$?
is "$((code != 0))" 1 "VERSION is not what is committed: make dist fails"
like "$output" "VERSION is 9\.9\.9 here, but $version in the last commit" \
	"and says why"
git -C "$clone" checkout -q VERSION

## VERSION

check() { (cd "$clone" && bash tests/static/run version 2>&1); }
like "$(check)" '^ok 1 ' "VERSION is the same everywhere"
files="src/version.h src/tools/hv-pviommu.8 RELEASENOTES.md dkms.conf
	debian/changelog rpm/hv-pviommu.spec"
for f in VERSION $files; do
	sed -i "s/${version//./\\.}/9.9.9/" "$clone/$f"
	if [ "$f" = VERSION ]; then
		is "$(check | grep -c "but VERSION is 9.9.9")" 7 \
			"another VERSION: all others are named"
	else
		like "$(check)" "^# $f: '9.9.9', but VERSION is $version" \
			"another version in $f is noticed"
	fi
	git -C "$clone" checkout -q "$f"
	[ "$f" = VERSION ] || { rm "$clone/$f"; }
done
for f in $files; do
	like "$(check)" "^# $f: missing" "it is noticed if $f is missing"
	git -C "$clone" checkout -q "$f"
done
git -C "$clone" tag v9.9.9
like "$(check)" "^# the tag is v9\.9\.9, but VERSION is $version" \
	"a wrong tag is noticed"
git -C "$clone" tag -d v9.9.9 >/dev/null
git -C "$clone" tag "v$version"
like "$(check)" '^ok 1 ' "the right one is fine"

done_testing
