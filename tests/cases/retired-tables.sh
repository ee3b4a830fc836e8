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

# A table that is retired in the middle of such a flush, when the host may have
# walked it again already, is none that this flush has taken: it stays for the
# next one. The column is the number of tables that the module holds.
tables() {
	awk '$2 == "paging" { print $5 }' /sys/kernel/debug/hv-pviommu/domains
}
big=$(dmaprobe "$a" alloc 512)
flush_all() {
	local n
	n=$(calls flush)
	dmaprobe "$a" map "$big" bidir >/dev/null
	dmaprobe "$a" unmap "$big" >/dev/null
	[ "$(calls flush)" -gt "$n" ]
}
check "a flush of all" flush_all
before=$(tables)
check "2 MiB are unmapped in the middle of a flush" modprobe midflush dev="$a"
log_has "all of them" "midflush: unmapped 0x200000 "
# What leads to their table is new, and stays as well.
held=$(tables)
[ "$held" -gt "$before" ]
is $? 0 "tables held: $before before, $held after it"
check "another flush of all" flush_all
is "$(tables)" $((held - 1)) "the table goes with that, and not before"
