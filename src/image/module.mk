# SPDX-License-Identifier: Apache-2.0
# libarchive is loaded at need: archive-lazy.h.
image_LIBS :=
image_GENERATED := $(GEN)/codegen-id.h

# What decides the bytes of an object: the code generator's sources, the layouts it emits, LLVM's version.
$(GEN)/codegen-id.h: $(wildcard src/aot/*.c src/aot/*.h src/abi/*.h) src/wasm/opcodes.tbl
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && printf '#define CODEGEN_ID "%s LLVM %s"\n' "$$(cat $^ | sha256sum | cut -c1-32)" "$$($(LLVM_CONFIG) --version)" > $@.tmp && mv $@.tmp $@
