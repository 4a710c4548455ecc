;; Writes "abc" and increments it, which has to be an error: traps when it is not, or when the text is not left alone.
(module
;; include: keyvalue
;; include: set
;; include: increment
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.get"
    (func $get (param $bucket i32) (param $key i32) (param $len i32) (param $answer i32)))
;; include: memory
;; include: default-bucket
  (data (i32.const 1024) "n" "abc")
  (func (export "session-end") (param $event i32) (result i32)
    (local $bucket i32)
    (local.set $bucket (call $default-bucket))
    (call $set (local.get $bucket) (i32.const 1024) (i32.const 1) (i32.const 1025) (i32.const 3) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (call $increment (local.get $bucket) (i32.const 1024) (i32.const 1) (i64.const 1) (i32.const 544))
    (if (i32.eqz (i32.load8_u (i32.const 544))) (then unreachable))
    (call $get (local.get $bucket) (i32.const 1024) (i32.const 1) (i32.const 544))
    ;; ok(some(3 bytes, "abc"))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 548)) (i32.const 1)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 556)) (i32.const 3)) (then unreachable))
    (if (i32.ne
          (i32.and (i32.load (i32.load (i32.const 552))) (i32.const 0xffffff))
          (i32.const 0x636261))
      (then unreachable))
    i32.const 0))
