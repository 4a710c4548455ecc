;; Looks for what a sandbox must not show even with the transcript granted: any directory but `/session`, any
;; environment, any argument. Traps when there is one.
(module
  (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param $answer i32)))
  (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param $answer i32)))
  (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param $answer i32)))
;; include: memory
  (data (i32.const 1024) "/session")
  (func (export "session-end") (param $event i32) (result i32)
    (local $first i32)
    (call $environment (i32.const 512))
    (call $arguments (i32.const 520))
    (call $directories (i32.const 528))
    (if (i32.or (i32.load (i32.const 516)) (i32.load (i32.const 524))) (then unreachable))
    (if (i32.gt_u (i32.load (i32.const 532)) (i32.const 1)) (then unreachable))
    (if (i32.load (i32.const 532))
      (then
        ;; (descriptor, name)
        (local.set $first (i32.load (i32.const 528)))
        (if (i32.ne (i32.load offset=8 (local.get $first)) (i32.const 8)) (then unreachable))
        (if (i64.ne (i64.load align=1 (i32.load offset=4 (local.get $first))) (i64.load (i32.const 1024)))
          (then unreachable))))
    i32.const 0))
