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

# Development driver: runs a module with a permissive gate (tests/vk/vk-tool.c); in no package.
$(B)/tests/vk-tool: $(B)/tests/vk/vk-tool.o $(call archives-to,vk)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) $(LDFLAGS_$(MODE)) -o $@ $< -Wl,--start-group $(call archives-to,vk) -Wl,--end-group $(call libs-to,vk)
$(B)/tests/vk/%.o: tests/vk/%.c $(vk_GENERATED)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(MODE)) -MMD -MP -c $< -o $@
-include $(wildcard $(B)/tests/vk/*.d)
