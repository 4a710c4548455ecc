;; Asks for 64 KiB of random bytes for ever, and puts them into the same place.
(module
  (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param $len i64) (param $answer i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (local $fresh i32)
    (local.set $fresh (global.get $heap))
    (loop $again
      (call $random (i64.const 65536) (i32.const 512))
      (global.set $heap (local.get $fresh))
      (br $again))
    unreachable))
