;; Answers err(retry(…)) with 1 MiB of text.
(module
;; include: memory
  (data (i32.const 16) "\01\00\00\00" "\00\00\00\00" "\00\20\00\00" "\00\00\10\00")
  (func (export "session-end") (param $event i32) (result i32)
    (drop (memory.grow (i32.const 17)))
    (memory.fill (i32.const 8192) (i32.const 0x61) (i32.const 1048576))
    i32.const 16))
