;; Prints what wasi:config has under "greeting", `greeting=<text>` or `greeting absent`, and `pairs=<n>`, all there is.
(module
;; include: stdout
  (import "wasi:config/store@0.2.0-rc.1" "get" (func $get (param $key i32) (param $len i32) (param $answer i32)))
  (import "wasi:config/store@0.2.0-rc.1" "get-all" (func $get-all (param $answer i32)))
;; include: memory
;; include: print
  (data (i32.const 1024) "greeting" "=" " absent" "pairs=")
  (func (export "session-end") (param $event i32) (result i32)
    (call $get (i32.const 1024) (i32.const 8) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (call $append (i32.const 1024) (i32.const 8))
    (if (i32.load8_u (i32.const 548))
      (then
        (call $append (i32.const 1032) (i32.const 1))
        (call $append (i32.load (i32.const 552)) (i32.load (i32.const 556))))
      (else (call $append (i32.const 1033) (i32.const 7))))
    (call $print-line)
    (call $get-all (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (call $append (i32.const 1040) (i32.const 6))
    (call $append-number (i64.load32_u (i32.const 552)))
    (call $print-line)
    i32.const 0))
