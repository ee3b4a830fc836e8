# SPDX-License-Identifier: GPL-2.0
#: summary udev's way: the machine's names load the module, those of other machines do not
#: hvsim --device nvme
#: hvsim@other --sys-vendor Example
#: variant hyperv machine=hyperv
#: variant other machine=other

# What udev hands to modprobe when it comes across the machine itself.
modalias=$(cat /sys/class/dmi/id/modalias)
note "$modalias"

# resolved MODALIAS: the module that it stands for
resolved() { modprobe -R "$1" 2>/dev/null; }

case $machine in
hyperv)
	is "$(cat /sys/class/dmi/id/sys_vendor)" "Microsoft Corporation" \
		"the vendor of the machine"
	is "$(cat /sys/class/dmi/id/product_name)" "Virtual Machine" \
		"its product name"
	modprobe -b -- "$modalias"
	is $? 0 "modprobe takes the machine's modalias"
	check "the module is loaded" loaded hv_pviommu
	load_all
	wait_nvme
	is "$(kind_of nvme0)" paging "the disk is translated"
	# Other machines of the same vendor, and other vendors' of that name.
	other=$(echo "$modalias" | sed 's/:pnVirtualMachine:/:pnSurfacePro:/')
	is "$(resolved "$other")" "" "a machine that is not virtual"
	other=$(echo "$modalias" | sed 's/:svn[^:]*:/:svnExample:/')
	is "$(resolved "$other")" "" "a virtual machine of somebody else's"
	# Kernels have added fields between the names' neighbours.
	other="dmi:bvnX:bvr1:bd01/01/2020:br1.0:efr1.0:svnMicrosoftCorporation:pnVirtualMachine:pvrY:rvnZ:rn:rvr:cvn:ct3:cvr:sku:"
	is "$(resolved "$other")" hv_pviommu "another firmware version"
	;;
other)
	is "$(cat /sys/class/dmi/id/sys_vendor)" Example \
		"the vendor of the machine"
	is "$(resolved "$modalias")" "" "no module for this machine"
	modprobe -q -b -- "$modalias"
	check_not "the module is not loaded" loaded hv_pviommu
	is "$(own_log)" "" "nothing of it in the log"
	is "$(all_calls)" 0 "the pvIOMMU was not asked"
	;;
*)
	give_up "machine '$machine'"
	;;
esac
no_faults "all the while"
