# SPDX-License-Identifier: Apache-2.0
vk_CFLAGS := -Wconversion -Wsign-conversion
vk_LIBS := 
