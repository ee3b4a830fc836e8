# SPDX-License-Identifier: GPL-2.0
#: summary a module that leaves the flush out must make stale-iotlb fail
#: canary-of stale-iotlb
#: reason stale
