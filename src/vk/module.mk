# SPDX-License-Identifier: Apache-2.0
vk_CFLAGS := -Wconversion -Wsign-conversion
vk_LIBS :=
vk_GENERATED := $(GEN)/syscalls.h

$(GEN)/syscalls.h: src/vk/syscalls.tbl tools/gen-syscalls
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && $(PYTHON) tools/gen-syscalls $< header > $@.tmp && mv $@.tmp $@

doc/syscalls.md: src/vk/syscalls.tbl tools/gen-syscalls
	$(call say,GEN,$@)
	$(Q)$(PYTHON) tools/gen-syscalls $< doc > $@.tmp && mv $@.tmp $@

# The runtime's object for unit tests, made by src/rt/module.mk.
$(B)/tests/test-threads: | $(B)/tests/rt-fixture.so
