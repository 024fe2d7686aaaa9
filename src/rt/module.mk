# SPDX-License-Identifier: Apache-2.0
rt_CFLAGS := -Wconversion -Wsign-conversion
