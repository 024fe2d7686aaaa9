;; SPDX-License-Identifier: Apache-2.0
;; even and odd call each other; recursion-b.wat has the same two in another order, with other indices and padding.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $even (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (call $odd (i32.sub (local.get 0) (i32.const 1))))
  (func $odd (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (call $even (i32.sub (local.get 0) (i32.const 1))))
  (func $unused (result i32) (i32.const 12345))
  (func (export "_start")
    (call $exit (i32.add (i32.const 10) (call $even (i32.const 10))))))
