;; Prints half a line and does not come back: what it has printed is said when it is dropped.
(module
;; include: stdout
;; include: memory
  (data (i32.const 1024) "half")
  (func (export "session-end") (param $event i32) (result i32)
    (call $write (call $get-stdout) (i32.const 1024) (i32.const 4) (i32.const 512))
    (loop (br 0))
    i32.const 0))
