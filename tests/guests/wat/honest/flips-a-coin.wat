;; Answers ok or err(retry("tails")), as a random number says.
(module
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
;; include: memory
  (data (i32.const 16) "\01\00\00\00" "\00\00\00\00" "\20\00\00\00" "\05\00\00\00" "tails")
  (func (export "session-end") (param $event i32) (result i32)
    (if (result i32) (i64.eqz (i64.and (call $random) (i64.const 1)))
      (then (i32.const 16))
      (else (i32.const 64)))))
