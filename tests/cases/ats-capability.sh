# SPDX-License-Identifier: GPL-2.0
#: core
#: since 7.1
#: summary the kernel is told truthfully which devices can use ATS (7.1 on)
#: hvsim --device dmaprobe,ats --device dmaprobe,ats=unaligned --device dmaprobe
#: hvsim@offered --iommu ats
#: hvsim@not-offered --iommu ats=0
#: variant offered iommu.strict=1
#: variant not-offered iommu.strict=0

EOPNOTSUPP=-95

# The kernel's own question, on behalf of what iommufd tells user space.
says() {
	echo "ats $1" >/proc/apitest
	cat /proc/apitest
}

load_pci
check "modprobe apitest" modprobe apitest
a=$(probe_dev 0) b=$(probe_dev 1) c=$(probe_dev 2)
for d in $a $b $c; do
	check "$d is translated" wait_for 30 group_of $d
done

# The variants differ in that, too.
ats=0
grep -qw iommu.strict=1 /proc/cmdline && ats=0x1
want="$ats 0 0"
case $(uname -r) in
6.* | 7.0.*) want="$EOPNOTSUPP $EOPNOTSUPP $EOPNOTSUPP" ;;
esac
is "$(says $a) $(says $b) $(says $c)" "$want" \
	"ATS: of a device that has it, one that cannot use it, one without"
