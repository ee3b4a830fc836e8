#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs what building and testing need, from Debian's packages, and those
# named as arguments. Does nothing when all is there. `deps.sh --list` prints
# the packages.

. "$(dirname "$0")/common.sh"

packages="gcc libc6-dev make cpio kmod perl sparse mandoc
	busybox-static fio libcmocka-dev debootstrap xz-utils
	debian-archive-keyring util-linux patch"
accel=$(accel) || exit 1
[ "$accel" = kvm ] || packages="$packages qemu-system-x86"

if [ "${1:-}" = --list ]; then
	# shellcheck disable=SC2086
	printf '%s\n' $packages
	exit
fi
packages="$packages $*"

command -v dpkg-query >/dev/null ||
	fail "this is no Debian machine: install by hand what '$0 --list' prints"
missing=
for p in $packages; do
	dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null |
		grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
say "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$build/deps.log
install_missing() {
	as_root apt-get -qq update >"$log" 2>&1 ||
		fail "apt-get update failed, see $log"
	# shellcheck disable=SC2086
	as_root apt-get -qq -y --no-install-recommends install $missing \
		>>"$log" 2>&1 || fail "cannot install$missing, see $log"
}
# Tests that run at the same time may want packages at the same time.
with_cache_lock deps install_missing
