# SPDX-License-Identifier: Apache-2.0
rt_CFLAGS := -Wconversion -Wsign-conversion
rt_EXCLUDE := src/rt/fixture/guest.c

# Objects for the unit tests, compiled from C instead of WASM: what the compiler would emit, in small.
RT_FIXTURE_CC ?= clang-22
RT_FIXTURE_FLAGS := -std=gnu17 -O1 -fPIC -g -gdwarf-5 -ffreestanding -fno-builtin -nostdlib -shared -fuse-ld=lld-22 -fvisibility=hidden \
                    -fno-stack-protector -fomit-frame-pointer -Isrc -Wl,-z,separate-loadable-segments -Wl,-Bsymbolic \
                    -Wl,-z,max-page-size=4096 -Wl,--hash-style=sysv -Wl,--build-id=none
RT_FIXTURES := $(B)/tests/rt-fixture.so $(B)/tests/rt-fixture-fixed.so
$(B)/tests/rt-fixture.so: src/rt/fixture/guest.c src/abi/abi.h
	$(call say,FIXTURE,$@)
	$(Q)mkdir -p $(@D) && $(RT_FIXTURE_CC) $(RT_FIXTURE_FLAGS) -o $@ $<
$(B)/tests/rt-fixture-fixed.so: src/rt/fixture/guest.c src/abi/abi.h
	$(call say,FIXTURE,$@)
	$(Q)mkdir -p $(@D) && $(RT_FIXTURE_CC) $(RT_FIXTURE_FLAGS) -DFIXED_BASE -o $@ $<
$(patsubst src/rt/%.c,$(B)/tests/%,$(wildcard src/rt/test-*.c)): | $(RT_FIXTURES)
