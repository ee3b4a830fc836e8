# SPDX-License-Identifier: GPL-2.0
#: summary hv-pviommu, the status command, says how things are
#: hvsim --device nvme --device dmaprobe --device dmaprobe,functions=2
#: append iommu.strict=0
#: timeout 300

iommu=/sys/class/iommu/hv-pviommu

# What JSON said when look was called last: key NAME, or dev PCINAME NAME. It
# has a line for each of them.
look() { hv-pviommu --json >/tmp/json; }
key() { sed -n "s/^ *\"$1\": \(.*[^,]\),*\$/\1/p" /tmp/json; }
dev() {
	grep -F "{\"name\": \"$1\"" /tmp/json |
		sed -n "s/.*\"$2\": \(\"[^\"]*\"\|[a-z]*\)[,}].*/\1/p"
}
ids() {
	sed -n 's/.*{"level": "[a-z]*", "id": "\([a-z-]*\)".*/\1/p' /tmp/json |
		xargs
}
# devices STATE: how many
devices() { grep -cE "^ +\{\"name\".*\"state\": \"$1\"" /tmp/json; }

# status CODE IDS WHAT: the exit code, and all messages
status() {
	hv-pviommu >/tmp/text 2>/tmp/err
	is "$? $(cat /tmp/err)" "$1 " "$3: exit code"
	look
	is "$(ids)" "$2" "$3: messages"
	is "$(key exit_code)" "$1" "$3: exit code in JSON"
}

# agrees PCINAME DEVICE WHAT: with hvsim, and with the kernel
agrees() {
	local want driver

	case $(hvctl iommu device "$2" | cut -d' ' -f2) in
	paging) want='"translated"' ;;
	identity) want='"identity"' ;;
	*) want='"untranslated"' ;;
	esac
	driver=$(basename "$(readlink "/sys/bus/pci/devices/$1/driver")")
	is "$(dev "$1" state)" "$want" "$3: $2 is $want, says the host"
	is "$(dev "$1" driver)" "$([ -n "$driver" ] && echo "\"$driver\"" ||
		echo null)" "$3: $2 has that driver"
	[ "$want" = '"untranslated"' ] && return
	is "$(dev "$1" group) $(dev "$1" group_type)" \
		"\"$(group_of "$1")\" \"$(group_type "$1")\"" \
		"$3: group of $2 and its type"
}

# numbers WHAT: every file of sysfs has its key. Nothing must be going on.
numbers() {
	local f v bad=

	look
	for f in "$iommu"/domains "$iommu"/*translated \
		"$iommu"/blocked_domains "$iommu"/flush/* "$iommu"/hypercalls/* \
		"$iommu"/capabilities/*; do
		v=$(cat "$f")
		case ${f##*/} in
		page_sizes) v="[\"$(echo "$v" | sed 's/ /", "/g')\"]" ;;
		ats) [ "$v" = 1 ] && v=true || v=false ;;
		host_flags) v="\"$v\"" ;;
		esac
		[ "$(key "${f##*/}")" = "$v" ] ||
			bad="$bad ${f##*/}=$v, not $(key "${f##*/}")"
	done
	is "$bad" "" "$1: the numbers of sysfs"
	is "$(key list_calls) $(key domain_calls)" \
		"$(calls flush-list) $(calls flush)" "$1: flushes, says the host"
	is "$(key calls)" "$(all_calls)" "$1: hypercalls, says the host"
	is "$(key translated) $(key untranslated)" \
		"$(devices '(translated|identity)') $(devices untranslated)" \
		"$1: devices, says the module"
}

echo 'root:x:0:0::/root:/bin/sh
nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
as_nobody() { su -s /bin/sh nobody -c "$*"; }
is "$(as_nobody 'id -u')" 65534 "there is a user without privileges"
is "$(hv-pviommu --version)" "hv-pviommu $(modinfo -F version hv_pviommu)" \
	"versions of tool and module"
hv-pviommu >/dev/full 2>/tmp/err
is $? 74 "exit code of a full disk"

# ---- without the module ----

# VMBus and its buses can be seen where they are built in.
idle=''
evidence='"cpuid", "dmi"'
if is_builtin pci-hyperv; then
	unload_pci || give_up "the buses go"
	idle=" idle-bus idle-bus idle-bus"
	evidence='"cpuid", "dmi", "vmbus"'
fi
status 2 "not-needed$idle" "nothing loaded"
is "$(key evidence)" "[$evidence]" "nothing loaded: it is Hyper-V"
hvctl iommu config off
modprobe hv_pviommu 2>/dev/null && give_up "the module loads without pvIOMMU"
status 2 "not-needed last-message$idle" "no pvIOMMU"
is "$(key last_message)" '"this Hyper-V host has no pvIOMMU"' \
	"no pvIOMMU: what the module said"
as_nobody hv-pviommu >/tmp/text
is $? 2 "no pvIOMMU: exit code for a user who cannot read the log"
hvctl iommu config on

load_vmbus
three_buses() {
	[ "$(cat /sys/bus/vmbus/devices/*/class_id | grep -c 44c4f61d)" = 3 ]
}
wait_for 10 three_buses || give_up "three vPCI buses"
status 2 "not-needed last-message idle-bus idle-bus idle-bus" "no pci-hyperv"
is "$(grep -c '{"guid": "[^"]*", "driver": null, "functions": 0}' /tmp/json)" 3 \
	"no pci-hyperv: buses without drivers"
load_pci
wait_nvme
n=$(nvme_dev)
a=$(probe_dev)
b=$(probe_dev 1)
c=$(probe_dev 2)
status 2 "not-loaded last-message" "not loaded"
is "$(grep -c '"state": "untranslated", "reason": "not-loaded"' /tmp/json)" 4 \
	"not loaded: four devices"
agrees "$n" nvme0 "not loaded"
agrees "$a" dmaprobe0 "not loaded"
is "$(sed -n 's/.*"driver": "hv_pci", "functions": \(.\)}.*/\1/p' /tmp/json |
	sort | xargs)" "1 1 2" "not loaded: buses and their functions"

# ---- loaded late, then all translated ----

hvctl iommu reset-counts
modprobe hv_pviommu || give_up "modprobe hv_pviommu"
status 1 "untranslated lazy" "loaded late"
agrees "$n" nvme0 "loaded late"
agrees "$a" dmaprobe0 "loaded late"
agrees "$b" dmaprobe1.0 "loaded late"
agrees "$c" dmaprobe1.1 "loaded late"
is "$(dev "$n" reason)" '"in-use"' "loaded late: why NVMe is not translated"
is "$(key version)" "\"$(modinfo -F version hv_pviommu)\"" \
	"loaded late: version of the module"
numbers "loaded late"

echo "$n" >/sys/bus/pci/drivers/nvme/unbind
wait_for 10 group_of "$n" || give_up "NVMe is adopted"
echo "$n" >/sys/bus/pci/drivers/nvme/bind
wait_nvme
load_dmaprobe
status 0 lazy "all translated"
agrees "$n" nvme0 "all translated"
agrees "$c" dmaprobe1.1 "all translated"
dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null
sleep 0.5
numbers "all translated"

# ---- a user without privileges sees the same ----

look
as_nobody hv-pviommu --json >/tmp/nobody 2>/tmp/err
is "$? $(cat /tmp/err)" "0 " "unprivileged: exit code"
check "unprivileged: sees the same" cmp /tmp/json /tmp/nobody
as_nobody hv-pviommu --report >/tmp/report 2>/tmp/err
is "$? $(cat /tmp/err)" "0 " "unprivileged report: exit code"
is "$(grep -c 'cannot be read: Permission denied' /tmp/report)" 1 \
	"unprivileged report: debugfs cannot be read"
is "$(grep -c 'cannot be read: Operation not permitted' /tmp/report)" 1 \
	"unprivileged report: neither can the log"
hv-pviommu --report >/tmp/report 2>/tmp/err
is "$? $(cat /tmp/err)" "0 " "report: exit code"
is "$(grep -c 'cannot be read' /tmp/report)" 0 "report: root can read it all"
for i in "47-bit IOVA, 4-level" "$iommu/flush/list_calls: " \
	"$n/iommu_group/type: DMA-FQ" "softdep pci-hyperv" \
	"rdinit=/init" "debug/hv-pviommu/domains" \
	"debug/hv-pviommu/registry" "debug/hv-pviommu/latency"; do
	check "report: $i" grep -qF -- "$i" /tmp/report
done

# ---- modes, VFIO ----

rmmod dmaprobe
echo DMA >"/sys/kernel/iommu_groups/$(group_of "$a")/type"
status 0 "lazy strict" "one strict group"
agrees "$a" dmaprobe0 "one strict group"
echo identity >"/sys/kernel/iommu_groups/$(group_of "$a")/type"
status 1 "passthrough lazy" "one identity group"
agrees "$a" dmaprobe0 "one identity group"
agrees "$b" dmaprobe1.0 "one identity group"
numbers "one identity group"
echo DMA >"/sys/kernel/iommu_groups/$(group_of "$a")/type"

modprobe vfio-pci
modprobe vfio_iommu_type1
echo vfio-pci >"/sys/bus/pci/devices/$a/driver_override"
echo "$a" >/sys/bus/pci/drivers_probe
status 0 "lazy strict" "VFIO"
agrees "$a" dmaprobe0 "VFIO"
echo "$a" >"/sys/bus/pci/devices/$a/driver/unbind"
echo >"/sys/bus/pci/devices/$a/driver_override"

# ---- things that go wrong ----

load_dmaprobe
page=$(dmaprobe "$a" alloc 1)
dmaprobe "$a" map "$page" bidir >/dev/null
hvctl iommu fail flush-list OPERATION_DENIED
dmaprobe "$a" unmap "$page"
status 1 "flush-failures hypercall-errors lazy strict" "a failed flush"
is "$(key failures) $(key errors)" "1 1" "a failed flush: how many"
numbers "a failed flush"
dmaprobe "$a" map "$page" bidir >/dev/null
hvctl iommu fail flush-list OPERATION_DENIED 1 all
hvctl iommu fail flush OPERATION_DENIED 1 all
dmaprobe "$a" unmap "$page"
status 1 "blocked-domains flush-failures hypercall-errors lazy strict" \
	"a blocked domain"
is "$(key blocked_domains)" 1 "a blocked domain: how many"
hvctl iommu fail clear

# ---- while devices and the module come and go ----

is_absent() { [ "$(hvctl vpci state dmaprobe0)" = absent ]; }
while [ ! -e /tmp/stop ]; do
	for i in --json --report; do
		hv-pviommu $i >/tmp/loop 2>&1
		rc=$?
		[ $rc -le 2 ] || echo "$i: $rc: $(tail -n 1 /tmp/loop)" >>/tmp/bad
		echo >>/tmp/looped
	done
done &
for i in 1 2 3; do
	hvctl vpci rescind dmaprobe0
	wait_for 30 is_absent || give_up "the dmaprobe goes"
	hvctl vpci offer dmaprobe0
	wait_for 30 test -e "/dev/dmaprobe-$a" || give_up "/dev/dmaprobe-$a"
done
rmmod dmaprobe
for i in 1 2 3; do
	unload_pci
	rmmod hv_pviommu || give_up "rmmod hv_pviommu"
	load_all
done
touch /tmp/stop
wait
is "$(cat /tmp/bad 2>/dev/null)" "" "coming and going: exit codes"
[ "$(wc -l </tmp/looped)" -gt 5 ]
is $? 0 "coming and going: looked $(wc -l </tmp/looped) times"
wait_nvme
status 0 lazy "at the end"
unload_pci
rmmod hv_pviommu || give_up "rmmod hv_pviommu"
status 2 "not-needed last-message idle-bus idle-bus idle-bus" "after unload"
