# SPDX-License-Identifier: GPL-2.0
#: core
#: summary page tables that an unmap frees are not walked any more
#: hvsim --device dmaprobe --iommu pgsizes=4k,listwalk=0
#: append iommu.strict=1

# The worst host: its walk caches keep what a flush of pages alone need not
# drop. 2 MiB in 4 KiB pages are a table of their own, which goes with them.
. /reuse.sh
load_all
load_dmaprobe
a=$(probe_dev)
reuse "$a" 512 10
[ "$(calls flush)" -ge 20 ]
is $? 0 "a whole-domain flush for each table ($(calls flush))"
