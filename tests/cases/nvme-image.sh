# SPDX-License-Identifier: GPL-2.0
#: summary NVMe on an image file: what is in it is read, what is written stays
#: image 16M
#: hvsim --device nvme,file=@IMAGE@,queues=2
#: image-has written by the guest

load_all
wait_nvme
is "$(cat /sys/block/nvme0n1/size)" 32768 "16 MiB of 512-byte blocks"
is "$(head -c 23 /dev/nvme0n1)" "image made by tests/run" "the image is read"
echo "written by the guest" >/tmp/block
check "a block is written" dd if=/tmp/block of=/dev/nvme0n1 bs=512 seek=4096 \
	conv=fsync,sync
check_not "beyond the end there is nothing" dd if=/tmp/block of=/dev/nvme0n1 \
	bs=512 seek=32768 conv=fsync,sync
is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" paging "behind the IOMMU"
no_faults "all the while"
