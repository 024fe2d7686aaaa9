# SPDX-License-Identifier: Apache-2.0
wasm_CFLAGS := -Wconversion -Wsign-conversion
wasm_GENERATED := $(GEN)/opcodes.h

$(GEN)/opcodes.h: src/wasm/opcodes.tbl tools/gen-opcodes
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && $(PYTHON) tools/gen-opcodes $< > $@.tmp && mv $@.tmp $@

# The spec suite's runner (tests/spec-validate/run).
$(B)/spec-validate: tests/spec-validate/spec-validate.c $(B)/libwasm.a $(B)/libbase.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(MODE)) $(LDFLAGS_ALL) $(LDFLAGS_$(MODE)) -o $@ $< $(B)/libwasm.a $(B)/libbase.a -ljansson $(base_LIBS)
