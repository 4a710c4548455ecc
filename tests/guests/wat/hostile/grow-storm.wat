;; Asks for one more page for ever and does not mind being refused: each refusal is work for the host.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (loop $again
      (drop (memory.grow (i32.const 1)))
      (br $again))
    unreachable))
