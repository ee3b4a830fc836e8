#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034
# Debian 13: packages installed by apt, the machine booted from an NVMe disk
# with its own kernel and initramfs; under enforced module signatures without
# the key that DKMS signs with, and under Secure Boot with it; upgraded to the
# kernel of backports, which has pci-hyperv and nvme built in, so that it is for the
# initramfs to have the root disk translated; and rid of the packages again (both
# in a chroot).

. "$(dirname "$0")/../lib/common.sh"
. "$top/tests/lib/roots.sh"
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/packages.sh"
. "$top/tests/lib/disk.sh"
. "$top/tests/lib/bootproof.sh"

proof_start boot-trixie trixie
proof_install
as_root cp "$root/var/lib/dkms/mok.pub" "$disk/mok.der"
result $? "DKMS has made a key to sign with"
proof_disk "translated reboot" "refused reboot" "translated"
proof_boot 1 reboot '^6\.12\.' "first boot"
proof_boot 2 reboot '^6\.12\.' "signatures enforced, key unknown" \
	module.sig_enforce=1
disk_hvsim="--secure-boot --mok $disk/mok.der"
proof_boot 3 poweroff '^6\.12\.' "Secure Boot, key enrolled" \
	module.sig_enforce=1
disk_hvsim=
like "$(tr -d '\r' <"$disk/3/console")" \
	'Kernel is locked down from EFI Secure Boot' "it was Secure Boot"
# What hvsim counted, as the guest could not ask it.
like "$(cat "$disk/3/log")" '^stage-1 translated DMA accesses +[1-9]' \
	"the disk's DMA was translated"
like "$(cat "$disk/3/log")" '^untranslated DMA accesses +0$' "all of it"

# In boot-bookworm.sh, upgrade and removal are inside the guest; a second time
# would take as long again.
runs "apt installs the kernel of backports" root_apt "$root" -t \
	trixie-backports install linux-image-cloud-amd64 \
	linux-headers-cloud-amd64
root_apt "$root" clean
proof_disk "" "" "" "rebound"
proof_boot 4 poweroff '^7\.' "7.x, pci-hyperv built in"

proof_purge
proof_disk "" "" "" "" "absent"
proof_boot 5 poweroff '^7\.' "boot without the packages"
done_testing
