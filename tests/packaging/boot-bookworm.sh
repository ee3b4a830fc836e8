#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034
# Debian 12: packages installed by apt, the machine booted from an NVMe disk
# with its own kernel and initramfs, rebooted, upgraded to the 6.12 kernel,
# rebooted into that, and rid of the packages again. All of it inside the guest.

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/roots.sh"
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/packages.sh"
. "$top/tests/lib/disk.sh"
. "$top/tests/lib/bootproof.sh"

upgrade="linux-image-6.12-cloud-amd64 linux-headers-6.12-cloud-amd64"

proof_start boot-bookworm bookworm
proof_install
# shellcheck disable=SC2086
runs "apt fetches the next kernel" root_apt "$root" --download-only install \
	$upgrade
proof_disk "translated reboot" "translated upgrade reboot" \
	"translated purge reboot" "absent"
proof_boot 1 reboot '^6\.1\.' "first boot"
disk_timeout=6000
proof_boot 2 reboot '^6\.1\.' "reboot, and upgrade to 6.12"
proof_boot 3 reboot '^6\.12\.' "boot of 6.12, and removal"
disk_timeout=600
proof_boot 4 poweroff '^6\.12\.' "boot without the packages"
done_testing
