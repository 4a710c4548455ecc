;; Looks for what a sandbox must not show, environment, arguments and directories, and traps when there is any.
(module
  (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param $answer i32)))
  (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param $answer i32)))
  (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param $answer i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (call $environment (i32.const 512))
    (call $arguments (i32.const 520))
    (call $directories (i32.const 528))
    (if (i32.or (i32.load (i32.const 516)) (i32.or (i32.load (i32.const 524)) (i32.load (i32.const 532))))
      (then unreachable))
    i32.const 0))
