;; Prints 4096 empty lines at a time for ever: few bytes, many events.
(module
;; include: stdout
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (local $out i32)
    (local.set $out (call $get-stdout))
    (memory.fill (i32.const 1024) (i32.const 10) (i32.const 4096))
    (loop $again
      (call $write (local.get $out) (i32.const 1024) (i32.const 4096) (i32.const 512))
      (br $again))
    unreachable))
