# SPDX-License-Identifier: Apache-2.0
# SHA-256 alone is taken, 24 KB (doc/decisions/013).
base_LIBS := -l:libcrypto.a
