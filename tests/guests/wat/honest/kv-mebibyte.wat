;; Writes one value of 1 MiB less 1 KiB, under the same key in every call, and answers ok; traps when it is refused.
(module
;; include: keyvalue
;; include: set
;; include: memory
;; include: default-bucket
  (data (i32.const 1024) "large")
  (func (export "session-end") (param $event i32) (result i32)
    (local $value i32)
    (local.set $value (i32.shl (memory.grow (i32.const 16)) (i32.const 16)))
    (memory.fill (local.get $value) (i32.const 0x61) (i32.const 1047552))
    (call $set
      (call $default-bucket) (i32.const 1024) (i32.const 5) (local.get $value) (i32.const 1047552) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    i32.const 0))
