;; Never takes a `session-start`; prints the other events as `prints` does and answers ok.
(module
;; include: stdout
;; include: memory
;; include: print
;; include: print-event
  ;; err(retry("not now"))
  (data (i32.const 16) "\01\00\00\00" "\00\00\00\00" "\20\00\00\00" "\07\00\00\00" "not now")
  (func (export "session-start") (param $event i32) (result i32)
    i32.const 16)
  (func (export "session-end") (param $event i32) (result i32)
    (call $print-event (local.get $event) (i32.const 1038) (i32.const 12) (i32.const 0))
    i32.const 0)
  (func (export "session-compaction") (param $event i32) (result i32)
    (call $print-event (local.get $event) (i32.const 1050) (i32.const 19) (i32.const 0))
    i32.const 0))
