;; Answers err(fatal(…)) with a text that would begin a new line of a log and clear the reader's terminal.
(module
;; include: memory
  (data (i32.const 16) "\01\00\00\00" "\01\00\00\00" "\20\00\00\00" "\15\00\00\00" "x\n ERROR lastword\1b[2J")
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 16))
