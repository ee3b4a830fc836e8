#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dracut sources this before udev starts. The script that it runs is that of
# initramfs-tools, in a shell of its own, as it ends with exit.
sh /usr/lib/hv-pviommu-initramfs
