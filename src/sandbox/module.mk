# SPDX-License-Identifier: Apache-2.0
sandbox_LIBS := -lseccomp
sandbox_NEEDS := base
