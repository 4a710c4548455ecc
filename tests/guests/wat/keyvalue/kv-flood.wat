;; Writes 4 KiB under one new key after another until it is refused, then answers err(retry(…)) with the refusal's text.
(module
;; include: keyvalue
;; include: set
;; include: memory
;; include: default-bucket
;; include: fill-bucket
;; include: retry-with
;; include: store-error
  (func (export "session-end") (param $event i32) (result i32)
    (local $bucket i32)
    (local.set $bucket (call $default-bucket))
    (memory.fill (i32.const 2048) (i32.const 0x61) (i32.const 4096))
    (loop $another
      (call $set-another (local.get $bucket))
      (br_if $another (i32.eqz (i32.load8_u (i32.const 544)))))
    (call $retry-with-error (i32.const 548))))
