;; Asks for the time for ever: host calls cost no fuel.
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (loop $again
      (drop (call $now))
      (br $again))
    unreachable))
