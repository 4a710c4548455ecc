;; Takes 60 MiB and copies one half of it over the other for ever: as `fill-loop`, and reads as much as it writes.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (local $half i32)
    (drop (memory.grow (i32.sub (i32.const 960) (memory.size))))
    (local.set $half (i32.shl (memory.size) (i32.const 15)))
    (loop $again
      (memory.copy (local.get $half) (i32.const 0) (local.get $half))
      (memory.copy (i32.const 0) (local.get $half) (local.get $half))
      (br $again))
    unreachable))
