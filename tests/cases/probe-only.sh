# SPDX-License-Identifier: GPL-2.0
#: summary probe_only=1 says what the host has, touches no device, and leaves nothing
#: hvsim --device nvme,size=32M --device dmaprobe

said() { is "$(own_log | grep -cE "$2")" "$1" "$3"; }

# probe WHAT: runs it, and looks at what it must never do
probe() {
	dmesg -c >/dev/null
	hvctl iommu reset-counts
	modprobe hv_pviommu probe_only=1 2>/tmp/err
	is $? 1 "$1: the module does not stay"
	check "$1: it says ENODEV" grep -q 'No such device' /tmp/err
	check_not "$1: it is not loaded" loaded hv_pviommu
	is "$(own_log | tail -n 1 | sed 's/.*hv_pviommu: //')" \
		"probe: done, nothing was attached; the module does not stay" \
		"$1: it comes to its end"
	is "$(hvctl iommu domain-count)" 0 "$1: no domain left in the host"
	is "$(calls attach) $(calls detach)" "0 0" "$1: no device is moved"
	is "$(kind_of nvme0) $(kind_of dmaprobe0)" "unattached unattached" \
		"$1: devices are as they were"
	is "$(ls /sys/kernel/iommu_groups | wc -l)" 0 "$1: no IOMMU group"
}

load_pci
wait_nvme
dev=$(nvme_dev)
wait_for 10 probe_dev || give_up "the dmaprobe appears"
a=$(probe_dev)
while :; do
	dd if=/dev/nvme0n1 of=/dev/null bs=64k iflag=direct 2>/dev/null ||
		exit 1
	[ ! -e /tmp/stop ] || exit 0
done &
reader=$!
before=$(nvme_ios)

# ---- a host that has all ----

probe "all well"
said 1 "probe: the host says: capabilities 0x[0-9a-f]+, 48-bit IOVA, page sizes 0x40201000, [0-9]+-bit PASID, size 24" \
	"what the host says"
said 1 "Hyper-V pvIOMMU: 47-bit IOVA, 4-level, page sizes 4K 2M 1G" \
	"and what of it would be used"
said 1 "probe: $dev \[1234:d3e0\]: device 0x[0-9a-f]+, property 0x1: behind the pvIOMMU" \
	"the NVMe, in use"
said 1 "probe: $a \[1234:d3a0\]: device 0x[0-9a-f]+, property 0x1: behind the pvIOMMU" \
	"the dmaprobe"
said 1 "probe: 2 functions on vPCI buses" "and no other device"
said 1 "probe: identity domain [0-9]+ and blocked domain [0-9]+ are there" \
	"both fixed domains"
said 1 "probe: paging domain [0-9]+ is there" "a paging domain"
said 3 "probe: flush of .*: done" "every kind of flush"
said 1 "probe: CREATE_DOMAIN: 3 calls, 0 failed" "3 domains made"
said 1 "probe: DELETE_DOMAIN: 3 calls, 0 failed" "3 domains deleted"
said 1 "probe: DETACH_DOMAIN: not asked" "no device detached, it says"
is "$(calls create) $(calls configure) $(calls delete)" "3 3 3" \
	"that is what the host saw"
is "$(calls flush) $(calls flush-list)" "1 2" "of flushes, too"
is "$(loud_log)" "" "nothing above info in the log"

# ---- calls that fail: said, and the rest is tried nevertheless ----

hvctl iommu fail configure OPERATION_FAILED 1 1
probe "no identity domain"
said 1 "CONFIGURE_DOMAIN .* failed with status .*OPERATION_FAILED" \
	"no identity domain: the call is named"
said 1 "probe: identity and blocked domain: not to be had \(-5\)" \
	"no identity domain: what that means"
said 1 "probe: paging domain [0-9]+ is there" \
	"no identity domain: a paging domain all the same"
said 3 "probe: flush of .*: done" "no identity domain: and flushes"

hvctl iommu fail create OPERATION_FAILED always
probe "no domain"
said 1 "probe: no paging domain: no flush is tried" \
	"no domain: there is nothing to flush"
is "$(calls flush) $(calls flush-list)" "0 0" "no domain: it is not"
hvctl iommu fail clear

hvctl iommu fail property OPERATION_FAILED always
hvctl iommu fail flush OPERATION_FAILED always
hvctl iommu fail flush-list INVALID_PARAMETER several always
probe "no property, no flush"
said 2 "probe: .* the host does not say whether it is behind the pvIOMMU" \
	"no property: of both devices"
said 1 "probe: flush of a whole domain: failed \(-5\)" "no flush"
said 1 "probe: flush of a list of one entry: done" "one entry is no problem"
said 1 "probe: flush of a list of several entries: failed \(-22\)" \
	"several are"
said 1 "probe: FLUSH_DOMAIN_LIST: 2 calls, 1 failed" "the count knows, too"
hvctl iommu fail clear

hvctl iommu config off
probe "no pvIOMMU"
said 1 "this Hyper-V host has no pvIOMMU" "no pvIOMMU: it says so"
is "$(all_calls)" "$(calls caps)" "no pvIOMMU: nothing else is asked"
hvctl iommu config on

# ---- as ever afterwards ----

check "the NVMe has its driver" driver_of "$dev"
n=$(nvme_ios)
[ "$n" -gt "$before" ]
is $? 0 "I/O went on all the while ($((n - before)))"
dmesg -c >/dev/null
check "the module loads" modprobe hv_pviommu
is "$(kind_of dmaprobe0)" paging "the idle device is translated"
is "$(kind_of nvme0)" unattached "the one in use is left alone"
is "$(untranslated_list)" "$dev in-use" "and is named"
log_lacks "no probe any more" "hv_pviommu: probe:"
is "$(loud_log)" "" "nothing of the probes is in the way"
touch /tmp/stop
wait $reader
is $? 0 "NVMe was read all the while"
no_faults "all the while"
