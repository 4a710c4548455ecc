;; Never comes back and never calls the host: only fuel and the epoch can cut it.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (loop $for-ever
      (br $for-ever))
    unreachable))
