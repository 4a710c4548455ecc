;; Opens its store for ever and never drops a handle.
(module
;; include: keyvalue
;; include: memory
;; include: default-bucket
  (func (export "session-end") (param $event i32) (result i32)
    (loop $again
      (drop (call $default-bucket))
      (br $again))
    unreachable))
