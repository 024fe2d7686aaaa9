# SPDX-License-Identifier: Apache-2.0
aot_CFLAGS := -I$(shell $(LLVM_CONFIG) --includedir 2>/dev/null)
aot_LIBS := -L$(shell $(LLVM_CONFIG) --libdir 2>/dev/null) -lLLVM-22 -lseccomp
aot_EXCLUDE := src/aot/recompiler-compile.c
aot_GENERATED := $(GEN)/codegen-id.h
