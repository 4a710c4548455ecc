;; Prints for ever: a log that is not bounded would fill the disk, one that blocks would hold up the host.
(module
;; include: stdout
;; include: memory
  (data (i32.const 1024) "all work and no play makes jack a dull boy, all work and no play\n")
  (func (export "session-end") (param $event i32) (result i32)
    (local $out i32)
    (local.set $out (call $get-stdout))
    (loop $again
      (call $write (local.get $out) (i32.const 1024) (i32.const 65) (i32.const 512))
      (br $again))
    unreachable))
