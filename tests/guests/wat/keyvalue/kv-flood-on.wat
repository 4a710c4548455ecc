;; Writes 4 KiB under one new key after another for ever and does not mind being refused.
(module
;; include: keyvalue
;; include: set
;; include: memory
;; include: default-bucket
;; include: fill-bucket
  (global $fresh (mut i32) (i32.const 0))
  (func (export "session-end") (param $event i32) (result i32)
    (local $bucket i32)
    (local.set $bucket (call $default-bucket))
    (memory.fill (i32.const 2048) (i32.const 0x61) (i32.const 4096))
    (global.set $fresh (global.get $heap))
    (loop $another
      (call $set-another (local.get $bucket))
      ;; The texts of the refusals would fill its memory, which is another guest's trick.
      (global.set $heap (global.get $fresh))
      (br $another))
    unreachable))
