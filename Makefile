# SPDX-License-Identifier: Apache-2.0
# make [MODE=rel|dbg|asan|ubsan|tsan|cov|fuzz] [TARGET]; `make help` lists targets.
# Every folder of src/ has a module.mk: what it is made of and what it needs. Output: build/MODE/.

MODE ?= rel
B := build/$(MODE)
GEN := build/gen
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON ?= python3
V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
else
Q :=
say = @:
endif

LLVM_CONFIG ?= llvm-config-22
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Wcast-align \
            -Wwrite-strings -Wimplicit-fallthrough -Wnull-dereference $(if $(WERROR),-Werror)
CPPFLAGS_ALL := -D_GNU_SOURCE -Isrc -Iinclude -I$(GEN)
CFLAGS_ALL := -std=gnu17 -g -fno-omit-frame-pointer -fvisibility=hidden -fPIE -pthread $(WARNINGS)
LDFLAGS_ALL := -pie -pthread -Wl,-z,relro,-z,now
CFLAGS_rel := -O2 -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=3
CFLAGS_dbg := -O1 -DRC_DEBUG
CFLAGS_asan := -O1 -DRC_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_ubsan := -O1 -DRC_DEBUG -fsanitize=undefined -fno-sanitize-recover=all
LDFLAGS_ubsan := -fsanitize=undefined
CFLAGS_tsan := -O1 -DRC_DEBUG -fsanitize=thread
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_cov := -O0 -DRC_DEBUG --coverage
LDFLAGS_cov := --coverage
CFLAGS_fuzz := -O1 -DRC_DEBUG -DRC_FUZZ -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_fuzz := -fsanitize=address,undefined
ifeq ($(MODE),fuzz)
CC := clang-22
endif

# In dependency order: a folder includes only folders to its left (tools/layers proves it).
FOLDERS := base wasm manifest abi rt aot vk sandbox image ttrpc shim agent cmd

.PHONY: all
all: programs

# define-folder: objects, archive, unit tests and fuzz targets of src/$(1).
#   $(1)_CFLAGS, $(1)_LIBS (for linking), $(1)_GENERATED (headers to make first), $(1)_EXCLUDE (sources that are mains)
define define-folder
$(1)_SRC := $$(filter-out $$($(1)_EXCLUDE),$$(filter-out src/$(1)/test-%.c src/$(1)/fuzz-%.c,$$(wildcard src/$(1)/*.c src/$(1)/*/*.c src/$(1)/*.S)))
$(1)_OBJ := $$(patsubst %,$(B)/%.o,$$(basename $$($(1)_SRC)))
$(1)_TESTS := $$(patsubst src/$(1)/%.c,$(B)/tests/%,$$(wildcard src/$(1)/test-*.c))
$(1)_FUZZ := $$(patsubst src/$(1)/%.c,$(B)/fuzz/%,$$(wildcard src/$(1)/fuzz-*.c))
UNIT_TESTS += $$($(1)_TESTS)
FUZZERS += $$($(1)_FUZZ)
$(B)/lib$(1).a: $$($(1)_OBJ)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
$(B)/src/$(1)/%.o: CFLAGS_FOLDER = $$($(1)_CFLAGS)
$(B)/src/$(1)/%.o: src/$(1)/%.c $$($(1)_GENERATED)
	$$(call say,CC,$$<)
	$$(Q)mkdir -p $$(@D) && $(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) $$(CFLAGS_$(MODE)) $$(CFLAGS_FOLDER) -MMD -MP -c $$< -o $$@
$(B)/src/$(1)/%.o: src/$(1)/%.S
	$$(call say,AS,$$<)
	$$(Q)mkdir -p $$(@D) && $(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) $$(CFLAGS_FOLDER) -MMD -MP -c $$< -o $$@
$(B)/tests/test-%: $(B)/src/$(1)/test-%.o $$(call archives-to,$(1))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $$(LDFLAGS_ALL) $$(LDFLAGS_$(MODE)) -o $$@ $$< -Wl,--start-group $$(call archives-to,$(1)) -Wl,--end-group $$(call libs-to,$(1))
$(B)/fuzz/fuzz-%: $(B)/src/$(1)/fuzz-%.o $$(call archives-to,$(1))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $$(LDFLAGS_ALL) $$(LDFLAGS_$(MODE)) $$(if $$(filter fuzz,$(MODE)),-fsanitize=fuzzer,) -o $$@ $$< -Wl,--start-group $$(call archives-to,$(1)) -Wl,--end-group $$(call libs-to,$(1))
-include $$($(1)_OBJ:.o=.d)
endef

# folders up to and including $(1), without aot unless it is $(1) itself or allowed (no runtime process links LLVM)
folders-to = $(call upto,$(1),$(FOLDERS))
upto = $(if $(2),$(if $(filter $(1),$(firstword $(2))),$(1),$(firstword $(2)) $(call upto,$(1),$(wordlist 2,99,$(2)))))
runtime-folders-to = $(filter-out $(if $(filter aot,$(1)),,aot),$(call folders-to,$(1)))
existing = $(foreach f,$(1),$(if $(wildcard src/$(f)/*.c src/$(f)/*/*.c),$(f)))
archives-to = $(foreach f,$(call existing,$(call runtime-folders-to,$(1))),$(B)/lib$(f).a)
libs-to = $(foreach f,$(call runtime-folders-to,$(1)),$($(f)_LIBS))

include $(foreach f,$(FOLDERS),$(wildcard src/$(f)/module.mk))
$(foreach f,$(FOLDERS),$(eval $(call define-folder,$(f))))

PROGRAMS := $(if $(wildcard src/cmd/recompiler.c),$(B)/recompiler) $(if $(wildcard src/aot/recompiler-compile.c),$(B)/recompiler-compile)
.PHONY: programs
programs: $(PROGRAMS)
$(B)/recompiler: $(B)/src/cmd/recompiler.o $(call archives-to,cmd)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS_$(MODE)) -o $@ $< -Wl,--start-group $(call archives-to,cmd) -Wl,--end-group $(call libs-to,cmd)
$(B)/recompiler-compile: $(B)/src/aot/recompiler-compile.o $(call archives-to,aot)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS_$(MODE)) -o $@ $< -Wl,--start-group $(call archives-to,aot) -Wl,--end-group $(call libs-to,aot)

.PHONY: unit fuzzers clean
unit: $(UNIT_TESTS)
fuzzers: $(FUZZERS)
clean:
	rm -rf build/rel build/dbg build/asan build/ubsan build/tsan build/cov build/fuzz build/gen
