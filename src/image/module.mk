# SPDX-License-Identifier: Apache-2.0
# Tar, gzip, xz and zstd of it (doc/decisions/013).
image_LIBS := -l:libarchive.a -l:liblzma.a -l:libzstd.a -l:libz.a
image_GENERATED := $(GEN)/codegen-id.h

# What decides the bytes of an object: the code generator's sources, the layouts it emits, LLVM's version.
$(GEN)/codegen-id.h: $(wildcard src/aot/*.c src/aot/*.h src/abi/*.h) src/wasm/opcodes.tbl
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && printf '#define CODEGEN_ID "%s LLVM %s"\n' "$$(cat $^ | sha256sum | cut -c1-32)" "$$($(LLVM_CONFIG) --version)" > $@.tmp && mv $@.tmp $@
