;; Answers err(retry(…)) with a text of 100 MiB in a memory of 64 KiB.
(module
;; include: memory
  (data (i32.const 16) "\01\00\00\00" "\00\00\00\00" "\00\20\00\00" "\00\00\40\06")
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 16))
