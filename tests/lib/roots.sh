# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Root filesystems of Debian releases, made by debootstrap: for compilers that
# this machine does not have, and to install packages into. Source it after
# common.sh.
#
# root_base keeps one small, untouched root per release in the cache; root_copy
# makes a copy that its caller may change and delete.

# The mirror of archive $1 ("Debian", "Debian-Security") that this machine uses.
mirror() {
	apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -v l="$1" '$1 == "Debian" && $2 == l {
			sub("/$", "", $3); print $3; exit }'
}

# Lines of sources.list for release $1.
root_sources() {
	local main security
	main=$(mirror Debian)
	security=$(mirror Debian-Security)
	[ -n "$main" ] || fail "apt knows no Debian archive on this machine"
	echo "deb $main $1 main"
	case $1 in
	sid) echo "deb $main experimental main" ;;
	*)
		[ -z "$security" ] || echo "deb $security $1-security main"
		[ "$1" != trixie ] || echo "deb $main $1-backports main"
		;;
	esac
}

# root_run ROOT COMMAND...: in ROOT, with /proc, /sys, /dev and the build
# directory at its own place, all of which is gone when the command ends. / is a
# mount point there, as it is on any machine. As root, or who $root_user says.
root_run() {
	local root=$1
	shift
	as_root mkdir -p "$root$build" || return 1
	# shellcheck disable=SC2016
	as_root unshare -m bash -c '
		root=$1 build=$2 user=$3
		shift 3
		mount --bind "$root" "$root" &&
		mount -t proc proc "$root/proc" &&
		mount -t sysfs -o ro sysfs "$root/sys" &&
		mount --rbind /dev "$root/dev" &&
		mount --bind "$build" "$root$build" || exit 126
		exec chroot --userspec="$user" "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
			DEBIAN_FRONTEND=noninteractive "$@"' \
		root_run "$root" "$build" "${root_user:-0:0}" "$@"
}

# root_apt ROOT ARGUMENTS...: apt-get, quiet unless it fails.
root_apt() {
	local root=$1 log
	shift
	log=$(mktemp) || return 1
	if ! root_run "$root" apt-get -qq -y --no-install-recommends "$@" \
		>"$log" 2>&1; then
		tail -n 30 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

root_base_make() {
	local suite=$1 dir=$cache/roots/$1
	[ -d "$dir" ] && return 0
	command -v debootstrap >/dev/null ||
		"$top/tests/lib/deps.sh" debootstrap || return 1
	say "making a root of Debian $suite"
	as_root rm -rf "$dir.new"
	mkdir -p "$cache/roots"
	as_root debootstrap --variant=minbase "$suite" "$dir.new" \
		"$(mirror Debian)" >"$build/debootstrap-$suite.log" 2>&1 || {
		tail -n 5 "$build/debootstrap-$suite.log" >&2
		fail "debootstrap $suite failed (network? disk full?)"
	}
	root_sources "$suite" |
		as_root tee "$dir.new/etc/apt/sources.list" >/dev/null
	# No services, no translations. A mirror may lag behind its own dates;
	# what it signs is checked all the same.
	printf '#!/bin/sh\nexit 101\n' |
		as_root tee "$dir.new/usr/sbin/policy-rc.d" >/dev/null
	as_root chmod 755 "$dir.new/usr/sbin/policy-rc.d"
	printf '%s;\n' 'Acquire::Languages "none"' 'APT::Sandbox::User "root"' \
		'Acquire::Check-Valid-Until "false"' |
		as_root tee "$dir.new/etc/apt/apt.conf.d/90tests" >/dev/null
	root_apt "$dir.new" update && root_apt "$dir.new" dist-upgrade &&
		as_root mv "$dir.new" "$dir"
}

# root_base SUITE: makes it if it is not there, and prints where it is.
root_base() {
	with_cache_lock "root-$1" root_base_make "$1" >&2 &&
		echo "$cache/roots/$1"
}

# root_copy SUITE DIR: a root of one's own.
root_copy() {
	local base
	base=$(root_base "$1") || return 1
	as_root rm -rf "$2"
	mkdir -p "$(dirname "$2")"
	as_root cp -a "$base" "$2"
}
