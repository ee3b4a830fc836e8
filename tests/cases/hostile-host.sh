# SPDX-License-Identifier: GPL-2.0
#: summary hosts that fail, lie, scribble, stop early, take their time or lack things
#: hvsim --device dmaprobe --device dmaprobe,absent --device dmaprobe,absent
#: append iommu.strict=1
#: timeout 900
#: allow-log@6.12 WARNING: .*iommu_setup_default_domain|Call Trace

# ---- steps ----

usual=on,caps=5,width=48,size=24,pgsizes=4k+2m+1g,domains=64,list=1
usual=$usual,several=1,detach=1,delete-idle=1
usual=$usual,garbage=0,junk=0,write-failed=0,scribble-early=0,reps=honest,slow=0

# offer TEXT: what the host offers from now on
offer() { hvctl iommu config "$1" || give_up "hvctl iommu config $1"; }

# A host without whims, and a log that begins here.
fresh() {
	hvctl iommu fail clear
	hvctl iommu partial 0
	offer "$usual"
	dmesg -c >/dev/null
}

# host_fails CALL STATUS [NTH [COUNT|all]]
host_fails() { hvctl iommu fail "$@" || give_up "hvctl iommu fail $*"; }

# How often the host refused CALL.
refused() {
	hvctl iommu counts |
		awk -v c="$1" '$1 == c && $2 ~ /^[0-9]+$/ { print $3 }'
}

# Ids of the domains in the host, and the device's: ID KIND.
ids() { hvctl iommu domains | sort -n | cut -d' ' -f1 | xargs; }
attached() { hvctl iommu device dmaprobe0; }

up() {
	# The module looks around once more, 20 ms after it has come: what is
	# refused after that stays so until a driver lets go.
	modprobe hv_pviommu 2>/dev/null && sleep 0.1
	load_all
	modprobe dmaprobe || give_up "modprobe dmaprobe"
	a=$(probe_dev) || give_up "the dmaprobe appears"
	wait_for 10 test -e "/dev/dmaprobe-$a" || give_up "/dev/dmaprobe-$a"
}

down() {
	rmmod dmaprobe
	unload_pci || give_up "the buses go"
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

load_vmbus

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

# modprobe takes the error EEXIST for success.
fresh
host_fails configure KEY_ALREADY_EXISTS
does_not_load "a status like EEXIST" "CONFIGURE_DOMAIN 0x1 failed .*0x65" 0

# If the host does not give up an id in use, the module takes another.
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
said 2 "DELETE_DOMAIN .*0xb .*it stays in the host, unused" \
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
before=$(attached)
check_not "not even back: no move" sh -c "echo identity >$type"
if since 6.12 && ! since 7.2; then
	is "$(attached)" "$before" "the kernel puts it back itself"
else
	is "$(attached)" "2 blocked" "the device is blocked"
fi
unload_pci
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
unload_pci
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
check "neither blocked nor detached: the bus goes" unload_pci
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

# With the device there already, the module loads, with it or without.
replug
load_pci
wait_for 10 probe_dev || give_up "the dmaprobe appears"
fresh
host_fails attach INSUFFICIENT_MEMORY
check "attach at a late load: the module loads all the same" \
	modprobe hv_pviommu
log_has "attach at a late load: the log says why the device is not taken" \
	"hv_pviommu: $(probe_dev): the kernel could not move it"
is "$(attached)" "0 unattached" "attach at a late load: untouched"
is "$(untranslated_list)" "$(probe_dev) refused" \
	"attach at a late load: listed as refused"
check "without devices it goes" rmmod hv_pviommu
check "then it loads" modprobe hv_pviommu
check "and takes the device" is_adopted
up
dma_works "late load"
ends_clean "late load"

# ---- flushes ----

fresh
offer list=0
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
hvctl iommu partial 3
flush_seven "three entries at a time"
is "$l $f" "1 0" "three entries at a time: one call"

# The host has the page when it stops early.
offer scribble-early=1
for k in 1 2; do
	hvctl iommu partial $k
	flush_seven "input overwritten after $k"
	is "$l $f" "$((4 - k)) 0" "input overwritten after $k: sent again"
done
hvctl iommu partial 0
offer scribble-early=0

# Success is no progress, nor is more than there is.
for lie in "stuck 0 6" "over 4095 1" "back 1 6"; do
	set -- $lie
	dmesg -c >/dev/null
	offer "reps=$1"
	flush_seven "reps $1"
	is "$l $f" "$3 1" "reps $1: the domain is flushed instead"
	said 1 "FLUSH_DOMAIN_LIST .*has done $2 of 3 entries: more is flushed" \
		"reps $1: the log says so"
	offer reps=honest
	flush_seven "after reps $1"
	is "$l $f" "1 0" "after reps $1: lists are used"
done
ends_clean "odd reps"

# Lists that keep failing are given up; those that fail now and then are not.
flush_pages() {
	local i=0
	l=$(calls flush-list)
	f=$(calls flush)
	while [ $i -lt "$1" ]; do
		dmaprobe "$a" map "$page" bidir >/dev/null
		dmaprobe "$a" unmap "$page" >/dev/null
		i=$((i + 1))
	done
	l=$(($(calls flush-list) - l))
	f=$(($(calls flush) - f))
}
fresh
up
page=$(dmaprobe "$a" alloc 1)
for round in 1 2; do
	host_fails flush-list TIME_OUT 1 7
	flush_pages 8
	is "$l $f" "8 7" "seven lists fail ($round): the eighth is tried"
done
host_fails flush-list TIME_OUT 1 all
flush_pages 10
is "$l $f" "8 10" "eight in a row fail: no more are tried"
said 1 "list flushes fail: whole domains are flushed from now on" \
	"the log says so"
hvctl iommu fail clear
flush_pages 2
is "$l $f" "0 2" "not when they would work, either"
ends_clean "lists given up"
up
page=$(dmaprobe "$a" alloc 1)
flush_pages 1
is "$l $f" "1 0" "after the next load they are used"

# Nothing works at all: a device that cannot be blocked is detached.
fresh
map_page "nothing but detach"
host_fails flush-list OPERATION_DENIED 1 all
host_fails flush OPERATION_DENIED 1 all
host_fails attach OPERATION_DENIED 1 all
dmaprobe "$a" unmap "$page"
is "$(attached)" "0 detached" "nothing but detach: the device is detached"
is "$(dmaprobe "$a" write "$iova" 64 0x99)" "fault blocked $iova" \
	"nothing but detach: it reaches nothing"
check "nothing but detach: memory unchanged" dmaprobe "$a" check "$page" 0x11

# The log is not flooded with what goes on for ever.
n=$(refused flush)
secs=$(cut -d. -f1 /proc/uptime)
dmesg -c >/dev/null
flush_pages 100
is $(($(refused flush) - n)) 100 "a hundred flushes fail"
secs=$(($(cut -d. -f1 /proc/uptime) - secs))
lines=$(dmesg | grep -c 'hv_pviommu: FLUSH_DOMAIN ')
[ "$lines" -gt 0 ] && [ "$lines" -le $((secs * 2 + 20)) ]
is $? 0 "at most 10 lines in 5 s for them ($lines in $secs s)"
ends_clean "nothing but detach"
fresh
up
map_page "nothing"
host_fails flush-list OPERATION_DENIED 1 all
host_fails flush OPERATION_DENIED 1 all
host_fails attach OPERATION_DENIED 1 all
host_fails detach OPERATION_DENIED 1 all
dmaprobe "$a" unmap "$page"
said 1 "the host does not block it: its bus mastering is turned off" \
	"nothing: the log says so"
is "$(dmaprobe "$a" write "$iova" 64 0x99)" "fault no-device $iova" \
	"nothing: the device reaches nothing all the same"
check "nothing: memory unchanged" dmaprobe "$a" check "$page" 0x11
hvctl iommu fail clear
ends_clean "nothing"

# A flush that takes long costs nothing but time.
fresh
hvctl vpci offer dmaprobe1
up
load_dmaprobe
b=$(probe_dev 1) || give_up "the second dmaprobe appears"
offer slow=300
for dev in "$a" "$b"; do
	(
		p=$(dmaprobe "$dev" alloc 1)
		i=0
		while [ $i -lt 6 ]; do
			dmaprobe "$dev" map "$p" bidir
			dmaprobe "$dev" unmap "$p"
			i=$((i + 1))
		done
		dmaprobe "$dev" free "$p"
	) >/tmp/slow."$dev" 2>&1 &
done
wait
is "$(sort -u /tmp/slow.* | grep -vc ^0x)" 1 "slow flushes: all is well"
dma_works "slow flushes"
offer slow=0
log_lacks "slow flushes: nobody is stuck" "soft lockup|detected stall|blocked for more than"
ends_clean "slow flushes"
hvctl vpci rescind dmaprobe1

# No flush at all: the device is cut off before its memory is used again.
fresh
up
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

# declined WHAT CONFIG LEVEL REGEX: LEVEL quiet (info at most) or error
declined() {
	fresh
	offer "$2"
	modprobe hv_pviommu 2>/tmp/err
	is $? 1 "$1: declined"
	check "$1: with ENODEV" grep -q 'No such device' /tmp/err
	check_not "$1: not loaded" loaded hv_pviommu
	if [ "$3" = error ]; then
		loud_log >/tmp/log
		check "$1: as an error" grep -q '^<\(3\|11\|27\)>' /tmp/log
	else
		quiet_log >/tmp/log
		is "$(loud_log)" "" "$1: nothing above info"
	fi
	check "$1: the log says $4" grep -qE "hv_pviommu: .*$4" /tmp/log
	is "$(hvctl iommu domain-count)" 0 "$1: no domain left in the host"
}

declined "width 0" width=0 error "0-bit"
declined "width 12" width=12 error "12-bit"
declined "no 4K pages" pgsizes=2m+1g error "4 KiB"
declined "no page size" pgsizes=0 error "4 KiB"
declined "no stage 1" s1=0 error "stage 1"
declined "all zeroes" caps=0,width=0,size=0,pgsizes=0 quiet "no pvIOMMU"
declined "PRESENT clear" present=0 quiet "no pvIOMMU"

fresh
modprobe hv_pviommu disable=1 2>/tmp/err
is $? 1 "disable=1: declined"
log_has "disable=1: the log says so" "hv_pviommu: disabled by parameter"
is "$(loud_log)" "" "disable=1: nothing above info"
is "$(hvctl iommu domain-count)" 0 "disable=1: no domain in the host"

# clamped WHAT CONFIG BITS LEVELS OFFERED: the host offers more than its tables
# reach, and is used as far as they do
clamped() {
	fresh
	offer "$2"
	up
	log_has "$1: the log says what is used, and why" \
		"hv_pviommu: .* $3-bit IOVA, $4-level, .*; such tables do not reach the offered $5 bits\$"
	is "$(loud_log)" "" "$1: nothing above info"
	is "$(hvctl iommu domains | grep paging | cut -d' ' -f3)" "$4" \
		"$1: $4 levels in the host"
	dma_works "$1"
	ends_clean "$1"
}

clamped "width 57 without 5-level" width=57 47 4 57
clamped "width 255 without 5-level" width=255 47 4 255
clamped "width 58" width=58,5lvl=1 56 5 58
clamped "all ones" caps=0xffffffffffffffff,width=255,size=0xffffffff,pgsizes=0xffffffffffffffff,garbage=1 \
	56 5 255

# What has no meaning is not looked at.
for size in 0 16; do
	fresh
	offer size=$size
	up
	log_has "size $size: as without" \
		"hv_pviommu: .* 47-bit IOVA, 4-level, page sizes 4K 2M 1G\$"
	is "$(loud_log)" "" "size $size: nothing above info"
	dma_works "size $size"
	ends_clean "size $size"
done
fresh
offer garbage=1,junk=1,size=0xffffffff
up
log_has "reserved bits: as without" \
	"hv_pviommu: .* 47-bit IOVA, 4-level, page sizes 4K 2M 1G\$"
is "$(loud_log)" "" "reserved bits: nothing above info"
dma_works "reserved bits"
flush_seven "reserved bits"
is "$l $f" "1 0" "reserved bits: one call is enough"
ends_clean "reserved bits"

fresh
offer width=48,caps=0xffffffffffffffff,pgsizes=0xffffffffffffffff
up
log_has "all capabilities: 4 levels are enough for 48 bits" \
	"hv_pviommu: .* 47-bit IOVA, 4-level, page sizes 4K 2M 1G\$"
dma_works "all capabilities"
ends_clean "all capabilities"

fresh
offer width=57,5lvl=1
up
log_has "5 levels: the log says so" "hv_pviommu: .* 56-bit IOVA, 5-level"
is "$(hvctl iommu domains | grep paging | cut -d' ' -f3)" 5 \
	"5 levels: in the host"
dma_works "5 levels"
ends_clean "5 levels"

fresh
offer width=32,pgsizes=4k
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

# A failed call has no output, whatever is there.
for status in ACCESS_DENIED INVALID_HYPERCALL_CODE; do
	fresh
	offer write-failed=1
	host_fails caps $status
	does_not_load "capabilities in a failed call ($status)" \
		"the pvIOMMU is not used|has no pvIOMMU" 0
done
fresh
offer write-failed=1
replug
host_fails property OPERATION_DENIED
up
untranslated "property in a failed call"
ends_clean "property in a failed call"

# ---- out of domains and ids ----

# How many of the three devices are translated.
translated() {
	local n=0 d
	for d in 0 1 2; do
		case $(hvctl iommu device dmaprobe$d) in
		*paging) n=$((n + 1)) ;;
		esac
	done
	echo $n
}

hvctl vpci offer dmaprobe1
hvctl vpci offer dmaprobe2
for room in 0 1 2; do
	fresh
	offer domains=$((2 + room))
	up
	check "room for $room domains: all devices come" \
		wait_for 10 probe_dev 2
	is "$(translated)" $room "room for $room domains: as many are translated"
	said $((3 - room)) "CREATE_DOMAIN .*0x38 .*: no new domain" \
		"room for $room domains: the log says so"
	ends_clean "room for $room domains"
done
fresh
up
check "room for all: all devices come" wait_for 10 probe_dev 2
is "$(translated)" 3 "room for all: all are translated"
ends_clean "room for all"

fresh
host_fails create KEY_ALREADY_EXISTS 1 all
host_fails delete ACCESS_DENIED 1 all
does_not_load "every id in use" "no free domain id: .* from 1 to 64 in use" 0
fresh
up
dma_works "in the end"
ends_clean "in the end"
