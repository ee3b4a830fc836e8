# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Which Debian kernels the tests run, found by meta package name. Source it
# after common.sh and roots.sh.
#
# An image is only unpacked, into the cache. Its headers are installed into a
# root of the release that it comes from (a builder), where its compiler is,
# too: Debian's header packages use absolute paths.

# NAME SERIES RELEASE META-PACKAGE. The name is tried row by row: a kernel
# moves from one archive to the next.
kernel_table() {
	cat <<'END'
6.1		6.1	bookworm		cloud-amd64
6.1-generic	6.1	bookworm		amd64
6.1-rt		6.1	bookworm		rt-amd64
6.12		6.12	bookworm		6.12-cloud-amd64
6.12-generic	6.12	bookworm		6.12-amd64
6.12-rt		6.12	bookworm		6.12-rt-amd64
6.12-trixie	6.12	trixie			cloud-amd64
7.2		7.2	trixie/trixie-backports	cloud-amd64
7.2		7.2	sid			cloud-amd64
7.2-generic	7.2	trixie/trixie-backports	amd64
7.2-generic	7.2	sid			amd64
7.2-sid		7.2	sid			cloud-amd64
7.3		7.3	trixie/trixie-backports	cloud-amd64
7.3		7.3	sid			cloud-amd64
7.3		7.3	sid/experimental	cloud-amd64
7.3-generic	7.3	trixie/trixie-backports	amd64
7.3-generic	7.3	sid			amd64
7.3-generic	7.3	sid/experimental	amd64
END
}

kernel_names=$(kernel_table | awk '!seen[$1]++ { printf "%s%s", s, $1; s = " " }')

# Fails with a list of what there is if $1 is no name of a kernel.
kernel_check() {
	case " $kernel_names " in
	*" $1 "*) ;;
	*) fail "unknown kernel '$1' (known: $kernel_names)" ;;
	esac
}

# Series of a kernel, e.g. 6.12.
kernel_series() { kernel_table | awk -v k="$1" '$1 == k { print $2; exit }'; }

# Release string of an unpacked kernel, e.g. 6.1.0-56-cloud-amd64.
kernel_release() {
	local d=$cache/kernels/$1/lib/modules
	[ -d "$d" ] && ls "$d"
}

kernel_image() { echo "$cache/kernels/$1/boot/vmlinuz-$(kernel_release "$1")"; }
kernel_modules() { echo "$cache/kernels/$1/lib/modules/$(kernel_release "$1")"; }
kernel_config() { echo "$cache/kernels/$1/boot/config-$(kernel_release "$1")"; }
# As the builder sees them; kernel_builder says where that is.
kernel_headers() { echo "/usr/src/linux-headers-$(kernel_release "$1")"; }
kernel_builder() { cat "$cache/kernels/$1/builder"; }

# Has kernel $1 the option $2 as y or m ($3)?
kernel_has() { grep -q "^CONFIG_$2=$3\$" "$(kernel_config "$1")"; }

# The root of release $1 with its compiler.
builder_make() {
	local dir=$cache/builders/$1
	[ -d "$dir" ] && return 0
	root_copy "$1" "$dir.new" &&
		root_apt "$dir.new" update &&
		root_apt "$dir.new" install gcc make kmod perl sparse bc &&
		as_root mv "$dir.new" "$dir"
}

# kernel_find BUILDER META [OPTION...]: the packages with the image that META
# stands for, as NAME=VERSION; nothing if there is no such package.
kernel_find() {
	local builder=$1 meta=$2
	shift 2
	root_run "$builder" apt-get -s -o Dir::State::status=/dev/null \
		--no-install-recommends "$@" install "linux-image-$meta" \
		2>/dev/null | sed -nE \
		's/^Inst (linux-(base|binary|image|modules)-[0-9][^ ]*) \(([^ ]+) .*/\1=\3/p' |
		grep -v "^linux-image-$meta="
}

kernel_unpack() {
	local name=$1 builder=$2 target=$3 dir=$cache/kernels/$1.new rel p d
	shift 3
	say "fetching ${1%%=*}"
	as_root rm -rf "$dir" "$builder/var/tmp/kernel"
	as_root mkdir -p "$builder/var/tmp/kernel"
	# shellcheck disable=SC2016
	root_run "$builder" sh -c 'cd /var/tmp/kernel && apt-get -qq download "$@"' \
		sh "$@" >"$build/apt.log" 2>&1 ||
		fail "cannot download $* (network? disk full?), see $build/apt.log"
	# Where /lib is in /usr, so are a package's files.
	mkdir -p "$dir/usr/lib/modules" "$dir/boot"
	for p in "$builder"/var/tmp/kernel/*.deb; do
		mkdir "$dir/one" && dpkg -x "$p" "$dir/one" || fail "cannot unpack $p"
		for d in lib/modules usr/lib/modules boot; do
			[ ! -d "$dir/one/$d" ] || cp -a "$dir/one/$d/." \
				"$dir/$(echo "$d" | sed 's|^lib|usr/lib|')/" ||
				fail "cannot unpack $p (disk full?)"
		done
		rm -rf "$dir/one"
	done
	as_root rm -rf "$builder/var/tmp/kernel"
	ln -s usr/lib "$dir/lib"
	rel=$(ls "$dir/lib/modules") || fail "no modules in $*"
	# Newer ones leave it to a script to fill /boot.
	for p in vmlinuz config; do
		[ -e "$dir/boot/$p-$rel" ] ||
			cp "$dir/lib/modules/$rel/$p" "$dir/boot/$p-$rel" ||
			fail "no $p in $*"
	done
	# shellcheck disable=SC2086
	root_apt "$builder" $target install "linux-headers-$rel" ||
		fail "cannot install the headers of $rel"
	/sbin/depmod -b "$dir" "$rel" || fail "depmod failed for $rel"
	echo "$builder" >"$dir/builder"
	mv "$dir" "$cache/kernels/$name"
}

kernel_fetch_locked() {
	local name=$1 dir=$cache/kernels/$1 n series release meta suite builder
	local packages target tried=
	if [ -e "$dir/builder" ] &&
		[ -e "$(kernel_builder "$name")$(kernel_headers "$name")/Makefile" ]
	then
		return 0
	fi
	rm -rf "$dir"
	while read -r n series release meta <&4; do
		[ "$n" = "$name" ] || continue
		suite=${release%/*}
		# An archive that apt takes nothing from unless it is told to.
		target=
		[ "$suite" = "$release" ] || target="-t ${release#*/}"
		builder=$cache/builders/$suite
		with_cache_lock "builder-$suite" builder_make "$suite" </dev/null ||
			fail "cannot make a root of Debian $suite to build in"
		root_apt "$builder" update || fail "apt-get update failed in $builder"
		# shellcheck disable=SC2086
		mapfile -t packages < <(kernel_find "$builder" "$meta" $target)
		tried="$tried $release: ${packages[0]:-none};"
		case ${packages[0]-} in
		linux-*-"$series"[.-]*)
			kernel_unpack "$name" "$builder" "$target" \
				"${packages[@]}"
			return
			;;
		esac
	done 4< <(kernel_table)
	fail "no kernel $name in Debian's archives now (found:$tried)"
}

# Unpacks the image and installs the headers of kernel $1 unless they are
# there.
kernel_fetch() {
	kernel_check "$1"
	with_cache_lock kernels kernel_fetch_locked "$1" >&2
}

# kernel_make NAME ARGUMENTS...: make, with the compiler of the kernel's
# release, in its headers. Only below the build directory.
kernel_make() {
	local name=$1
	shift
	root_user="$(id -u):$(id -g)" root_run "$(kernel_builder "$name")" \
		make -C "$(kernel_headers "$name")" "$@"
}
