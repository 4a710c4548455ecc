;; Answers err(retry(…)) with bytes that are no UTF-8.
(module
;; include: memory
  (data (i32.const 16) "\01\00\00\00" "\00\00\00\00" "\20\00\00\00" "\04\00\00\00" "\ff\fe\c0\80")
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 16))
