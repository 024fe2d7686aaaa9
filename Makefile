# SPDX-License-Identifier: Apache-2.0
# make [MODE=rel|dbg|asan|ubsan|tsan|cov|fuzz] [TARGET]; `make help` lists targets.
# Every folder of src/ has a module.mk: what it is made of and what it needs. Output: build/MODE/.
#   x_CFLAGS     extra flags of the folder          x_LIBS       libraries it needs at link time
#   x_GENERATED  headers made before compiling it and the folders after it      x_EXCLUDE    sources with a main(), not part of libx.a
#   x_NEEDS      folders its unit tests link with (default: all folders before it)

MODE ?= rel
B := build/$(MODE)
GEN := build/gen
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON ?= python3
JOBS ?= $(shell nproc)
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
# What runs guests is one file without a dynamic linker: every start and every fork is cheaper (doc/decisions/013). Sanitizers need theirs.
STATIC_PIE := $(if $(filter rel dbg,$(MODE)),-static-pie)
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

# Assignments on the command line reach every $(MAKE); an outer -j is kept, otherwise all processors are used.
PARALLEL = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

# In dependency order: a folder includes only folders to its left (tools/layers proves it).
FOLDERS := base wasm manifest abi rt aot vk sandbox image zygote ttrpc shim agent cmd

.PHONY: all help
all: programs ## build the executables (default)
help: ## this list
	@echo 'make [MODE=rel|dbg|asan|ubsan|tsan|cov|fuzz] [TARGET]     (MODE is rel unless given; output in build/MODE)'
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

# What the compiler was called with: when it changes, everything is compiled again.
FLAGS := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(MODE)) $(LDFLAGS_ALL) $(LDFLAGS_$(MODE))
.PHONY: FORCE
$(B)/flags: FORCE
	@mkdir -p $(@D) && { printf '%s\n' '$(FLAGS)' | cmp -s - $@ || printf '%s\n' '$(FLAGS)' > $@; }
# Objects of tests and fuzz targets are reached through pattern rules only: keep them.
.SECONDARY:

# define-folder: objects, archive, unit tests and fuzz targets of src/$(1).
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
$(B)/src/$(1)/%.o: src/$(1)/%.c $(B)/flags | $$(foreach f,$$(call runtime-folders-to,$(1)),$$($$f_GENERATED))
	$$(call say,CC,$$<)
	$$(Q)mkdir -p $$(@D) && $(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) $$(CFLAGS_$(MODE)) $$(CFLAGS_FOLDER) -MMD -MP -c $$< -o $$@
$(B)/src/$(1)/%.o: src/$(1)/%.S $(B)/flags
	$$(call say,AS,$$<)
	$$(Q)mkdir -p $$(@D) && $(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) $$(CFLAGS_FOLDER) -MMD -MP -c $$< -o $$@
$(B)/tests/test-%: $(B)/src/$(1)/test-%.o $$(call archives-to,$(1))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $$(LDFLAGS_ALL) $$(LDFLAGS_$(MODE)) -o $$@ $$< -Wl,--start-group $$(call archives-to,$(1)) -Wl,--end-group $$(call libs-to,$(1))
$(B)/fuzz/fuzz-%: $(B)/src/$(1)/fuzz-%.o $$(call archives-to,$(1))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $$(LDFLAGS_ALL) $$(LDFLAGS_$(MODE)) $$(if $$(filter fuzz,$(MODE)),-fsanitize=fuzzer,) -o $$@ $$< -Wl,--start-group $$(call archives-to,$(1)) -Wl,--end-group $$(call libs-to,$(1))
-include $$($(1)_OBJ:.o=.d) $$(patsubst src/%.c,$(B)/src/%.d,$$(wildcard src/$(1)/test-*.c src/$(1)/fuzz-*.c))
endef

# folders up to and including $(1), without aot unless it is $(1) itself or allowed (no runtime process links LLVM)
folders-to = $(call upto,$(1),$(FOLDERS))
upto = $(if $(2),$(if $(filter $(1),$(firstword $(2))),$(1),$(firstword $(2)) $(call upto,$(1),$(wordlist 2,99,$(2)))))
runtime-folders-to = $(if $($(1)_NEEDS),$($(1)_NEEDS) $(1),$(filter-out $(if $(filter aot,$(1)),,aot),$(call folders-to,$(1))))
existing = $(foreach f,$(1),$(if $(wildcard src/$(f)/*.c src/$(f)/*/*.c),$(f)))
archives-to = $(foreach f,$(call existing,$(call runtime-folders-to,$(1))),$(B)/lib$(f).a)
libs-to = $(foreach f,$(call runtime-folders-to,$(1)),$($(f)_LIBS))

include $(foreach f,$(FOLDERS),$(wildcard src/$(f)/module.mk))
$(foreach f,$(FOLDERS),$(eval $(call define-folder,$(f))))

# program: a main() outside the archives. $(1) executable, $(2) its source without .c, $(3) the folder whose archives it links, $(4) more flags
define define-program
PROGRAMS += $$(if $$(wildcard $(2).c),$(B)/$(1))
$(B)/$(1): $(B)/$(2).o $$(call archives-to,$(3))
	$$(call say,LINK,$$@)
	$$(Q)$(CC) $$(LDFLAGS_ALL) $$(LDFLAGS_$(MODE)) $(4) -o $$@ $$< -Wl,--start-group $$(call archives-to,$(3)) -Wl,--end-group $$(call libs-to,$(3))
-include $(B)/$(2).d
endef
$(eval $(call define-program,recompiler,src/cmd/recompiler,cmd,$(STATIC_PIE)))
$(eval $(call define-program,recompiler-compile,src/aot/recompiler-compile,aot))
$(eval $(call define-program,containerd-shim-recompiler-v1,src/shim/containerd-shim-recompiler-v1,shim))

.PHONY: programs unit fuzzers clean
programs: $(PROGRAMS)
unit: $(UNIT_TESTS) ## build the unit tests (build/MODE/tests/test-NAME builds one)
fuzzers: $(FUZZERS)

# --- the machine, the guest's side ---
.PHONY: bootstrap sdk images
bootstrap: ## install the packages that build, demo and tests need (Debian 12, root)
	$(Q)tools/bootstrap
# Guest programs do not depend on MODE: they are built and signed with the release executables. Both Makefiles take a lock themselves
# (here a second one on the same file would wait for ever).
sdk: ## build the guest SDK: sysroot and recompiler-cc
	+$(Q)$(PARALLEL) -C sdk
images: sdk ## build the images into build/images
	+$(Q)$(PARALLEL) MODE=rel programs
	+$(Q)$(PARALLEL) -C images MODE=rel

# --- tests ---
# Bootstrapping comes before anything asks for a compiler or for llvm-config, hence the second make.
.PHONY: check check-built demo spec bench soak
check: ## bootstrap, build, run every test; the last line says how many passed
	$(Q)tools/bootstrap
	+$(Q)$(PARALLEL) check-built
check-built: programs unit
	$(Q)tests/run --mode $(MODE) $(CHECK_FLAGS)
demo: ## bootstrap, build everything, show the main job
	$(Q)tools/bootstrap
	+$(Q)$(PARALLEL) programs
	+$(Q)$(PARALLEL) images
	$(Q)tools/demo
spec: ## the WebAssembly test suite
	+$(Q)$(PARALLEL) programs unit
	$(Q)BUILD=$(CURDIR)/$(B) MODE=$(MODE) tests/spec/run
bench: ## every benchmark; bench/NAME runs one
	+$(Q)$(PARALLEL) programs
	+$(Q)$(PARALLEL) images
	$(Q)for bench in bench/*; do \
		if [ -f "$$bench" ] && [ -x "$$bench" ]; then echo "== $$bench"; "$$bench" || exit 1; fi; done
SOAK_MINUTES ?= 30
soak: ## run the tests again and again for SOAK_MINUTES=30
	$(Q)tools/bootstrap
	+$(Q)$(PARALLEL) programs unit
	$(Q)tests/run --mode $(MODE) --minutes $(SOAK_MINUTES)

# --- fuzzing ---
.PHONY: fuzz fuzz-smoke
FUZZ_SECONDS ?= 600
fuzz: ## every fuzz target for FUZZ_SECONDS=600; corpus kept in build/fuzz/corpus
	+$(Q)$(PARALLEL) MODE=fuzz fuzzers
	$(Q)tools/fuzz $(FUZZ_SECONDS) $(FUZZ_ONLY)
SECONDS ?= 600
SEED ?= $(shell date +%s)
.PHONY: fuzz-diff
fuzz-diff: ## random modules here, in V8 and in wabt for SECONDS=600 from SEED: results, traps, memory, globals, tables
	+$(Q)$(PARALLEL) $(B)/fuzz-diff-ours
	$(Q)MODE=$(MODE) tests/fuzz-diff/run --seconds $(SECONDS) --seed $(SEED) $(if $(KIND),--kind $(KIND))
fuzz-smoke: ## every fuzz target for 10 seconds
	+$(Q)$(PARALLEL) MODE=fuzz fuzzers
	$(Q)tools/fuzz 10 $(FUZZ_ONLY)

# --- installing ---
PREFIX ?= /usr/local
DESTDIR ?=
.PHONY: install
install: programs ## install below PREFIX=/usr/local (and DESTDIR=)
	$(Q)install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/doc/recompiler'
	$(Q)install -m 0755 $(PROGRAMS) '$(DESTDIR)$(PREFIX)/bin'
	$(Q)install -m 0644 $(wildcard LICENSE README.md CHANGELOG.md SECURITY.md) '$(DESTDIR)$(PREFIX)/share/doc/recompiler'
	$(Q)$(if $(wildcard include/recompiler.h),install -d '$(DESTDIR)$(PREFIX)/include' && install -m 0644 include/recompiler.h '$(DESTDIR)$(PREFIX)/include')
	@echo 'installed in $(DESTDIR)$(PREFIX)'

clean: ## remove build output of every mode (images and the SDK stay)
	rm -rf build/rel build/dbg build/asan build/ubsan build/tsan build/cov build/fuzz/src build/fuzz/fuzz build/fuzz/*.a build/gen
