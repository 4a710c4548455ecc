;; Prints 2000 lines of 65 bytes, about 127 KiB, and answers ok.
(module
;; include: stdout
;; include: memory
  (data (i32.const 1024) "all work and no play makes jack a dull boy, all work and no play\n")
  (func (export "session-end") (param $event i32) (result i32)
    (local $out i32) (local $left i32)
    (local.set $out (call $get-stdout))
    (local.set $left (i32.const 2000))
    (loop $again
      (call $write (local.get $out) (i32.const 1024) (i32.const 65) (i32.const 512))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    i32.const 0))
