# SPDX-License-Identifier: GPL-2.0
#: summary another module looks up device ids and registers buses
#: hvsim --device nvme --device dmaprobe,functions=3 --device dmaprobe
#: append slub_debug=FZP page_poison=1
#: timeout 240

EEXIST=-17 EINVAL=-22 ENODEV=-19 ENOENT=-2

api() {
	echo "$*" >/proc/apitest
	cat /proc/apitest
}

# find ID: sets $fn to the function's PCI name. That is made of the id, but for
# newer kernels the name of a device that has gone is in use as long as somebody
# holds it, and one that comes back gets another.
find() {
	local d
	fn=$(printf '%04x:00:00.%x' $(($1 >> 16)) $(($1 & 7)))
	[ ! -e "/sys/bus/pci/devices/$fn" ] || return 0
	for d in /sys/bus/pci/devices/*; do
		fn=${d##*/}
		[ "$(api id "$fn")" != "$1" ] || return 0
	done
	return 1
}

# ids WHAT: the id of every function is the one that the host gave it
ids() {
	local what=$1 name state nr id n=0 i want fn wrong=
	hvctl vpci list >/tmp/list
	while read -r name state nr id; do
		i=0
		while [ $i -lt "${nr#functions=}" ]; do
			want=$(printf '0x%x' $((${id#id=} + i)))
			find $want && [ "$(api id "$fn")" = "$want" ] ||
				wrong="$wrong $name.$i:$(api id "$fn"):$state"
			i=$((i + 1))
			n=$((n + 1))
		done
	done </tmp/list
	is "$n$wrong" 5 "$what: ids of all functions"
}

gone() { [ "$(hvctl vpci state "$1")" = absent ]; }

remove() {
	hvctl vpci "$1" "$2" && wait_for 60 gone "$2" ||
		give_up "$1 of $2"
}

# offer NAME ID: sets $fn to the function
offer() {
	hvctl vpci offer "$1" && wait_for 30 has_come "$2" ||
		give_up "$1 comes back"
}
has_come() { find "$1" && group_of "$fn"; }

a=2000:00:00.0 b=2001:00:00.0 nvme=1000:00:00.0
pa=0x20004000 pb=0x20014000 pn=0x10004000

# Without hv_pviommu there are no symbols; it comes with whoever needs them,
# or declines for both.
check_not "without hv_pviommu it does not load" insmod "$(modinfo -n apitest)"
check_not "hv_pviommu declines" modprobe hv_pviommu disable=1
check_not "it does not load then, either" insmod "$(modinfo -n apitest)"
load_pci
wait_nvme
check "modprobe apitest" modprobe apitest
check "hv_pviommu came with it" loaded hv_pviommu

# Before translation (NVMe was in use when it loaded), and after.
check_not "NVMe is not translated" group_of $nvme
ids "one not translated"
echo $nvme >/sys/bus/pci/drivers/nvme/unbind
check "NVMe, unbound, is" wait_for 10 group_of $nvme
ids "all translated"

# Of another kind of bus
is "$(api fake on)" 0 "a PCI bus of another kind"
is "$(cat /sys/bus/pci/devices/7ff0:00:00.0/device)" 0xfa4e "has a function"
is "$(api id 7ff0:00:00.0)" $ENODEV "which has no id"
is "$(api register 7ff0:00:00.0 0x7ff00000)" $EINVAL "and cannot get one"
is "$(api unregister 7ff0:00:00.0)" $ENOENT "nor lose it"
api fake off >/dev/null

# Duplicates
is "$(api register $a $pb)" $EEXIST "the prefix of another bus"
is "$(api register $a 0x30000000)" $EEXIST "another prefix than it has"
is "$(api register $a 0x20004001)" $EINVAL "one with a function in it"
is "$(api unregister $a)" $ENOENT "none of that was registered"
is "$(api register $a $pa)" 0 "its own"
is "$(api register $a $pa)" $EEXIST "a second time"
is "$(api register $b $pa)" $EEXIST "for another bus"
ids "registered"
is "$(api unregister $a)" 0 "unregister"
is "$(api unregister $a)" $ENOENT "twice"
ids "unregistered"

# It goes while it is registered, and comes back.
api hold $a >/dev/null
is "$(api id $a)" $pa "a function that somebody holds"
api register $a $pa >/dev/null
remove rescind dmaprobe0
is "$(api id $a)" $ENODEV "rescinded, it has no id any more"
is "$(api id $b)" $pb "others have"
offer dmaprobe0 $pa
is "$(api unregister $a)" $ENOENT "what was registered went with the bus"
is "$(api id $a)" $ENODEV "the old function has no id for good"
api drop $a >/dev/null
a=$fn
ids "offered again"
is "$(hvctl iommu device dmaprobe0.2 | cut -d' ' -f2)" paging \
	"the new bus is translated"
is "$(api register $a $pa)" 0 "and can be registered"
api unregister $a >/dev/null

# Look-ups and registrations while buses come and go
for d in $a $b $nvme; do api hold $d >/dev/null; done
is "$(api storm on)" 0 "storm"
n=0
while [ $n -lt 4 ]; do
	how=rescind
	[ $((n % 2)) = 0 ] || how=eject
	remove $how dmaprobe0
	[ $n -lt 2 ] || remove $how dmaprobe1
	offer dmaprobe0 $pa
	[ $n -lt 2 ] || offer dmaprobe1 $pb
	n=$((n + 1))
done
is "$(api storm off)" 0 "no wrong answer while buses come and go"
lookups=$(api storm lookups) registrations=$(api storm registrations)
[ "$lookups" -gt 1000 ] && [ "$registrations" -gt 100 ]
is $? 0 "to $lookups look-ups and $registrations registrations"
is "$(api id $a) $(api id $b) $(api id $nvme)" "$ENODEV $ENODEV $pn" \
	"ids of what was held all the time"
for d in $a $b $nvme; do api drop $d >/dev/null; done
ids "after the storm"

# A prefix registered before the bus is seen takes the place of the GUID's: of
# a device that the host once had, so that it answers that this is gone.
remove rescind dmaprobe0
remove rescind dmaprobe1
a=2000:00:00.0 b=2001:00:00.0
let_it_say
is "$(api early $pa)" 0 "early registration"
hvctl vpci offer dmaprobe1
check "the device comes" wait_for 30 test -e /sys/bus/pci/devices/$b
check "the host was asked for the id registered" wait_for 10 \
	sh -c 'dmesg | grep -q "PROPERTY 0x20004000: the host has no such"'
is "$(api id $b)" $pa "which is what look-ups give"
check_not "so it is not translated" group_of $b
hvctl vpci offer dmaprobe0
check "another with the same prefix" wait_for 10 \
	sh -c 'dmesg | grep -q "0x20004002 is not unique"'
is "$(api id $a)" $ENODEV "has none"
is "$(api unregister $b)" 0 "unregistered"
is "$(api id $b)" $pa "it stays, as the bus was seen"
remove rescind dmaprobe0
remove rescind dmaprobe1
offer dmaprobe0 $pa
offer dmaprobe1 $pb
ids "and goes with the bus"

# Unloading, with functions held and buses registered
api hold $a >/dev/null
is "$(api register $a $pa) $(api register $b $pb)" "0 0" "registered for good"
check_not "rmmod hv_pviommu is refused" rmmod hv_pviommu
unload_pci || give_up "the buses go"
is "$(api id $a)" $ENODEV "without pci-hyperv there are no ids"
check_not "rmmod is refused as long as its symbols are in use" \
	rmmod hv_pviommu
check "rmmod apitest" rmmod apitest
check "and allowed then" rmmod hv_pviommu
is "$(hvctl iommu domain-count)" 0 "no domain left in the host"
load_all
modprobe apitest || give_up "modprobe apitest"
check "loaded again" wait_for 30 group_of $b
wait_for 30 group_of $a
wait_for 30 group_of $nvme
ids "loaded again"
no_faults "all the while"
