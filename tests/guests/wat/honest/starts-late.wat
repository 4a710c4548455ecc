;; Takes a `session-start` from the third attempt on; prints what it takes as `prints-late` does.
(module
;; include: stdout
;; include: memory
;; include: print
;; include: print-event
  ;; err(retry("not now"))
  (data (i32.const 16) "\01\00\00\00" "\00\00\00\00" "\20\00\00\00" "\07\00\00\00" "not now")
  (func (export "session-start") (param $event i32) (result i32)
    (if (i32.lt_u (i32.load offset=112 (local.get $event)) (i32.const 3))
      (then (return (i32.const 16))))
    (call $print-event (local.get $event) (i32.const 1024) (i32.const 14) (i32.const 1))
    i32.const 0)
  (func (export "session-end") (param $event i32) (result i32)
    (call $print-event (local.get $event) (i32.const 1038) (i32.const 12) (i32.const 1))
    i32.const 0)
  (func (export "session-compaction") (param $event i32) (result i32)
    (call $print-event (local.get $event) (i32.const 1050) (i32.const 19) (i32.const 1))
    i32.const 0))
