;; Reads all of `/session/transcript` and prints `first=<its first 32 bytes>` and `bytes=<n>`, or `absent` when there is
;; no such file. Traps when it can be opened and not read. Answers ok.
(module
;; include: stdout
;; include: directories
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.read"
    (func $read (param $file i32) (param $max i64) (param $from i64) (param $answer i32)))
;; include: memory
;; include: print
;; include: session-dir
  (data (i32.const 1024) "transcript" "absent" "bytes=" "first=")
  (func (export "session-end") (param $event i32) (result i32)
    (local $dir i32) (local $file i32) (local $total i64) (local $fresh i32)
    (block $absent
      (br_if $absent (i32.eqz (local.tee $dir (call $session-dir))))
      ;; To read, without following links.
      (call $open-at (local.get $dir) (i32.const 0) (i32.const 1024) (i32.const 10) (i32.const 0) (i32.const 1)
        (i32.const 544))
      (br_if $absent (i32.load8_u (i32.const 544)))
      (local.set $file (i32.load (i32.const 548)))
      ;; The first 32 bytes; what is read after them goes to one place again and again.
      (call $read (local.get $file) (i64.const 32) (i64.const 0) (i32.const 544))
      (if (i32.load8_u (i32.const 544)) (then unreachable))
      (local.set $total (i64.load32_u (i32.const 552)))
      (call $append (i32.const 1046) (i32.const 6))
      (call $append (i32.load (i32.const 548)) (i32.load (i32.const 552)))
      (local.set $fresh (global.get $heap))
      (loop $more
        (global.set $heap (local.get $fresh))
        (call $read (local.get $file) (i64.const 65536) (local.get $total) (i32.const 544))
        (if (i32.load8_u (i32.const 544)) (then unreachable))
        (local.set $total (i64.add (local.get $total) (i64.load32_u (i32.const 552))))
        ;; Until the end of the file, or nothing more comes.
        (br_if $more
          (i32.and (i32.eqz (i32.load8_u (i32.const 556))) (i32.ne (i32.load (i32.const 552)) (i32.const 0)))))
      (call $print-line)
      (call $append (i32.const 1040) (i32.const 6))
      (call $append-number (local.get $total))
      (call $print-line)
      (return (i32.const 0)))
    (call $append (i32.const 1034) (i32.const 6))
    (call $print-line)
    i32.const 0))
