/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing beyond the generic flags. */
