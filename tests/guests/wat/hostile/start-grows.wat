;; Takes memory until it is refused, and then traps, before any hook is called.
(module
;; include: memory
  (func $start
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    unreachable)
  (start $start)
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0))
