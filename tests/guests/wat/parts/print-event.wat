  ;; Prints `<hook> <session-id> attempt=<n>` and a newline in one write, so that a line is never torn.
  ;; All three events begin with the session (id at 8) and the delivery (attempt at 112, late at 120).
  (data (i32.const 1024) "session-start session-end session-compaction  attempt= late\n")
  (global $end (mut i32) (i32.const 2048))
  (func $append (param $text i32) (param $len i32)
    (memory.copy (global.get $end) (local.get $text) (local.get $len))
    (global.set $end (i32.add (global.get $end) (local.get $len))))
  (func $append-number (param $n i32)
    (if (i32.ge_u (local.get $n) (i32.const 10))
      (then (call $append-number (i32.div_u (local.get $n) (i32.const 10)))))
    (i32.store8 (global.get $end) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))
  ;; $hook and $hook-len: where the hook's name is, with the space after it.
  (func $print-event (param $event i32) (param $hook i32) (param $hook-len i32) (param $say-late i32)
    (call $append (local.get $hook) (local.get $hook-len))
    (call $append (i32.load offset=8 (local.get $event)) (i32.load offset=12 (local.get $event)))
    (call $append (i32.const 1069) (i32.const 9))
    (call $append-number (i32.load offset=112 (local.get $event)))
    (if (i32.and (local.get $say-late) (i32.load8_u offset=120 (local.get $event)))
      (then (call $append (i32.const 1078) (i32.const 5))))
    (call $append (i32.const 1083) (i32.const 1))
    (call $write (call $get-stdout) (i32.const 2048) (i32.sub (global.get $end) (i32.const 2048)) (i32.const 512))
    ;; A log that cannot be written is no reason to fail the hook, but these guests are counted by what they print.
    (if (i32.load8_u (i32.const 512)) (then unreachable)))
