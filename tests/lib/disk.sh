# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Root filesystems as disks of guests: a root made by roots.sh becomes a disk
# image, which boots on hvsim with the kernel and the initramfs that it has
# itself, as often as it takes. Source it after common.sh, roots.sh and tap.sh.
#
#   disk_stage ROOT FILE	what the guest does once it is up: a script for
#			tests/guest/t.sh, run anew in every boot, with $STAGE;
#			then the guest powers off, or restarts if it sets
#			$next to "reboot"
#   disk_image ROOT DISK MIB	makes the image in the directory DISK
#   disk_boot DISK STAGE [WORDS]	one boot, WORDS on its command line, with
#			the hvsim options in $disk_hvsim
#   disk_report DISK STAGE LABEL CODE	what it said, as TAP; CODE is what hvsim
#			has to end with: 0 after power-off, 4 after a reboot
#
# A boot leaves log, console and results in DISK/STAGE/.

disk_uuid=0b51a5c0-7c11-4a8e-9a4e-68767369d001

# Enough for initramfs, package installation and a compiler.
disk_mem=1024

# What the guest needs to report to us; nothing else in the root is ours.
disk_stage() {
	local root=$1 lib=$1/usr/local/lib/hvp-test u
	make -s -C "$top/tests/guest" O="$build/guest" programs \
		>"$build/guest.log" 2>&1 ||
		{ cat "$build/guest.log" >&2; return 1; }
	as_root mkdir -p "$lib" &&
		as_root cp "$build/guest/hvctl" "$top/tests/guest/t.sh" \
			"$lib/" &&
		as_root cp "$2" "$lib/stage" || return 1
	# What a locked-down kernel does not let out through I/O ports goes onto
	# the disk.
	as_root tee "$root/usr/local/bin/hvctl" >/dev/null <<'END'
#!/bin/sh
if ! grep -qsE '\[(integrity|confidentiality)\]' /sys/kernel/security/lockdown
then
	exec /usr/local/lib/hvp-test/hvctl "$@"
fi
if [ "$1" != tap ]; then
	echo "hvctl: this kernel is locked down" >&2
	exit 1
fi
shift
echo "$*" >>/var/lib/hvp-results
END
	as_root chmod 755 "$root/usr/local/bin/hvctl"
	# A stage that dies must not leave the machine running.
	as_root tee "$lib/run" >/dev/null <<'END'
#!/bin/sh
# The stage, a line that says that it is over, and the end of the machine.
lib=/usr/local/lib/hvp-test
rm -f /var/lib/hvp-results
echo poweroff >/run/hvp-next
sh -c "set -u; . $lib/t.sh; . $lib/stage"
code=$?
. $lib/t.sh
hvctl tap "# finished: stage $STAGE, exit code $code"
systemctl --no-block "$(cat /run/hvp-next)"
END
	as_root chmod 755 "$lib/run"
	as_root tee "$root/etc/systemd/system/hvp-test.service" >/dev/null <<'END'
[Unit]
Description=Stage of a test
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/usr/local/lib/hvp-test/run
TimeoutStartSec=infinity
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
END
	root_run "$root" systemctl -q enable hvp-test.service || return 1
	# Nobody logs in, and there is no network.
	for u in getty@tty1.service serial-getty@ttyS0.service \
		apt-daily.timer apt-daily-upgrade.timer \
		e2scrub_all.timer e2scrub_reap.service; do
		as_root ln -sf /dev/null "$root/etc/systemd/system/$u"
	done
	echo "UUID=$disk_uuid / ext4 errors=remount-ro 0 1" |
		as_root tee "$root/etc/fstab" >/dev/null
	echo hvp-test | as_root tee "$root/etc/hostname" >/dev/null
	# Processors of guests are slow here.
	echo COMPRESSLEVEL=1 | as_root tee \
		"$root/etc/initramfs-tools/conf.d/hvp-test" >/dev/null
}

disk_image() {
	local root=$1 disk=$2 mib=$3 d=$build
	# Where root_run mounts the build directory, up to what base-files has:
	# without /tmp, units fail.
	while ! grep -qx "$d" "$root/var/lib/dpkg/info/base-files.list" &&
		as_root rmdir "$root$d" 2>/dev/null; do
		d=${d%/*}
	done
	mkdir -p "$disk"
	rm -f "$disk/image"
	as_root mke2fs -q -t ext4 -U "$disk_uuid" -L root -E \
		root_owner=0:0,lazy_itable_init=0 -d "$root" \
		"$disk/image" "${mib}M" >"$disk/mke2fs.log" 2>&1 || {
		cat "$disk/mke2fs.log" >&2
		return 1
	}
	as_root chmod 666 "$disk/image"
}

# What the link $2 in the root directory of image $1 points to.
disk_link() {
	/sbin/debugfs -R "stat /$2" "$1" 2>/dev/null |
		sed -n 's/^Fast link dest: "\(.*\)"$/\1/p'
}

# disk_file IMAGE PATH FILE: a copy out of the image
disk_file() {
	/sbin/debugfs -R "dump $2 $3" "$1" 2>/dev/null && [ -s "$3" ]
}

# The kernel that the next boot starts.
disk_kernel() {
	local k
	k=$(disk_link "$1/image" vmlinuz)
	echo "${k#boot/vmlinuz-}"
}

disk_boot() {
	local disk=$1 dir=$1/$2 stage=$2 words=${3-} link f
	rm -rf "$dir"
	mkdir -p "$dir" || return 1
	for f in vmlinuz initrd.img; do
		link=$(disk_link "$disk/image" "$f")
		disk_file "$disk/image" "/${link:-no-link}" "$dir/$f" || {
			say "$disk/image: /$f -> '${link}' cannot be read"
			return 1
		}
	done
	# shellcheck disable=SC2086
	"$top/tests/hvsim/launch" --kernel "$dir/vmlinuz" \
		--initrd "$dir/initrd.img" --console "$dir/console" \
		--results "$dir/results" --timeout "${disk_timeout:-600}" \
		--mem "$disk_mem" --counts --strict-exit \
		--device "nvme,file=$disk/image" ${disk_hvsim-} --append \
		"root=UUID=$disk_uuid ro console=ttyS0 loglevel=7 panic=-1 systemd.clock_usec=$(date +%s)000000 systemd.show_status=false stage=$stage $words" \
		2>"$dir/log"
	status=$?
	rm -f "$dir/vmlinuz" "$dir/initrd.img"
	disk_file "$disk/image" /var/lib/hvp-results "$dir/results.disk" &&
		cat "$dir/results.disk" >>"$dir/results"
	return 0
}

# Lines that must not be in a guest's log.
disk_bad_log='WARNING:|BUG:|Oops|Call Trace|unchecked MSR|general protection'

disk_report() {
	local dir=$1/$2 label=$3 line bad before=$tap_failed
	while IFS= read -r line; do
		case $line in
		'ok - '*) result 0 "$label: ${line#ok - }" ;;
		'not ok - '*) result 1 "$label: ${line#not ok - }" ;;
		'Bail out! '*) result 1 "$label: ${line#Bail out! }" ;;
		*) echo "$line" ;;
		esac
	done <"$dir/results"
	grep -q "^# finished: stage $2, exit code 0\$" "$dir/results"
	result $? "$label: the stage ran to its end"
	is "$status" "$4" "$label: no violation; reset or power-off as wanted"
	/sbin/e2fsck -fn "$1/image" >"$dir/e2fsck" 2>&1
	result $? "$label: the file system is clean" ||
		diag "$(tail -n 5 "$dir/e2fsck")"
	bad=$(grep -aE "$disk_bad_log" "$dir/console" | head -n 3)
	is "$bad" "" "$label: the guest's log is clean"
	[ "$tap_failed" = "$before" ] || {
		diag "--- end of hvsim's log"
		diag "$(tail -n 15 "$dir/log")"
		diag "--- end of the guest's console"
		diag "$(tail -n 30 "$dir/console" | tr -d '\r')"
	}
}
