# SPDX-License-Identifier: GPL-2.0
# Entry points for people; `make help` lists them.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
JOBS ?= 3

# Where the headers have types of the kernel, kbuild wants to add those of the
# module by pahole, and fails if that is missing.
PAHOLE ?= pahole
no_btf = $(if $(wildcard $(KDIR)/vmlinux),$(if $(shell command -v \
	$(PAHOLE)),,CONFIG_DEBUG_INFO_BTF_MODULES=))

# A kernel that clang has built needs clang for its modules, too: of the same
# major version if there is one, or else the one that is called just "clang".
# DKMS says CC=clang or LLVM=1 of such a kernel; whatever else the caller says
# is left alone.
kconfig = $(firstword $(wildcard $(KDIR)/include/config/auto.conf \
	$(KDIR)/.config))
by_clang = $(if $(kconfig),$(shell grep -x CONFIG_CC_IS_CLANG=y $(kconfig)))
clang_version = $(shell sed -nE \
	's/^CONFIG_CC_VERSION_TEXT=.*clang version ([0-9]+).*/\1/p' $(kconfig))
has_clang = $(shell command -v clang$(1) && command -v ld.lld$(1))
clang_suffix = $(if $(call has_clang,-$(clang_version)),-$(clang_version))
given = $(if $(filter command,$(firstword $(origin $(1)))),$($(1)))
own_compiler = $(filter-out 1,$(LLVM))$(filter-out clang,$(call given,CC))
use_clang = $(if $(own_compiler),,$(by_clang))
llvm = $(if $(use_clang),$(foreach s,$(or $(clang_suffix),none),\
	LLVM=$(s:none=1) $(if $(call given,CC),CC=clang$(s:none=)) \
	$(if $(call given,LD),LD=ld.lld$(s:none=))))
no_clang = $(if $(use_clang),$(if $(clang_suffix)$(call has_clang),,yes))

# Which kernels the boot cases run on: tests/run --list-kernels
KERNELS ?= 6.1
CORE_KERNELS ?= $(filter-out $(KERNELS),6.12 7.3)

export HVP_BUILD ?= $(CURDIR)/build
VERSION := $(shell cat VERSION)

# Neither make nor kbuild can work with such names, and "rm -rf" must not see a
# part of one.
odd_characters := : ; \# % $$ & | < > ( ) [ ] { } * ? ! ' " ` \\
odd_characters := $(subst \\,\,$(odd_characters))
is_odd = $(filter-out 1,$(words -$(1)-))$(strip \
	$(foreach c,$(odd_characters),$(findstring $(c),$(1))))
$(foreach v,CURDIR KDIR DESTDIR HVP_BUILD,$(if $(call is_odd,$($(v))),\
	$(error $(if $(filter CURDIR,$v),this directory,$(v)) is \
	"$($(v))": its name has a space or another character that make \
	cannot work with. Use a directory with a plain name)))

# "make -C" goes to other directories.
destdir := $(if $(DESTDIR),$(abspath $(DESTDIR)))
tarball := $(HVP_BUILD)/dist/hv-pviommu-$(VERSION).tar.gz

.PHONY: modules install tools install-tools deps demo check unit coverage fuzz
.PHONY: static boot check-mutants check-packages dist deb rpm hvsim clean help

modules: ## build hv_pviommu.ko for the running kernel, or KVER=VERSION
	@test -e $(KDIR)/Makefile || { echo "no kernel headers in $(KDIR):" \
		"install linux-headers-$(KVER), or name another KVER" >&2; \
		exit 1; }
	$(if $(no_btf),@echo "no pahole (Debian: package pahole):" \
		"the module is built without BTF type information" >&2)
	@test -z "$(no_clang)" || { echo "this kernel was built by clang" \
		"$(clang_version), and so must its modules: install clang," \
		"lld and llvm (Debian: packages of these names, or" \
		"clang-$(clang_version) lld-$(clang_version)" \
		"llvm-$(clang_version)), or name a compiler by CC" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR)/src $(no_btf) $(llvm) modules

tools: ## build hv-pviommu, the status command
	@$(MAKE) --no-print-directory -C src/tools O=$(HVP_BUILD)/tools

install-tools: tools ## install hv-pviommu and its man page (prefix=/usr/local)
	@umask 022 && $(MAKE) --no-print-directory -C src/tools \
		O=$(HVP_BUILD)/tools $(if $(destdir),DESTDIR=$(destdir)) install

# What is installed is for all users to read, whatever root's umask: without
# the lists of depmod, they could not ask modinfo for any module at all.
install: modules install-tools ## install the module, its configuration, and the tool
	chmod a+r src/hv_pviommu.ko
	umask 022 && $(MAKE) -C $(KDIR) M=$(CURDIR)/src $(llvm) \
		INSTALL_MOD_PATH=$(destdir) modules_install
	umask 022 && install -D -m 644 src/modprobe.d/hv-pviommu.conf \
		$(destdir)/etc/modprobe.d/hv-pviommu.conf
	umask 022 && install -D -m 644 src/systemd/hv-pviommu.service \
		$(destdir)/etc/systemd/system/hv-pviommu.service
	install -d -m 755 $(destdir)/etc/systemd/system/sysinit.target.wants
	ln -sf ../hv-pviommu.service \
		$(destdir)/etc/systemd/system/sysinit.target.wants/hv-pviommu.service
	umask 022 && if [ -d $(destdir)/etc/initramfs-tools ]; then \
		install -D -m 755 debian/initramfs/hv-pviommu \
			$(destdir)/etc/initramfs-tools/hooks/hv-pviommu && \
		install -D -m 755 src/initramfs/hv-pviommu \
			$(destdir)/etc/initramfs-tools/scripts/init-top/hv-pviommu; \
	fi
	umask 022 && if [ -d $(destdir)/usr/lib/dracut/modules.d ]; then \
		install -d $(destdir)/usr/lib/dracut/modules.d/90hv-pviommu && \
		install -m 755 src/initramfs/hv-pviommu src/dracut/*.sh \
			$(destdir)/usr/lib/dracut/modules.d/90hv-pviommu; \
	fi
	umask 022 && depmod $(if $(destdir),-b $(destdir)) -a $(KVER)

deps: ## install what the targets below need (Debian packages)
	@tests/lib/deps.sh

demo: deps ## boot a stock Debian kernel and show the module at work
	@tests/demo

check: deps ## all tests: unit tests, static checks, boot cases
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory static
	@$(MAKE) --no-print-directory boot

unit: deps ## unit tests (with ASan and UBSan) and coverage; tests of the tool
	@$(MAKE) --no-print-directory -C tests/unit O=$(HVP_BUILD)/unit check
	@$(MAKE) --no-print-directory -C tests/tools \
		O=$(HVP_BUILD)/tools-test check
	@$(MAKE) --no-print-directory -C tests/fuzz O=$(HVP_BUILD)/fuzz smoke
	@$(MAKE) --no-print-directory coverage

coverage: deps ## how much of the portable sources the unit tests run
	@$(MAKE) --no-print-directory -C tests/unit O=$(HVP_BUILD)/unit coverage

fuzz: deps ## fuzz them with libFuzzer, FUZZ_TIME=600 seconds each
	@tests/lib/deps.sh clang libclang-rt-dev
	@$(MAKE) --no-print-directory -C tests/fuzz O=$(HVP_BUILD)/fuzz fuzz

static: deps ## compiler and sparse warnings, compile probes, layers, documentation
	@tests/run --build
	@prove -j 2 --timer -e bash tests/static/run tests/static/compat \
		tests/static/kernels/run tests/static/build tests/static/boot

boot: deps ## boot cases on KERNELS, the core ones on CORE_KERNELS; JOBS=N at a time
	@for k in $(KERNELS) $(CORE_KERNELS); do \
		tests/run --kernel $$k --build || exit 1; done
	@tests/run --matrix $(HVP_BUILD)/matrix '$(KERNELS)' '$(CORE_KERNELS)'
	@: >$(HVP_BUILD)/failures
	@cd $(HVP_BUILD)/matrix && HVP_FAILURES=$(HVP_BUILD)/failures \
		prove -j $(JOBS) --timer \
		-e '$(CURDIR)/tests/run --no-build' */*.sh || { \
		echo 'Failed:'; cat $(HVP_BUILD)/failures; exit 1; }

check-mutants: deps ## break the module in known ways, and see the tests fail; MUTANTS='NAME...'
	@tests/mutants/run $(MUTANTS)

check-packages: deps ## install real packages into real roots, boot those; JOBS=N at a time
	@prove -j $(JOBS) --timer -e bash tests/packaging/*.sh

dist: ## the release tarball of the last commit, in build/dist
	@tests/lib/dist.sh

deb: dist ## build Debian packages from that, into build/deb
	@tests/lib/deps.sh dpkg-dev debhelper dh-dkms
	@rm -rf $(HVP_BUILD)/deb && mkdir -p $(HVP_BUILD)/deb
	@tar -C $(HVP_BUILD)/deb -xf $(tarball)
	@cd $(HVP_BUILD)/deb/hv-pviommu-$(VERSION) && \
		env -u MAKEFLAGS dpkg-buildpackage -us -uc >../log 2>&1 || { \
		tail -n 30 ../log >&2; \
		echo "cannot build the packages, see $(HVP_BUILD)/deb/log" >&2; \
		exit 1; }
	@rm -r $(HVP_BUILD)/deb/hv-pviommu-$(VERSION)
	@ls $(HVP_BUILD)/deb/*.deb

rpm: ## RPM packages of the last commit, in build/rpm
	@tests/lib/rpm.sh

hvsim: deps ## build the test host, build/hvsim/hvsim
	@$(MAKE) --no-print-directory -C tests/hvsim O=$(HVP_BUILD)/hvsim

clean: ## remove what was built (the download cache stays)
	@rm -rf $(HVP_BUILD)
	@rm -f src/*.o src/*.ko src/*.mod src/*.mod.c src/.*.cmd src/.*.o.d \
		src/compat/*.probe src/compat/.*.cmd src/compat/config.h \
		src/Module.symvers src/modules.order

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16
	@echo
	@echo 'Single boot cases: tests/run --list, tests/run [--kernel NAME] CASE...'
	@echo 'HVSIM_ACCEL=kvm|tcg decides where guests run (default: what works here)'
