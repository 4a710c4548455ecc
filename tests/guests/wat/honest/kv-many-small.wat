;; Writes 9 000 keys with 4 bytes each, the same ones in every call, and answers ok; traps when one is refused.
(module
;; include: keyvalue
;; include: set
;; include: memory
;; include: default-bucket
;; include: fill-bucket
  (func (export "session-end") (param $event i32) (result i32)
    (local $bucket i32) (local $left i32)
    (local.set $bucket (call $default-bucket))
    (memory.fill (i32.const 2048) (i32.const 0x61) (i32.const 4))
    (local.set $left (i32.const 9000))
    (loop $another
      (call $next-key)
      (call $set
        (local.get $bucket) (i32.const 1024) (i32.const 8) (i32.const 2048) (i32.const 4) (i32.const 544))
      (if (i32.load8_u (i32.const 544)) (then unreachable))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $another (local.get $left)))
    i32.const 0))
