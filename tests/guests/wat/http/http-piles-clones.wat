;; Clones a large header section and changes each clone, so that the host has as many of them.
(module
;; include: from-list
  (import "wasi:http/types@0.2.0" "[method]fields.clone" (func $clone (param $fields i32) (result i32)))
;; include: append-header
;; include: memory
;; include: header-section
  (func (export "session-end") (param $event i32) (result i32)
    (local $first i32)
    (local.set $first (call $section (call $section-list)))
    (loop $again
      (call $append-header (call $clone (local.get $first)) (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 0)
        (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then unreachable))
      (br $again))
    unreachable))
