# SPDX-License-Identifier: GPL-2.0
#: summary surprise removal of the NVMe device under load, then hot-add
#: hvsim --device nvme,size=64M --device dmaprobe
#: uses fio
#: append iommu.strict=1 nvme_core.io_timeout=5
#: timeout 300

. /removal.sh
removal rescind
