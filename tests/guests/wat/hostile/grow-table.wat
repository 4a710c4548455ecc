;; Takes table slots, 512 at a time, until it is refused, and then traps: tables count as memory too.
(module
;; include: memory
  (table $slots 1 funcref)
  (func (export "session-end") (param $event i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow $slots (ref.null func) (i32.const 512)) (i32.const -1))))
    unreachable))
