  ;; Writes 4 KiB of text under the key "00000001", "00000002", … Needs the part `set`.
  (data (i32.const 1024) "00000000")
  (func $next-key
    (local $at i32)
    (local.set $at (i32.const 1031))
    (loop $carry
      (i32.store8 (local.get $at) (i32.add (i32.load8_u (local.get $at)) (i32.const 1)))
      (if (i32.gt_u (i32.load8_u (local.get $at)) (i32.const 57))
        (then
          (i32.store8 (local.get $at) (i32.const 48))
          (local.set $at (i32.sub (local.get $at) (i32.const 1)))
          (br_if $carry (i32.ge_u (local.get $at) (i32.const 1024)))))))
  ;; The answer is at 544: its first byte is not 0 when it is an error, and that is at 548.
  (func $set-another (param $bucket i32)
    (call $next-key)
    (call $set (local.get $bucket) (i32.const 1024) (i32.const 8) (i32.const 2048) (i32.const 4096) (i32.const 544)))
