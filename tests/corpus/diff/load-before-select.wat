;; Loads out of bounds whose value a select may not need: LLVM made a branch around the load of a cmov with a memory operand, and
;; AVX-512's masked load does not fault; the trap was lost
(module (memory (export "m") 1) (global (export "g") (mut f64) (f64.const 0))
 (func $pick (param $c i32) (param $a f32) (param $b f32) (result i64) (local $v i64)
   (local.set $v (i64.load16_u (i32.const 2147483640)))
   (if (result i64) (f32.lt (local.get $a) (local.get $b)) (then (local.get $v)) (else (i64.sub (local.get $v) (local.get $v)))))
 (func (export "cmov") (result i64)
   (i64.store16 (i32.const 8) (call $pick (i32.load (i32.const 0)) (f32.load (i32.const 1600)) (f32.const 0))) (i64.load (i32.const 8)))
 (func $mask (param $c i32)
   (global.set 0 (select (f64.abs (f64.const -65535)) (f64.load (i32.const -4)) (local.get $c))))
 (func (export "masked") (i32.store (i32.const 1136) (i32.const 7)) (call $mask (i32.load (i32.const 1136)))))
