# SPDX-License-Identifier: GPL-2.0
#: summary functions of one group that are taken over one after the other
#: hvsim --device dmaprobe,functions=3
#: append iommu.strict=1
#: timeout 300

unbind() { echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"; }
kind() { hvctl iommu device "dmaprobe0.$1" | cut -d' ' -f2; }
kinds() { echo "$(kind 0) $(kind 1) $(kind 2)"; }

# taken_over WHAT FUNCTION: at once, as the group is to be there when the
# unbinding returns
taken_over() {
	unbind "$2"
	check "$1: ${2##*.} has a group as soon as it is unbound" has_group "$2"
}

# to_driver NAME FUNCTION: as scripts do it, without a second attempt
to_driver() {
	local name=$1 f=$2
	[ ! -e "/sys/bus/pci/devices/$f/driver" ] || unbind "$f"
	echo "$name" >"/sys/bus/pci/devices/$f/driver_override"
	echo "$f" >"/sys/bus/pci/drivers/$name/bind"
	is "$(driver_of "$f")" "$name" "${f##*.}: $name has it at the first try"
}

# works WHAT FUNCTION...: each writes to what its driver has mapped, and no
# longer when that is unmapped
works() {
	local what=$1 f page iova
	shift
	for f in "$@"; do
		wait_for 60 test -e "/dev/dmaprobe-$f" ||
			give_up "$what: ${f##*.} has a driver"
		page=$(dmaprobe "$f" alloc 1)
		iova=$(dmaprobe "$f" map "$page" bidir)
		check "$what: ${f##*.} writes" \
			dmaprobe "$f" write "$iova" 4096 0x22
		dmaprobe "$f" unmap "$page"
		is "$(dmaprobe "$f" write "$iova" 64 0x33)" \
			"fault not-present $iova" \
			"$what: ${f##*.} does not after unmap"
		check "$what: ${f##*.}: memory is as written" \
			dmaprobe "$f" check "$page" 0x22
	done
}

load_pci
load_dmaprobe
f0=$(probe_dev 0)
f1=$(probe_dev 1)
f2=$(probe_dev 2)
insmod "$(modinfo -n hv_pviommu)" || give_up "insmod hv_pviommu"
modprobe vfio-pci
modprobe vfio_iommu_type1
is "$(kinds)" "unattached unattached unattached" "all have drivers: left alone"

taken_over "the first one" "$f0"
is "$(kinds)" "paging unattached unattached" "no other one is"
to_driver dmaprobe "$f0"
works "the first one" "$f0"

# It joins the group while the other one is in use.
page=$(dmaprobe "$f0" alloc 1)
iova=$(dmaprobe "$f0" map "$page" bidir)
taken_over "the second one" "$f1"
is "$(group_of "$f1")" "$(group_of "$f0")" "it joins the group"
is "$(kinds)" "paging paging unattached" "in the same domain"
to_driver dmaprobe "$f1"
works "the second one" "$f1"
check "the first one still writes to what it had mapped" \
	dmaprobe "$f0" write "$iova" 4096 0x22
dmaprobe "$f0" unmap "$page"

# It joins while user space has the group.
to_driver vfio-pci "$f0"
to_driver vfio-pci "$f1"
vfio-probe hold "$f0" /tmp/held >/tmp/hold 2>&1 &
held=$!
check "VFIO owns the group" wait_for 60 test -e /tmp/held
taken_over "the third one" "$f2"
is "$(group_of "$f2")" "$(group_of "$f0")" "it joins the group"
is "$(kinds)" "blocked blocked blocked" "it is where the group is"
echo "$f2" >/sys/bus/pci/drivers/dmaprobe/bind
is "$(driver_of "$f2")" "" "no driver of the kernel gets it"
rm /tmp/held
wait $held
is "$(kinds)" "paging paging paging" "given back: all are in one domain"
to_driver dmaprobe "$f2"
works "the third one" "$f2"
unbind "$f2"
vfio-probe run "$f1" >/tmp/out 2>&1
is $? 0 "user space drives the second one through VFIO"

for f in $f0 $f1 $f2; do
	to_driver dmaprobe "$f"
done
works "all back" "$f0" "$f1" "$f2"
is "$(untranslated)" 0 "nothing is untranslated"

# Hot-added, they come without being adopted.
take_away dmaprobe0 || give_up "dmaprobe0 goes"
bring_back dmaprobe0 || give_up "dmaprobe0 comes back"
works "hot-added" "$f0" "$f1" "$f2"
is "$(kinds)" "paging paging paging" "hot-added: in one domain"
take_away dmaprobe0 || give_up "dmaprobe0 goes"
check "the module goes" rmmod hv_pviommu
is "$(hvctl iommu domain-count)" 0 "no domain is left in the host"
