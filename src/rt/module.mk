# SPDX-License-Identifier: Apache-2.0
rt_CFLAGS := -Wconversion -Wsign-conversion
rt_EXCLUDE := src/rt/fixture/fixture-object.c

# Objects for the unit tests, compiled from C instead of WASM: what the compiler would emit, in small.
RT_FIXTURE_CC ?= clang-22
RT_FIXTURE_FLAGS := -std=gnu17 -O1 -fPIC -g -gdwarf-5 -ffreestanding -fno-builtin -nostdlib -shared -fuse-ld=lld-22 -fvisibility=hidden \
                    -fno-stack-protector -fomit-frame-pointer -Isrc -Wl,-z,separate-loadable-segments -Wl,-Bsymbolic \
                    -Wl,-z,max-page-size=4096 -Wl,--hash-style=sysv -Wl,--build-id=none
RT_FIXTURES := $(B)/tests/rt-fixture.so $(B)/tests/rt-fixture-fixed.so
$(B)/tests/rt-fixture.so: src/rt/fixture/fixture-object.c src/abi/abi.h
	$(call say,FIXTURE,$@)
	$(Q)mkdir -p $(@D) && $(RT_FIXTURE_CC) $(RT_FIXTURE_FLAGS) -o $@ $<
$(B)/tests/rt-fixture-fixed.so: src/rt/fixture/fixture-object.c src/abi/abi.h
	$(call say,FIXTURE,$@)
	$(Q)mkdir -p $(@D) && $(RT_FIXTURE_CC) $(RT_FIXTURE_FLAGS) -gdwarf-4 -DFIXED_BASE -o $@ $<
$(patsubst src/rt/%.c,$(B)/tests/%,$(wildcard src/rt/test-*.c)): | $(RT_FIXTURES)

# The runner of the WebAssembly test suite (tests/spec/run): compiler and runtime in one process.
SPEC_RUNNER_OBJ := $(patsubst %,$(B)/tests/spec/%.o,spec-runner spec-module spec-value spec-thunk)
$(B)/tests/spec/%.o: tests/spec/%.c tests/spec/spec.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(MODE)) -MMD -MP -c $< -o $@
$(B)/tests/spec/%.o: tests/spec/%.S
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -c $< -o $@
-include $(SPEC_RUNNER_OBJ:.o=.d)
$(B)/spec-runner: $(SPEC_RUNNER_OBJ) $(B)/libaot.a $(B)/librt.a $(B)/libwasm.a $(B)/libbase.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS_$(MODE)) -o $@ $(SPEC_RUNNER_OBJ) -Wl,--start-group $(B)/libaot.a $(B)/librt.a $(B)/libwasm.a \
		$(B)/libbase.a -Wl,--end-group $(aot_LIBS) $(base_LIBS) -ljansson

# Ours in differential fuzzing (tests/fuzz-diff/run): compiler and runtime in one process, a fork for each module.
$(B)/tests/fuzz-diff/ours.o: tests/fuzz-diff/ours.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(MODE)) -MMD -MP -c $< -o $@
-include $(B)/tests/fuzz-diff/ours.d
$(B)/fuzz-diff-ours: $(B)/tests/fuzz-diff/ours.o $(B)/libaot.a $(B)/librt.a $(B)/libwasm.a $(B)/libbase.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS_$(MODE)) -o $@ $< -Wl,--start-group $(B)/libaot.a $(B)/librt.a $(B)/libwasm.a \
		$(B)/libbase.a -Wl,--end-group $(aot_LIBS) $(base_LIBS)

# The loader's fuzz target starts from a good object.
$(B)/fuzz/fuzz-object: | build/fuzz/corpus/object/fixture.so
build/fuzz/corpus/object/fixture.so: $(B)/tests/rt-fixture.so
	$(Q)mkdir -p $(@D) && cp $< $@

# For programs that embed the runtime (include/recompiler.h): everything it needs in one archive.
$(B)/librecompiler.a: $(B)/librt.a $(B)/libbase.a
	$(call say,AR,$@)
	$(Q)rm -f $@ && printf 'create %s\naddlib %s\naddlib %s\nsave\nend\n' $@ $^ | ar -M
$(B)/tests/test-embed: | $(B)/librecompiler.a
