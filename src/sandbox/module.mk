# SPDX-License-Identifier: Apache-2.0
sandbox_CFLAGS := -Wconversion -Wsign-conversion
sandbox_GENERATED := $(GEN)/seccomp-filters.h

$(GEN)/gen-seccomp: tools/gen-seccomp.c
	$(call say,HOSTCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu17 -D_GNU_SOURCE -O1 -o $@ $< -lseccomp
$(GEN)/seccomp-filters.h: src/sandbox/seccomp.tbl $(GEN)/gen-seccomp
	$(call say,GEN,$@)
	$(Q)$(GEN)/gen-seccomp $< > $@.tmp && mv $@.tmp $@
