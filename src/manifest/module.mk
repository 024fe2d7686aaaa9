# SPDX-License-Identifier: Apache-2.0
manifest_CFLAGS := -Wconversion -Wsign-conversion
manifest_LIBS := -l:libsodium.a -l:libjansson.a
