;; Takes memory, page by page, until it is refused, and then traps.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    unreachable))
