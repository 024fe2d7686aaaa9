;; SPDX-License-Identifier: Apache-2.0
;; The shape of a published WALI program: shared memory with a maximum, a start section that initialises memory once
;; behind an atomic flag, mutable __stack_pointer and __tls_base, a thread entry.
(module
  (import "wali" "SYS_write" (func $write (param i32 i32 i32) (result i64)))
  (import "wali" "__proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2 32768 shared)
  (global $stack (mut i32) (i32.const 65536))
  (global $tls (mut i32) (i32.const 0))
  (global $tls_size i32 (i32.const 16))
  (data $tdata "tls\0a")
  (data $rodata "wali program\0a")
  (start $init)
  (func $init
    (block $done
      (br_if $done (i32.atomic.rmw.cmpxchg (i32.const 2048) (i32.const 0) (i32.const 1)))
      (global.set $tls (i32.const 1024))
      (memory.init $tdata (i32.const 1024) (i32.const 0) (i32.const 4))
      (memory.init $rodata (i32.const 1100) (i32.const 0) (i32.const 13))
      (drop (memory.atomic.notify (i32.const 2048) (i32.const -1))))
    (data.drop $rodata))
  (func (export "__wasm_thread_start_libc") (param i32 i32)
    (global.set $stack (local.get 1)))
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 1100) (i32.const 13)))
    (drop (call $write (i32.const 1) (global.get $tls) (i32.const 4)))
    (call $exit (i32.add (global.get $tls_size) (i32.shr_u (global.get $stack) (i32.const 16))))))
