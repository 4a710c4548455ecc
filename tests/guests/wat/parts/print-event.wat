  ;; Prints `<hook> <session-id> attempt=<n>`. Needs the part `print`.
  ;; All three events begin with the session (id at 8) and the delivery (attempt at 112, late at 120).
  (data (i32.const 1024) "session-start session-end session-compaction  attempt= late")
  ;; $hook and $hook-len: where the hook's name is, with the space after it.
  (func $print-event (param $event i32) (param $hook i32) (param $hook-len i32) (param $say-late i32)
    (call $append (local.get $hook) (local.get $hook-len))
    (call $append (i32.load offset=8 (local.get $event)) (i32.load offset=12 (local.get $event)))
    (call $append (i32.const 1069) (i32.const 9))
    (call $append-number (i64.load32_u offset=112 (local.get $event)))
    (if (i32.and (local.get $say-late) (i32.load8_u offset=120 (local.get $event)))
      (then (call $append (i32.const 1078) (i32.const 5))))
    (call $print-line))
