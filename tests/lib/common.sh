# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Shared by the scripts that run on the host side. Source it; $top is the
# project directory.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${HVP_BUILD:-$top/build}
cache=${HVP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hv-pviommu}

say() { printf '%s\n' "$*" >&2; }

fail() {
	say "${0##*/}: $*"
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		fail "needs root for: $* (become root, or install sudo)"
	fi
}

# Does this machine run stock kernels under /dev/kvm? A /dev/kvm alone does
# not say so: without vmx or svm in cpuinfo the host emulates instructions one
# by one, and a stock kernel does not survive that.
kvm_usable() {
	grep -qwE 'vmx|svm' /proc/cpuinfo && [ -r /dev/kvm ] && [ -w /dev/kvm ]
}

# HVSIM_ACCEL=kvm|tcg decides; else whatever this machine can do.
accel() {
	case ${HVSIM_ACCEL:-} in
	kvm | tcg) echo "$HVSIM_ACCEL" ;;
	'') if kvm_usable; then echo kvm; else echo tcg; fi ;;
	*) fail "HVSIM_ACCEL=$HVSIM_ACCEL: must be kvm or tcg" ;;
	esac
}

# Runs "$@" while nobody else holds the lock NAME.
with_lock() {
	local name=$1
	shift
	mkdir -p "$build"
	(
		flock 9
		"$@"
	) 9>"$build/.lock-$name"
}

# The same for what is shared by all trees: the cache.
with_cache_lock() {
	local name=$1
	shift
	mkdir -p "$cache" "$build"
	(
		flock 9
		"$@"
	) 9>"$cache/.lock-$name"
}
