# SPDX-License-Identifier: GPL-2.0
#: summary hosts that refuse for good what a guest can do without
#: hvsim --device dmaprobe --device nvme,size=32M
#: variant unsupported iommu.strict=1 status=INVALID_HYPERCALL_CODE
#: variant denied iommu.strict=1 status=ACCESS_DENIED
#: variant invalid iommu.strict=1 status=INVALID_PARAMETER
#: timeout 600

status=$(sed -n 's/.*\bstatus=\([A-Z_]*\).*/\1/p' /proc/cmdline)

# How often such a call is tried before it is given up.
tries=2
[ "$status" != INVALID_HYPERCALL_CODE ] || tries=1

always() { hvctl iommu fail "$@" always || give_up "hvctl iommu fail $*"; }

refused() {
	hvctl iommu counts |
		awk -v c="$1" '$1 == c && $2 ~ /^[0-9]+$/ { print $3 }'
}
said() { is "$(own_log | grep -cE "$2")" "$1" "$3"; }
at() { printf '0x%x' $((iova + $1 * 4096)); }

find_probe() {
	load_dmaprobe
	a=$(probe_dev) || give_up "the dmaprobe appears"
}

# flush_seven WHAT: three blocks, of 4, 2 and 1 pages, in a block of 8
flush_seven() {
	local i=0 dead=0
	big=$(dmaprobe "$a" alloc 7)
	iova=$(dmaprobe "$a" map "$big" bidir)
	while [ $i -lt 7 ]; do
		dmaprobe "$a" read "$(at $i)" 64 >/dev/null ||
			miss "$1: page $i readable"
		i=$((i + 1))
	done
	l=$(calls flush-list)
	f=$(calls flush)
	dmaprobe "$a" unmap "$big"
	l=$(($(calls flush-list) - l))
	f=$(($(calls flush) - f))
	while [ $i -gt 0 ]; do
		i=$((i - 1))
		dmaprobe "$a" read "$(at $i)" 64 >/dev/null || dead=$((dead + 1))
	done
	is $dead 7 "$1: all pages are dead"
	dmaprobe "$a" free "$big"
}

load_all
find_probe
wait_nvme
is "$(calls property)" 2 "each device was asked for once"
dmesg -c >/dev/null

# ---- lists of several entries ----

always flush-list "$status" several
n=0
while [ $n -lt $tries ]; do
	n=$((n + 1))
	flush_seven "list number $n refused"
	is "$l $f" "2 0" "list number $n refused: one block instead"
done
flush_seven "given up"
is "$l $f" "1 0" "given up: one block at once"
is "$(refused flush-list)" $tries "given up after $tries"
said 1 "FLUSH_DOMAIN_LIST .*: more is flushed instead" "said once"
is "$(loud_log)" "" "nothing above info in the log"
hvctl iommu fail clear

# ---- DETACH and DELETE ----

always detach "$status"
always delete "$status"
rmmod dmaprobe
round=1
dmesg -c >/dev/null
while [ $round -le 2 ]; do
	unload_pci || give_up "the buses go"
	is "$(kind_of dmaprobe0)" blocked "unload $round: left blocked"
	is "$(kind_of nvme0)" blocked "unload $round: both devices"
	check "unload $round: rmmod" rmmod hv_pviommu
	said 1 "DETACH_DOMAIN .*: the device stays where it was" \
		"unload $round: no detach is said once"
	said 1 "DELETE_DOMAIN .*" "unload $round: no delete is said once"
	is "$(loud_log)" "" "unload $round: nothing above info in the log"
	dmesg -c >/dev/null
	load_all
	find_probe
	wait_nvme
	is "$(kind_of dmaprobe0)" paging "load $round: translated again"
	flush_seven "load $round"
	check "load $round: NVMe writes" dd if=/dev/zero of=/dev/nvme0n1 \
		bs=64k count=8 oflag=direct
	rmmod dmaprobe
	round=$((round + 1))
done
is "$(loud_log)" "" "at the end: nothing above info in the log"
# The machine stops with all of it refused.
