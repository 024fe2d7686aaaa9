;; The expected value of a narrow compare exchange is wrapped to the width of the access (threads proposal); it was compared whole
(module (memory (export "m") 1 1 shared)
 (func (export "rmw8") (result i64) (i64.atomic.rmw8.cmpxchg_u (i32.const 8) (i64.const 0x0200000000000000) (i64.const 32)))
 (func (export "rmw16") (result i32) (i32.store (i32.const 16) (i32.const 0x1234)) (i32.atomic.rmw16.cmpxchg_u (i32.const 16) (i32.const 0x77771234) (i32.const -1)))
 (func (export "rmw32") (result i64) (i64.atomic.rmw32.cmpxchg_u (i32.const 24) (i64.const 0x100000000) (i64.const -2)))
 (func (export "other") (result i64) (i64.atomic.rmw8.cmpxchg_u (i32.const 8) (i64.const 0x2021) (i64.const 1))))
