# SPDX-License-Identifier: Apache-2.0
# start.s - what a spawned thread runs first: its stack and thread-local storage, then C, then the word that thread_join waits for. Once that is
# written the stack belongs to the joining thread, so nothing after it may use it.
	.globaltype	__stack_pointer, i32
	.functype	__wasm_init_tls (i32) -> ()
	.functype	thread_main (i32, i32) -> ()

	.text
	.globl	thread_start
	.type	thread_start,@function
thread_start:
	.functype	thread_start (i32, i32) -> ()
	local.get	1
	i32.load	0
	global.set	__stack_pointer
	local.get	1
	i32.load	4
	call	__wasm_init_tls
	local.get	0
	local.get	1
	call	thread_main
	local.get	1
	i32.const	1
	i32.atomic.store	8
	local.get	1
	i32.const	-1
	memory.atomic.notify	8
	drop
	end_function
	.export_name	thread_start, wasi_thread_start
