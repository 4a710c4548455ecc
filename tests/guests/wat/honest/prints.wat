;; Prints one line for each event and answers ok: how deliveries are counted outside our own reports.
(module
;; include: stdout
;; include: memory
;; include: print
;; include: print-event
  (func (export "session-start") (param $event i32) (result i32)
    (call $print-event (local.get $event) (i32.const 1024) (i32.const 14) (i32.const 0))
    i32.const 0)
  (func (export "session-end") (param $event i32) (result i32)
    (call $print-event (local.get $event) (i32.const 1038) (i32.const 12) (i32.const 0))
    i32.const 0)
  (func (export "session-compaction") (param $event i32) (result i32)
    (call $print-event (local.get $event) (i32.const 1050) (i32.const 19) (i32.const 0))
    i32.const 0))
