# SPDX-License-Identifier: Apache-2.0
zygote_CFLAGS := -Wconversion -Wsign-conversion

# src/zygote by hand (tests/zygote/run, bench/start): linked like the command, because what a fork copies is measured.
$(B)/tests/zygote/zygote-driver.o: tests/zygote/zygote-driver.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(MODE)) -MMD -MP -c $< -o $@
-include $(B)/tests/zygote/zygote-driver.d
ZYGOTE_DRIVER_LIBS = $(call archives-to,cmd)
.SECONDEXPANSION:
$(B)/zygote-driver: $(B)/tests/zygote/zygote-driver.o $$(ZYGOTE_DRIVER_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS_$(MODE)) $(STATIC_PIE) -o $@ $< -Wl,--start-group $(ZYGOTE_DRIVER_LIBS) -Wl,--end-group $(call libs-to,cmd)
