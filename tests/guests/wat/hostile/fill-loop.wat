;; Takes 60 MiB and writes over all of it for ever: one instruction that takes milliseconds, and that no epoch cuts.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (drop (memory.grow (i32.sub (i32.const 960) (memory.size))))
    (loop $again
      (memory.fill (i32.const 0) (i32.const 0xff) (i32.shl (memory.size) (i32.const 16)))
      (br $again))
    unreachable))
