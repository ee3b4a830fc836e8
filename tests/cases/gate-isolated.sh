# SPDX-License-Identifier: GPL-2.0
#: summary an isolated (confidential) VM: the module declines
#: hvsim --isolated --device nvme

modprobe hv_pviommu 2>/tmp/err
is $? 1 "modprobe hv_pviommu fails"
check "with ENODEV" grep -q 'No such device' /tmp/err
check_not "it is not loaded" loaded hv_pviommu
log_has "the log says why" "hv_pviommu: not for an isolated VM"
is "$(loud_log)" "" "nothing above info in the log"
is "$(all_calls)" 0 "the pvIOMMU was not asked at all"
