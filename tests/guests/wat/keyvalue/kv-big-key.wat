;; Writes one byte under a key of 100 KiB; answers err(retry(…)) with the refusal's text, or ok when it is taken.
(module
;; include: keyvalue
;; include: set
;; include: memory
;; include: default-bucket
;; include: retry-with
;; include: store-error
  (func (export "session-end") (param $event i32) (result i32)
    (local $key i32)
    (local.set $key (i32.shl (memory.grow (i32.const 2)) (i32.const 16)))
    (memory.fill (local.get $key) (i32.const 0x6b) (i32.const 102400))
    (call $set (call $default-bucket) (local.get $key) (i32.const 102400) (local.get $key) (i32.const 1)
      (i32.const 544))
    (if (i32.load8_u (i32.const 544))
      (then (return (call $retry-with-error (i32.const 548)))))
    i32.const 0))
