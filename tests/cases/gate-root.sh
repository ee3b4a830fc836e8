# SPDX-License-Identifier: GPL-2.0
#: summary a root partition: the module declines
#: hvsim --root --cpus 1

declines "not for a partition that owns the hardware"
is "$(all_calls)" 0 "the pvIOMMU was not asked at all"
