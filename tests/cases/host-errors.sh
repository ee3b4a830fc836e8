# SPDX-License-Identifier: GPL-2.0
#: summary hypercalls that fail, stop early or are missing, and odd capabilities
#: hvsim --device dmaprobe
#: append iommu.strict=1
#: timeout 480

# ---- steps ----

# A host without whims, and a log that begins here.
fresh() {
	hvctl iommu fail clear
	hvctl iommu partial 0
	dmesg -c >/dev/null
}

# host_fails CALL STATUS [NTH [COUNT|all]]
host_fails() { hvctl iommu fail "$@" || give_up "hvctl iommu fail $*"; }

# How often the host refused CALL.
refused() { hvctl iommu counts | awk -v c="$1" '$1 == c { print $3 }'; }

# Ids of the domains in the host, and the device's: ID KIND.
ids() { hvctl iommu domains | sort -n | cut -d' ' -f1 | xargs; }
attached() { hvctl iommu device dmaprobe0; }

up() {
	load_all
	modprobe dmaprobe || give_up "modprobe dmaprobe"
	a=$(probe_dev) || give_up "the dmaprobe appears"
	wait_for 10 test -e "/dev/dmaprobe-$a" || give_up "/dev/dmaprobe-$a"
}

down() {
	rmmod dmaprobe
	rmmod pci_hyperv || give_up "rmmod pci_hyperv"
	rmmod hv_pviommu || give_up "rmmod hv_pviommu"
}

# ends_clean WHAT: the host works again, and all that is left in it is found
ends_clean() {
	hvctl iommu fail clear
	down
	is "$(ids)" "" "$1: no domain left in the host"
}

# A device that was in a domain once is blocked when it is taken out. One that
# is new to the host is not.
replug() {
	hvctl vpci rescind dmaprobe0
	wait_for 10 is_absent || give_up "the dmaprobe goes"
	hvctl vpci offer dmaprobe0
}
is_absent() { [ "$(hvctl vpci state dmaprobe0)" = absent ]; }

# does_not_load WHAT REGEX LEFT: refused, and LEFT domains are in the host
does_not_load() {
	check_not "$1: it does not load" modprobe hv_pviommu
	check_not "$1: it is not loaded" loaded hv_pviommu
	log_has "$1: the log says why" "hv_pviommu: .*$2"
	is "$(hvctl iommu domain-count)" "$3" "$1: $3 domains in the host"
}

# One page through one mapping, leaves both. Sets page and iova.
map_page() {
	page=$(dmaprobe "$a" alloc 1)
	dmaprobe "$a" fill "$page" 0x11
	iova=$(dmaprobe "$a" map "$page" bidir)
	check "$1: the device writes" dmaprobe "$a" write "$iova" 64 0x11
}

# dma_works WHAT: the device writes through a mapping, and not after it
dma_works() {
	map_page "$1"
	dmaprobe "$a" unmap "$page"
	is "$(dmaprobe "$a" write "$iova" 64 0x99)" "fault not-present $iova" \
		"$1: and no more after unmap"
	check "$1: memory unchanged" dmaprobe "$a" check "$page" 0x11
	dmaprobe "$a" free "$page"
}

# untranslated WHAT: it is as if there were no pvIOMMU for the device
untranslated() {
	is "$(attached)" "0 unattached" "$1: left untranslated"
	map_page "$1"
	is "$iova" "$(dmaprobe "$a" phys "$page")" "$1: DMA is direct"
	dmaprobe "$a" unmap "$page"
	dmaprobe "$a" free "$page"
}

# A group whose domain is the kernel's again.
is_adopted() { [ "$(attached | cut -d' ' -f2)" = paging ]; }

# said TIMES REGEX WHAT
said() { is "$(dmesg | grep -cE "hv_pviommu: .*$2")" "$1" "$3"; }

# ---- when the module loads ----

insmod "$(modinfo -n hv_vmbus)" || give_up "insmod hv_vmbus"

fresh
host_fails caps ACCESS_DENIED
does_not_load "capabilities" \
	"GET_CAPABILITIES .*0x6 \(ACCESS_DENIED\): the pvIOMMU is not used" 0

for call in create configure; do
	for nth in 1 2; do
		fresh
		host_fails $call INSUFFICIENT_MEMORY $nth
		does_not_load "$call number $nth" \
			"_DOMAIN 0x$nth failed .*0xb \(INSUFFICIENT_MEMORY\)" 0
	done
done

# An id in use is skipped if the host does not give it up.
for status in KEY_ALREADY_EXISTS OBJECT_IN_USE; do
	fresh
	host_fails create $status
	host_fails delete ACCESS_DENIED
	check "id 1 in use ($status): it loads" modprobe hv_pviommu
	said 1 "domain 1 is in the host already" "$status: the log says so"
	is "$(ids)" "2 3" "$status: other ids are used"
	rmmod hv_pviommu
done

# Whoever unloads while the host does not delete finds the rest next time.
fresh
check "a good host: it loads" modprobe hv_pviommu
host_fails delete INSUFFICIENT_MEMORY 1 all
check "the host deletes nothing: rmmod works" rmmod hv_pviommu
said 2 "DELETE_DOMAIN .*0xb .*its id and its page tables are never used again" \
	"the log says what stays"
is "$(ids)" "1 2" "two domains left in the host"
fresh
up
said 2 "domain [12] is in the host already, from an earlier kernel: it goes" \
	"the next load deletes them"
is "$(ids)" "1 2 3" "and uses their ids"
dma_works "after that"
ends_clean "after that"

# ---- when a device comes or goes ----

fresh
replug
host_fails property INVALID_PARAMETER
up
said 1 "GET_DEVICE_PROPERTY .*0x5 .*: the device is left untranslated" \
	"no property: the log says so"
check_not "no property: no group" group_of "$a"
untranslated "no property"
rmmod dmaprobe
check "no property: adopted when its driver lets go" wait_for 10 is_adopted
modprobe dmaprobe
wait_for 10 test -e "/dev/dmaprobe-$a"
dma_works "no property, adopted"
down

fresh
replug
host_fails create INSUFFICIENT_DEVICE_DOMAINS 3
up
said 1 "CREATE_DOMAIN 0x3 .*0x38 .*: no new domain" \
	"no domain for the device: the log says so"
untranslated "no domain for the device"
ends_clean "no domain for the device"

fresh
replug
host_fails configure OPERATION_DENIED 3
up
said 1 "CONFIGURE_DOMAIN 0x3 .*0x8 .*: no new domain" \
	"domain not configured: the log says so"
untranslated "domain not configured"
is "$(ids)" "1 2" "domain not configured: it is gone"
ends_clean "domain not configured"

fresh
replug
host_fails attach INSUFFICIENT_MEMORY
up
said 1 "ATTACH_DOMAIN .*0xb .*: the device stays where it was" \
	"no attach: the log says so"
untranslated "no attach"
rmmod dmaprobe
check "no attach: adopted when its driver lets go" wait_for 10 is_adopted
modprobe dmaprobe
wait_for 10 test -e "/dev/dmaprobe-$a"
dma_works "no attach, adopted"

# A move that fails leaves the device in its domain, one that the host takes
# for done already does not.
rmmod dmaprobe
type=/sys/kernel/iommu_groups/$(group_of "$a")/type
before=$(attached)
fresh
host_fails attach INVALID_PARAMETER
check_not "no move: the kernel hears of it" sh -c "echo identity >$type"
is "$(attached)" "$before" "no move: the device is where it was"
host_fails attach DEVICE_ALREADY_IN_DOMAIN
n=$(calls detach)
check "already in a domain, but not in this: it moves" \
	sh -c "echo identity >$type"
is "$(attached)" "1 identity" "it is in the right one"
is "$(calls detach)" $((n + 1)) "it came out of the other one first"

# When the host insists, it ends up where it was.
host_fails attach DEVICE_ALREADY_IN_DOMAIN 1 2
check_not "already in a domain after a detach: no move" \
	sh -c "echo DMA >$type"
said 1 "the host takes it for attached after a detach" "the log says so"
is "$(attached)" "1 identity" "the device is where it was"
check "then it moves" sh -c "echo DMA >$type"
host_fails attach DEVICE_ALREADY_IN_DOMAIN 1 3
check_not "not even back: no move" sh -c "echo identity >$type"
is "$(attached)" "2 blocked" "the device is blocked"
rmmod pci_hyperv
rmmod hv_pviommu
is "$(ids)" "" "moves: no domain left in the host"

# A domain that the host does not delete keeps its id and its tables: memory
# that is used again meanwhile is not theirs.
fresh
up
map_page "before a leak"
before=$(attached)
rmmod dmaprobe
host_fails delete INSUFFICIENT_MEMORY 1 all
rmmod pci_hyperv
said 1 "DELETE_DOMAIN 0x${before% *} .*0xb" \
	"domain not deleted: the log says so"
fresh
load_all
modprobe dmaprobe
wait_for 10 test -e "/dev/dmaprobe-$a" || give_up "/dev/dmaprobe-$a"
is "$(attached)" "$((${before% *} + 1)) paging" "its id is not used again"
for cpu in 1 2 1 2 1 2 1 2; do
	used=$(taskset $cpu dmaprobe "$a" alloc 1024) &&
		dmaprobe "$a" fill "$used" 0xff >/dev/null ||
		give_up "free memory is used again"
done
dma_works "with another id"
down
is "$(ids)" "${before% *}" "the domain is left after the unload"
up
is "$(attached)" "$before" "the next load deletes it and uses the id"
dma_works "with the same id"

# The device cannot be moved out when it goes: the host has it attached when it
# comes again, to a domain that cannot be deleted.
rmmod dmaprobe
fresh
host_fails attach INSUFFICIENT_MEMORY
host_fails detach INSUFFICIENT_MEMORY
check "neither blocked nor detached: the bus goes" rmmod pci_hyperv
said 1 "DELETE_DOMAIN 0x${before% *} .*0x19 \(OBJECT_IN_USE\)" \
	"its domain stays"
check "and the module" rmmod hv_pviommu
is "$(attached)" "$before" "the device is in it"
fresh
host_fails attach DEVICE_ALREADY_IN_DOMAIN
up
is "$(attached)" "$((${before% *} + 1)) paging" "out of it, into a new one"
dma_works "left attached"
down
up
ends_clean "left attached"

# With the device there already, the module loads or leaves nothing.
replug
insmod "$(modinfo -n pci-hyperv)" || give_up "insmod pci-hyperv"
wait_for 10 probe_dev || give_up "the dmaprobe appears"
fresh
host_fails attach INSUFFICIENT_MEMORY
does_not_load "attach at a late load" "the kernel does not take the pvIOMMU" 0
is "$(attached)" "0 unattached" "attach at a late load: untouched"
check "then it loads" modprobe hv_pviommu
check "and takes the device" is_adopted
up
dma_works "late load"
ends_clean "late load"

# ---- flushes ----

fresh
hvctl iommu config list=0
up
l=$(calls flush-list)
f=$(calls flush)
dma_works "no list flush"
is $(($(calls flush-list) - l)) 1 "no list flush: tried"
is $(($(calls flush) - f)) 1 "no list flush: the domain is flushed instead"
map_page "no list flush"
dmaprobe "$a" unmap "$page"
is $(($(calls flush-list) - l)) 1 "no list flush: not tried again"
is $(($(calls flush) - f)) 2 "no list flush: the domain again"
said 1 "the host flushes whole domains only" "no list flush: said once"
is "$(loud_log)" "" "no list flush: nothing above info in the log"
hvctl iommu config list=1
ends_clean "no list flush"

fresh
up
f=$(calls flush)
host_fails flush-list INSUFFICIENT_MEMORY
dma_works "list flush fails"
is $(($(calls flush) - f)) 1 "list flush fails: the domain is flushed instead"
said 1 "FLUSH_DOMAIN_LIST .*0xb .*: the whole domain is flushed instead" \
	"list flush fails: the log says so"
l=$(calls flush-list)
dma_works "next list flush"
is $(($(calls flush-list) - l)) 1 "next list flush: tried"
is $(($(calls flush) - f)) 1 "next list flush: it is enough"

# Seven pages, at an address aligned to eight: blocks of 4, 2 and 1.
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
at() { printf '0x%x' $((iova + $1 * 4096)); }

flush_seven "all entries at once"
is "$l $f" "1 0" "all entries at once: one call"
hvctl iommu partial 1
flush_seven "one entry at a time"
is "$l $f" "3 0" "one entry at a time: three calls"
hvctl iommu partial 2
flush_seven "two entries at a time"
is "$l $f" "2 0" "two entries at a time: two calls"
host_fails flush-list INSUFFICIENT_MEMORY 2
flush_seven "the second part fails"
is "$l $f" "2 1" "the second part fails: the domain is flushed instead"

# No flush at all: the device is cut off before its memory is used again.
fresh
a1=$(dmaprobe "$a" alloc 1)
a2=$(dmaprobe "$a" alloc 1)
dmaprobe "$a" fill "$a1" 0x11
dmaprobe "$a" fill "$a2" 0x11
iova=$(dmaprobe "$a" map "$a1" bidir)
second=$(dmaprobe "$a" map "$a2" bidir)
check "before flushes fail: DMA works" dmaprobe "$a" write "$iova" 64 0x11
check "there, too" dmaprobe "$a" write "$second" 64 0x11
host_fails flush-list OPERATION_DENIED 1 all
host_fails flush OPERATION_DENIED 1 all
dmaprobe "$a" unmap "$a1"
is "$(attached)" "2 blocked" "no flush: the device is blocked"
is "$(dmaprobe "$a" write "$iova" 64 0x99)" "fault blocked $iova" \
	"no flush: it does not reach what was unmapped"
is "$(dmaprobe "$a" write "$second" 64 0x99)" "fault blocked $second" \
	"no flush: nor what is still mapped"
check "no flush: memory unchanged" dmaprobe "$a" check "$a1" 0x11
dmaprobe "$a" unmap "$a2"
said 1 "cannot be flushed: its devices are blocked" "no flush: said once"
is "$(hvctl iommu stale-hits)" 0 "no flush: nothing stale was used"

# VFIO takes the group: the kernel asks for the blocked domain, and the host
# says, truly, that the device is in it. When VFIO gives it back, the domain
# is flushed before the device gets in.
phys=$(dmaprobe "$a" phys "$a1")
rmmod dmaprobe
modprobe vfio-pci
modprobe vfio_iommu_type1
override=/sys/bus/pci/devices/$a/driver_override
echo vfio-pci >"$override"
echo "$a" >/sys/bus/pci/drivers_probe
n=$(refused attach)
d=$(calls detach)
f=$(calls flush)
hvctl iommu fail clear
vfio-probe claim "$a" "$iova" "$phys" >/tmp/claim 2>&1
is $? 0 "claimed while blocked: $(grep -c ^ok /tmp/claim) tests held"
is "$(refused attach)" $((n + 1)) "the host said that it is in that domain"
is "$(calls detach)" "$d" "and that was right"
is $(($(calls flush) - f)) 1 "given back: the domain is flushed first"
is "$(attached | cut -d' ' -f2)" paging "given back: translated again"
echo "$a" >"/sys/bus/pci/devices/$a/driver/unbind"
echo >"$override"
modprobe dmaprobe
wait_for 10 test -e "/dev/dmaprobe-$a" || give_up "/dev/dmaprobe-$a"
dma_works "flushed after all"
is "$(dmaprobe "$a" write "$second" 64 0x99)" "fault not-present $second" \
	"what was not flushed then is now"

# The same with a flush queue, whose flushes come later.
echo DMA-FQ >"/sys/kernel/iommu_groups/$(group_of "$a")/type"
is "$(group_type "$a")" DMA-FQ "lazy"
fresh
map_page "lazy"
host_fails flush-list OPERATION_DENIED 1 all
host_fails flush OPERATION_DENIED 1 all
is_blocked() { [ "$(attached)" = "2 blocked" ]; }
dmaprobe "$a" unmap "$page"
check "lazy, no flush: the device is blocked" wait_for 10 is_blocked
check "lazy, no flush: memory unchanged" dmaprobe "$a" check "$page" 0x11
ends_clean "no flush"

# ---- capabilities ----

fresh
hvctl iommu config width=57,5lvl=1
up
log_has "5 levels: the log says so" "hv_pviommu: .* 56-bit IOVA, 5-level"
is "$(hvctl iommu domains | grep paging | cut -d' ' -f3)" 5 \
	"5 levels: in the host"
dma_works "5 levels"
ends_clean "5 levels"

fresh
hvctl iommu config width=32,5lvl=0,pgsizes=4k
up
log_has "32 bits, 4K: the log says so" \
	"hv_pviommu: .* 32-bit IOVA, 4-level, page sizes 4K\$"
dma_works "32 bits, 4K"
big=$(dmaprobe "$a" alloc 1024 contig)
iova=$(dmaprobe "$a" map "$big" bidir)
check "4K: the device writes to 4 MiB" dmaprobe "$a" write "$(at 1023)" 64 0x22
[ $((iova >> 32)) = 0 ]
is $? 0 "32 bits: mapped below"
ends_clean "32 bits, 4K"

# ---- out of ids ----

fresh
hvctl iommu config width=48,pgsizes=4k+2m+1g
host_fails create KEY_ALREADY_EXISTS 1 all
host_fails delete ACCESS_DENIED 1 all
does_not_load "every id in use" "no free domain id: .* from 1 to 64 in use" 0
fresh
up
dma_works "in the end"
ends_clean "in the end"
