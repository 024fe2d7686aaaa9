# SPDX-License-Identifier: Apache-2.0
image_LIBS := -larchive -ljansson
