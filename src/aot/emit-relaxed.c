/* SPDX-License-Identifier: Apache-2.0 */
#include "aot/aot-int.h"
bool emit_simd(Emit *e, const WasmInstr *instr) { (void)e; (void)instr; return false; }
bool emit_relaxed_simd(Emit *e, const WasmInstr *instr) { (void)e; (void)instr; return false; }
