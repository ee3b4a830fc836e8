# SPDX-License-Identifier: GPL-2.0
# removal HOW: what the cases eject and rescind have in common.

removal() {
	local how=$1 domains round=1 load
	load_all
	wait_nvme
	domains=$(hvctl iommu domain-count)
	while [ $round -le 3 ]; do
		fio --name=load --filename=/dev/nvme0n1 --direct=1 \
			--ioengine=libaio --iodepth=16 --rw=randrw --bs=16k \
			--size=32M --time_based --runtime=60 >/tmp/fio.log 2>&1 &
		load=$!
		check "round $round: I/O is in flight" wait_for 20 in_flight
		check "round $round: $how" hvctl vpci "$how" nvme0
		check "round $round: the device goes" wait_for 60 gone
		wait $load
		[ $? != 0 ]
		is $? 0 "round $round: fio saw an error"
		is "$(hvctl iommu domain-count)" $((domains - 1)) \
			"round $round: its domain is gone from the host"
		check "round $round: hot-add" hvctl vpci offer nvme0
		wait_nvme
		is "$(hvctl iommu device nvme0 | cut -d' ' -f2)" paging \
			"round $round: in a paging domain again"
		check "round $round: it reads" dd if=/dev/nvme0n1 of=/dev/null \
			bs=64k count=64 iflag=direct
		is "$(hvctl iommu domain-count)" "$domains" \
			"round $round: as many domains as before"
		round=$((round + 1))
	done
	no_faults "all the while"
}

in_flight() {
	[ "$(tr -d ' ' </sys/block/nvme0n1/inflight)" != 00 ]
}

gone() {
	[ "$(hvctl vpci state nvme0)" = absent ] && [ ! -e /dev/nvme0n1 ] &&
		! nvme_dev
}
