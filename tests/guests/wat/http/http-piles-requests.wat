;; Makes requests with a method of 200 KiB and neither sends nor drops them.
(module
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-request" (func $request (param $fields i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-method"
    (func $set-method (param $request i32) (param $method i32) (param $text i32) (param $len i32) (result i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (local $text i32)
    (local.set $text (i32.shl (memory.grow (i32.const 4)) (i32.const 16)))
    (memory.fill (local.get $text) (i32.const 0x41) (i32.const 204800))
    (loop $again
      ;; Case 9 of `method` is another one than the standard's.
      (if (call $set-method (call $request (call $fields)) (i32.const 9) (local.get $text) (i32.const 204800))
        (then unreachable))
      (br $again))
    unreachable))
