# SPDX-License-Identifier: Apache-2.0
wasm_CFLAGS := -Wconversion -Wsign-conversion
wasm_GENERATED := $(GEN)/opcodes.h

$(GEN)/opcodes.h: src/wasm/opcodes.tbl tools/gen-opcodes
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && $(PYTHON) tools/gen-opcodes $< > $@.tmp && mv $@.tmp $@
