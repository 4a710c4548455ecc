;; Answers err(retry(…)) with 128 KiB of text.
(module
;; include: memory
  (data (i32.const 16) "\01\00\00\00" "\00\00\00\00" "\00\20\00\00" "\00\00\02\00")
  (func (export "session-end") (param $event i32) (result i32)
    (drop (memory.grow (i32.const 3)))
    (memory.fill (i32.const 8192) (i32.const 0x61) (i32.const 131072))
    i32.const 16))
