;; Asks for its stdout for ever and never drops a stream.
(module
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get-stdout (result i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (loop $again
      (drop (call $get-stdout))
      (br $again))
    unreachable))
