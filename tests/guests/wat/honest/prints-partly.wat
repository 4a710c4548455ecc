;; Prints two lines in three writes, the second without its newline, one line to stderr, and answers ok.
(module
;; include: stdout
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $get-stderr (result i32)))
;; include: memory
  (data (i32.const 1024) "first line\nsecond")
  (data (i32.const 1056) "complaint\n")
  (func (export "session-end") (param $event i32) (result i32)
    (local $out i32)
    (local.set $out (call $get-stdout))
    (call $write (local.get $out) (i32.const 1024) (i32.const 5) (i32.const 512))
    (call $write (local.get $out) (i32.const 1029) (i32.const 6) (i32.const 512))
    (call $write (call $get-stderr) (i32.const 1056) (i32.const 10) (i32.const 512))
    (call $write (local.get $out) (i32.const 1035) (i32.const 6) (i32.const 512))
    i32.const 0))
