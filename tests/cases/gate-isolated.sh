# SPDX-License-Identifier: GPL-2.0
#: summary an isolated (confidential) VM: the module declines
#: hvsim --isolated --device nvme

declines "not for an isolated VM"
is "$(all_calls)" 0 "the pvIOMMU was not asked at all"
