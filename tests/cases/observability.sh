# SPDX-License-Identifier: GPL-2.0
#: summary sysfs, tracepoints and debugfs: true, and safe to read at any time
#: hvsim --device nvme,size=32M --device dmaprobe
#: append iommu.strict=1
#: timeout 300

s=/sys/class/iommu/hv-pviommu
d=/sys/kernel/debug/hv-pviommu
t=/sys/kernel/tracing

file() { cat "$s/$1"; }
# host LABEL: a row of hvsim's table; host LABEL 2: the calls that failed
host() {
	hvctl iommu counts | sed -n "s/^$1  *\([0-9]\)/\1/p" |
		awk "{ print \$${2:-1} }"
}
id_of() { hvctl iommu device "$1" | cut -d' ' -f1; }
latency() { sed -n "s/^$1 //p" "$d/latency"; }
listed() { grep "^$(id_of "$1") " $d/domains; }

# Loaded when the NVMe controller has its driver already.
load_pci
wait_nvme
dev=$(nvme_dev)
a=$(probe_dev)
modprobe hv_pviommu
is "$(file untranslated)" 1 "one is untranslated"
is "$(file untranslated_devices)" "$dev in-use" "it is the NVMe controller"
is "$(file translated) $(ls $s/devices)" "1 $a" "the other one is translated"
echo "$dev" >/sys/bus/pci/drivers/nvme/unbind
check "NVMe, unbound, gets a group" wait_for 10 group_of "$dev"
echo "$dev" >/sys/bus/pci/drivers/nvme/bind
wait_nvme
load_dmaprobe
check "NVMe reads" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=64 iflag=direct

# ---- sysfs: numbers that the host has as well ----

is "$(file capabilities/iova_bits)" 47 "iova_bits"
is "$(file capabilities/levels)" 4 "levels"
is "$(file capabilities/page_sizes)" "4K 2M 1G" "page_sizes"
is "$(file capabilities/ats)" 0 "ats"
is "$(file capabilities/host_flags)" 0x5 "host_flags"
is "$(file capabilities/host_iova_width)" 48 "host_iova_width"
is "$(file translated)" 2 "translated"
is "$(file untranslated)" 0 "untranslated"
is "$(file untranslated_devices)" "" "no untranslated devices"
is "$(ls $s/devices | tr '\n' ' ')" "$dev $a " "the core's links are there, too"

# numbers_agree WHEN: all that both sides count
numbers_agree() {
	local when=$1 want name host_name line sum
	is "$(file hypercalls/calls)" "$(all_calls)" "$when: hypercalls/calls"
	is "$(file flush/list_calls)" "$(calls flush-list)" "$when: list_calls"
	is "$(file flush/domain_calls)" "$(calls flush)" "$when: domain_calls"
	is "$(file flush/list_entries)" "$(host 'flush list entries')" \
		"$when: list_entries"
	is "$(file flush/pages_flushed)" \
		"$(host '4 KiB pages in those entries')" "$when: pages_flushed"
	is "$(file domains)" "$(hvctl iommu domains | grep -c ' paging ')" \
		"$when: domains"
	want=
	sum=
	while read -r name host_name; do
		line=$(latency $name)
		want="$want $(calls $host_name) $(calls $host_name)"
		# the calls, and all the buckets
		sum="$sum $(echo "$line" | tr ' ' '\n' | awk -F= '
			$1 == "calls" { calls = $2 }
			$1 ~ /^[0-9]+$/ { n += $2 }
			END { print calls + 0, n + 0 }')"
	done <<-END
		GET_CAPABILITIES caps
		GET_DEVICE_PROPERTY property
		CREATE_DOMAIN create
		DELETE_DOMAIN delete
		CONFIGURE_DOMAIN configure
		ATTACH_DOMAIN attach
		DETACH_DOMAIN detach
		FLUSH_DOMAIN flush
		FLUSH_DOMAIN_LIST flush-list
	END
	is "$sum" "$want" "$when: calls of each kind, and their durations"
	is "$(wc -l <$d/latency)" 9 "$when: no other lines"
}

check "sync" sync
[ "$(file flush/list_calls)" -ge 64 ]
is $? 0 "reading has flushed: $(file flush/list_calls) lists"
numbers_agree "after I/O"
is "$(file flush/failures) $(file hypercalls/errors) $(file blocked_domains)" \
	"0 0 0" "nothing has failed"

# ---- debugfs: domains, registry ----

is "$(listed dmaprobe0)" "$(id_of dmaprobe0) paging - 1 1 $a" \
	"domains: dmaprobe's, of which nothing is mapped"
is "$(listed nvme0 | cut -d' ' -f2-4,6-)" "paging - 1 $dev" "domains: NVMe's"
is "$(cut -d' ' -f1 $d/domains | tr '\n' ' ')" \
	"$(hvctl iommu domains | cut -d' ' -f1 | sort -n | tr '\n' ' ')" \
	"domains: those of the host, in order"
is "$(cut -d' ' -f2-4 $d/domains | sort | head -n 2 | tr '\n' ' ')" \
	"blocked - 0 identity - 0 " "domains: two without devices"
is "$(ls $d/domain | tr '\n' ' ')" \
	"$(hvctl iommu domains | awk '$2 == "paging" { print $1 }' | sort |
	tr '\n' ' ')" "a directory for each paging domain"

bus() { basename "$(readlink -f "/sys/bus/pci/devices/$1/..")"; }
is "$(sort $d/registry | tr '\n' ' ')" "$(hvctl vpci list | awk '
	{ sub("id=", "", $4); print $4 }' | sort | {
		read -r x; read -r y
		echo "$x $(bus "$dev") 1 $y $(bus "$a") 1 "; })" \
	"registry: the host's ids, the buses of the guest"

# ---- debugfs: page tables ----

dump() { cat "$d/domain/$(id_of dmaprobe0)/pagetable"; }
# line IOVA PHYS PAGES rw|ro: as the dump has it
line() {
	printf '0x%x-0x%x -> 0x%x 0x%x %s\n' $(($1)) $(($1 + $3 * 4096 - 1)) \
		$(($2)) $(($3 * 4096)) "$4"
}

is "$(dump)" "" "an empty table"
one=$(dmaprobe "$a" alloc 1)
two=$(dmaprobe "$a" alloc 1)
block=$(dmaprobe "$a" alloc 16 contig)
{
	line "$(dmaprobe "$a" map "$one" bidir)" "$(dmaprobe "$a" phys "$one")" \
		1 rw
	line "$(dmaprobe "$a" map "$two" to-device)" \
		"$(dmaprobe "$a" phys "$two")" 1 ro
	line "$(dmaprobe "$a" map "$block" from-device)" \
		"$(dmaprobe "$a" phys "$block")" 16 rw
} | sort >/tmp/want
is "$(dump | sort)" "$(cat /tmp/want)" "rw, ro and a block, nothing else"
dump >/tmp/dump
is "$(sort -c /tmp/dump 2>&1)" "" "in order of addresses"
is "$(listed dmaprobe0 | cut -d' ' -f5)" 4 "domains: its four tables"

# The same in pieces: a page of memory and a small read at a time
is "$(dd if="$d/domain/$(id_of dmaprobe0)/pagetable" bs=7 2>/dev/null)" \
	"$(cat /tmp/dump)" "read seven bytes at a time"
dmaprobe "$a" unmap "$two" >/dev/null
is "$(dump)" "$(grep -v ' ro$' /tmp/dump)" "one is unmapped"
dmaprobe "$a" unmap "$one" >/dev/null
dmaprobe "$a" unmap "$block" >/dev/null
is "$(dump)" "" "all are"

# 1000 single pages: more lines than one read can take. Each run begins where
# the one before it ends, but does not in memory, which is where the driver has
# it.
many=$(dmaprobe "$a" alloc 1000)
iova=$(dmaprobe "$a" map "$many" bidir)
dump | sed 's/-0x[0-9a-f]* ->//' >/tmp/dump
at=$((iova))
behind=
while read -r first phys size prot; do
	[ $((first)) = $at ] && [ "$prot" = rw ] &&
		[ $((phys)) != "$behind" ] &&
		[ "$phys" = "$(dmaprobe "$a" phys "$many" $((at - iova)))" ] ||
		miss "run $first $phys $size $prot"
	at=$((at + size))
	behind=$((phys + size))
done </tmp/dump
n=$(wc -l </tmp/dump)
is "$(((at - iova) / 4096)) $((n > 1))" "1000 1" "1000 pages in $n runs"
dmaprobe "$a" unmap "$many" >/dev/null
dmaprobe "$a" free "$many" >/dev/null

# ---- tracepoints ----

mount -t tracefs tracefs $t 2>/dev/null
is "$(cd $t/events/hv_pviommu && echo hvp_*)" \
	"hvp_attach hvp_flush_plan hvp_hypercall" "three tracepoints"
# trace COMMAND...: only what it does is in the trace, in /tmp/trace
trace() {
	echo >$t/trace
	echo 1 >$t/events/hv_pviommu/enable
	"$@" >/dev/null
	echo 0 >$t/events/hv_pviommu/enable
	sed -n 's/^.*: \(hvp_.*\)$/\1/p' $t/trace >/tmp/trace
}
events() { sed 's/duration=[1-9][0-9]*ns$/duration=N/' /tmp/trace; }
id=$(id_of dmaprobe0)

# durations: of list flushes, one column of the table in each line
durations() { latency FLUSH_DOMAIN_LIST | tr ' ' '\n' | grep '^[0-9]'; }
iova=$(dmaprobe "$a" map "$one" bidir)
durations >/tmp/before
trace dmaprobe "$a" unmap "$one"
low=$(durations | grep -vxFf /tmp/before | sed 's/=.*//')
ns=$(sed -n 's/.*duration=\([0-9]*\)ns$/\1/p' /tmp/trace)
[ "$low" -le "$ns" ] && [ $((2 * low)) -gt "$ns" ]
is $? 0 "the duration, $ns ns, is counted as $low ns or more"
end=$(printf '0x%x' $((iova + 4095)))
hex=$(printf '0x%x' "$id")
is "$(events)" "hvp_flush_plan: domain=$id $iova-$end list nr=1 pages_requested=1 pages_flushed=1
hvp_hypercall: FLUSH_DOMAIN_LIST id=$hex reps=1/1 status=0x0 duration=N" \
	"a page"

# 511 pages would be nine blocks: the one around them takes their place.
requested=$(file flush/pages_requested)
flushed=$(file flush/pages_flushed)
many=$(dmaprobe "$a" alloc 511)
iova=$(dmaprobe "$a" map "$many" bidir)
trace dmaprobe "$a" unmap "$many"
end=$(printf '0x%x' $((iova + 511 * 4096 - 1)))
is "$(events | head -n 1)" "hvp_flush_plan: domain=$id $iova-$end list nr=1 pages_requested=511 pages_flushed=512" \
	"511 pages"
is "$(file flush/pages_requested) $(file flush/pages_flushed)" \
	"$((requested + 511)) $((flushed + 512))" "counted as such"

# A table goes: the domain. None of that is in the numbers of pages.
many=$(dmaprobe "$a" alloc 512)
dmaprobe "$a" map "$many" bidir >/dev/null
trace dmaprobe "$a" unmap "$many"
is "$(events)" "hvp_flush_plan: domain=$id 0x0-0x7fffffffffff domain nr=0 pages_requested=0 pages_flushed=0
hvp_hypercall: FLUSH_DOMAIN id=$hex reps=0/0 status=0x0 duration=N" \
	"512 pages and their table"
is "$(file flush/pages_requested) $(file flush/pages_flushed)" \
	"$((requested + 511)) $((flushed + 512))" "not counted as pages"

# A slow path: all of it is there, in as many lines as the host has calls.
before=$(all_calls)
requested=$(file flush/pages_requested)
trace dd if=/dev/nvme0n1 of=/dev/null bs=128k count=16 iflag=direct
is "$(grep -c '^hvp_hypercall' /tmp/trace)" $(($(all_calls) - before)) \
	"NVMe: a line for every hypercall ($(($(all_calls) - before)))"
is "$(sed -n 's/^hvp_flush_plan.*pages_requested=\([0-9]*\) .*/\1/p' \
	/tmp/trace | awk '{ n += $1 } END { print n }')" \
	$(($(file flush/pages_requested) - requested)) \
	"NVMe: the plans add up to pages_requested"

# set_type TYPE: another domain for dmaprobe, whose driver has to go for that
group=/sys/kernel/iommu_groups/$(group_of "$a")
set_type() {
	rmmod dmaprobe
	trace sh -c "echo $1 >$group/type"
	load_dmaprobe
}
identity=$(awk '$2 == "identity" { print $1 }' $d/domains)
set_type identity
is "$(grep ^hvp_attach /tmp/trace)" \
	"hvp_attach: $a domain=$identity identity previous=$id error=0" "attach"
is "$(file domains)" 1 "its paging domain has gone"
check_not "with its directory" test -e "$d/domain/$id"
is "$(grep identity $d/domains)" "$identity identity - 1 0 $a" \
	"it is listed with the identity domain"
set_type DMA
id=$(id_of dmaprobe0)
hex=$(printf '0x%x' "$id")
is "$(grep ^hvp_attach /tmp/trace)" \
	"hvp_attach: $a domain=$id paging previous=$identity error=0" \
	"attach, back again"
check "there is a directory again" test -e "$d/domain/$id"

# ---- failures ----

one=$(dmaprobe "$a" alloc 1)
# fail CALL... : unmap a page, with the next of these calls failing
fail() {
	dmaprobe "$a" map "$one" bidir >/dev/null
	for i in "$@"; do hvctl iommu fail "$i" 0x78 || miss "fail $i"; done
	trace dmaprobe "$a" unmap "$one"
}
fail flush-list
is "$(events | sed 's/domain=.*-0x[0-9a-f]* /R /')" "hvp_flush_plan: R list nr=1 pages_requested=1 pages_flushed=1
hvp_hypercall: FLUSH_DOMAIN_LIST id=$hex reps=0/1 status=0x78 duration=N
hvp_flush_plan: R domain nr=0 pages_requested=1 pages_flushed=0
hvp_hypercall: FLUSH_DOMAIN id=$hex reps=0/0 status=0x0 duration=N" \
	"a list that failed, and the domain instead"
is "$(file flush/failures) $(file hypercalls/errors) $(file blocked_domains)" \
	"1 1 0" "counted as a failure"
fail flush-list flush
blocked=$(awk '$2 == "blocked" { print $1 }' $d/domains)
is "$(grep ^hvp_attach /tmp/trace)" \
	"hvp_attach: $a domain=$blocked blocked previous=$id error=0" \
	"neither worked: the device is moved to the blocked domain"
is "$(file flush/failures) $(file hypercalls/errors) $(file blocked_domains)" \
	"3 3 1" "two failures, a blocked domain"
is "$(grep "^$id " $d/domains | cut -d' ' -f1-4)" "$id paging stale 0" \
	"domains: it is stale, and without devices"
is "$(grep "^$blocked " $d/domains)" "$blocked blocked - 1 0 $a" \
	"domains: they are in the blocked one"
numbers_agree "after failures"
is "$(($(host flush 2) + $(host flush-list 2)))" 3 \
	"the host has failed as many"

# What is expected is no error; a list that the host does not know is a flush
# that failed.
rmmod dmaprobe
hvctl iommu fail attach DEVICE_ALREADY_IN_DOMAIN
echo identity >"$group/type"
echo DMA >"$group/type"
is "$(file blocked_domains) $(file hypercalls/errors)" "0 3" \
	"a new domain; an attachment that was there is no error"
load_dmaprobe
one=$(dmaprobe "$a" alloc 1)
hvctl iommu config list=0
dmaprobe "$a" map "$one" bidir >/dev/null
dmaprobe "$a" unmap "$one" >/dev/null
hvctl iommu config list=1
is "$(file flush/failures) $(file hypercalls/errors)" "4 3" \
	"a list that the host does not know"

# ---- who may read ----

echo 'root:x:0:0::/:/bin/sh' >/etc/passwd
echo 'nobody:x:65534:65534::/:/bin/sh' >>/etc/passwd
chmod 755 /
is "$(find $s/ -type f ! -name uevent ! -path '*/power/*' ! -perm 444)" "" \
	"sysfs: everybody may read"
su -s /bin/sh nobody -c "cd $s && cat domains blocked_domains *translated* \
	capabilities/* flush/* hypercalls/*" >/tmp/nobody 2>&1
is "$? $(wc -l </tmp/nobody) $(id -u)" "0 18 0" "and a user does"
check_not "debugfs: a user cannot" su -s /bin/sh nobody -c "cat $d/domains"
is "$(find $d -type f ! -perm 400)" "" "debugfs: only root, only reading"

# ---- all of it, while everything changes ----

# A reader gets lines that make sense, or no file or no device.
cat >/tmp/reader.sh <<'END'
hex=0x[0-9a-f]+
ok="$hex-${hex}fff -> ${hex}000 ${hex}000 r[ow]"
ok="$ok|[0-9]+ (paging|identity|blocked) (-|stale|absent) [0-9]+ [0-9]+( [0-9a-f:.]+)*"
ok="$ok|0x[0-9a-f]{8} pci[0-9a-f:]+ [0-9]"
ok="$ok|[A-Z_]+ calls=[0-9]+ errors=[0-9]+( [0-9]+=[0-9]+)*"
ok="$ok|[0-9a-f:.]+ (in-use|pending|refused)|[0-9]+|$hex|4K 2M 1G"
n=0
# look N DIRECTORY REGEX: what it reads there must make sense, or match
look() {
	cat $(find "$2" -type f ! -name uevent ! -path '*/power/*' \
		2>/dev/null) </dev/null >/tmp/out.$1 2>/tmp/err.$1
	n=$((n + $(wc -l </tmp/out.$1)))
	grep -vE "^($ok)$" /tmp/out.$1
	grep -vE "$3" /tmp/err.$1
}
# debugfs says EIO of a file that has gone since it was opened.
gone='No such (file|device)'
while [ ! -e /tmp/stop ]; do
	look $1 /sys/class/iommu/hv-pviommu/ "$gone"
	look $1 /sys/kernel/debug/hv-pviommu "$gone|Input/output error"
done >/tmp/odd.$1
echo $n >/tmp/lines.$1
END
start_readers() {
	rm -f /tmp/stop
	for i in 1 2; do sh /tmp/reader.sh $i & readers="$readers $!"; done
	i=0
	while [ ! -e /tmp/stop ]; do
		echo 1 >$t/events/hv_pviommu/enable
		cat $t/trace >/dev/null
		echo 0 >$t/events/hv_pviommu/enable
	done &
	readers="$readers $!"
}
readers=
load_and_unmap() {
	local b n=0
	b=$(dmaprobe "$a" alloc 1024) || return
	while [ $n -lt 10 ]; do
		dmaprobe "$a" map "$b" bidir && dmaprobe "$a" unmap "$b"
		n=$((n + 1))
	done
	dmaprobe "$a" free "$b"
} >/dev/null 2>&1
is_gone() {
	[ "$(hvctl vpci state dmaprobe0)" = absent ] &&
		[ ! -e "/sys/bus/pci/devices/$a" ]
}

dmesg -c >/dev/null
start_readers
while [ ! -e /tmp/stop ]; do
	dd if=/dev/nvme0n1 of=/dev/null bs=128k iflag=direct 2>/dev/null
done &
io=$!
i=0
while [ $i -lt 2 ]; do
	load_and_unmap
	rmmod dmaprobe
	echo identity >"$group/type"
	echo DMA >"$group/type"
	load_dmaprobe
	load_and_unmap &
	hvctl vpci rescind dmaprobe0
	wait_for 30 is_gone || miss "round $i: the device goes"
	wait $!
	hvctl vpci offer dmaprobe0
	wait_for 30 test -e "/dev/dmaprobe-$a" || miss "round $i: it comes back"
	group=/sys/kernel/iommu_groups/$(group_of "$a")
	i=$((i + 1))
done
pass "mapped, unmapped, moved, removed and added, with readers"
touch /tmp/stop
wait $io
# shellcheck disable=SC2086
wait $readers
is "$(cat /tmp/odd.*)" "" "the readers saw nothing odd"
n=$(cat /tmp/lines.* | awk '{ n += $1 } END { print n }')
[ "$n" -gt 300 ]
is $? 0 "they read $n lines"
numbers_agree "after that"
is "$(file translated)" 2 "after that: translated"

# The module goes while files are read: those are gone before what they show.
readers=
rmmod dmaprobe
start_readers
i=0
while [ $i -lt 3 ]; do
	unload_pci || break
	wait_for 20 rmmod hv_pviommu || break
	[ ! -e $d ] && [ ! -e $s ] || break
	load_all
	wait_for 20 test -e "/sys/bus/pci/devices/$a" || break
	i=$((i + 1))
done
is $i 3 "unloaded and loaded three times, with readers"
touch /tmp/stop
# shellcheck disable=SC2086
wait $readers
is "$(cat /tmp/odd.*)" "" "the readers saw nothing odd"
wait_nvme
is "$(file translated)" 2 "translated, as before"
no_faults "all the while"
