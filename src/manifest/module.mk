# SPDX-License-Identifier: Apache-2.0
manifest_CFLAGS := -Wconversion -Wsign-conversion
manifest_LIBS := -Wl,-Bstatic -lsodium -ljansson -Wl,-Bdynamic
