# SPDX-License-Identifier: Apache-2.0
# SHA-256 alone is taken, 24 KB: the shared library would cost every start 18,000 relocations (doc/decisions/013).
base_LIBS := -Wl,-Bstatic -lcrypto -Wl,-Bdynamic
