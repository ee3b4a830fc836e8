# SPDX-License-Identifier: GPL-2.0
#: summary hosts whose capabilities are absent or make no sense
#: hvsim --device dmaprobe

# declined WHAT CONFIG LEVEL REGEX: LEVEL quiet (info at most) or error
declined() {
	dmesg -c >/dev/null
	hvctl iommu config "$2" >/dev/null || give_up "hvctl iommu config $2"
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
declined "width 57 without 5-level" width=57 error "57-bit"
declined "width 64" width=64 error "64-bit"
declined "width 255" width=255 error "255-bit"
declined "no 4K pages" width=48,pgsizes=2m+1g error "4 KiB"
declined "no stage 1" pgsizes=4k+2m+1g,s1=0 error "stage 1"
declined "PRESENT clear" s1=1,present=0 quiet "no pvIOMMU"
dmesg -c >/dev/null

hvctl iommu config present=1,width=48 >/dev/null
modprobe hv_pviommu disable=1 2>/tmp/err
is $? 1 "disable=1: declined"
log_has "disable=1: the log says so" "hv_pviommu: disabled by parameter"
is "$(loud_log)" "" "disable=1: nothing above info"
is "$(hvctl iommu domain-count)" 0 "disable=1: no domain in the host"
check "and with good ones it loads" modprobe hv_pviommu
load_all
check "and works" wait_for 10 group_of "$(probe_dev)"
