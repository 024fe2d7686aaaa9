/* SPDX-License-Identifier: Apache-2.0 */
/* Not used: patches/10-syscall-cp.patch makes cancellation points plain calls, so that the number stays a constant. */
