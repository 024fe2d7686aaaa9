# SPDX-License-Identifier: Apache-2.0
base_LIBS := -lcrypto
