;; SPDX-License-Identifier: Apache-2.0
;; Legacy exceptions with two tags of one type and one of another; tail calls; multi-value blocks.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (tag $first (param i32))
  (tag $second (param i32))
  (tag $none)
  (func $put (param $byte i32)
    (i32.store8 (i32.const 100) (local.get $byte))
    (i32.store (i32.const 0) (i32.const 100))
    (i32.store (i32.const 4) (i32.const 1))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $raise (param $which i32)
    (if (i32.eq (local.get $which) (i32.const 0)) (then (throw $first (i32.const 65))))
    (if (i32.eq (local.get $which) (i32.const 1)) (then (throw $second (i32.const 66))))
    (throw $none))
  (func $try (param $which i32)
    try
      local.get $which
      call $raise
    catch $second
      i32.const 32
      i32.or
      call $put
    catch $first
      call $put
    catch_all
      i32.const 63
      call $put
    end)
  (func $count (param $n i32) (param $sum i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (local.get $sum))))
    (return_call $count (i32.sub (local.get $n) (i32.const 1)) (i32.add (local.get $sum) (i32.const 1))))
  (func $swap (param i32 i32) (result i32 i32)
    (local.get 0) (local.get 1)
    (block (param i32 i32) (result i32 i32) (local.set 0) (local.set 1) (local.get 0) (local.get 1)))
  (func (export "_start")
    (call $try (i32.const 0))
    (call $try (i32.const 1))
    (call $try (i32.const 2))
    (call $put (i32.add (i32.const 48) (i32.rem_u (call $count (i32.const 1000003) (i32.const 0)) (i32.const 10))))
    (call $swap (i32.const 88) (i32.const 89))
    (call $put)
    (call $put)
    (call $put (i32.const 10))
    (call $raise (i32.const 1))))
