;; at -O0 a tail call to a function of another type was a call: the stack ran out
(module
 (func $one (param i32 i64) (result i64)
   (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
   (return_call $two (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 3)) (f32.const 0) (i64.const 6) (i64.const 6) (f32.const 0) (f32.const 1)))
 (func $two (param i32 i64 f32 i64 i64 f32 f32) (result i64)
   (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
   (return_call $one (i32.sub (local.get 0) (i32.const 1)) (i64.rotl (local.get 1) (i64.const 3))))
 (func (export "tail0") (result i64) (return_call $one (i32.const 100000) (i64.const 1))))
