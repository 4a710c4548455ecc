;; Makes as many large header sections as fit its memory, and waits for an hour.
(module
;; include: from-list
;; include: timer
;; include: memory
;; include: header-section
  (func (export "session-end") (param $event i32) (result i32)
    (local $list i32) (local $left i32)
    (local.set $list (call $section-list))
    (local.set $left (i32.const 250))
    (loop $again
      (drop (call $section (local.get $list)))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (call $block (call $after (i64.const 3600000000000)))
    unreachable))
