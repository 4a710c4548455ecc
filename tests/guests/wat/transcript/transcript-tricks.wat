;; Tries, through the directory that it was given, to reach what is outside of it and to change what is in it. Traps when
;; one try succeeds, so that the trap's function names it. Prints `tried=<n>` and answers ok; without `/session` n is 0.
(module
;; include: stdout
;; include: directories
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.readlink-at"
    (func $readlink-at (param $dir i32) (param $path i32) (param $len i32) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.create-directory-at"
    (func $create-directory-at (param $dir i32) (param $path i32) (param $len i32) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.remove-directory-at"
    (func $remove-directory-at (param $dir i32) (param $path i32) (param $len i32) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.unlink-file-at"
    (func $unlink-file-at (param $dir i32) (param $path i32) (param $len i32) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.symlink-at"
    (func $symlink-at (param $dir i32) (param $old i32) (param $old-len i32) (param $new i32) (param $new-len i32)
      (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.rename-at"
    (func $rename-at (param $dir i32) (param $old i32) (param $old-len i32) (param $new-dir i32) (param $new i32)
      (param $new-len i32) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.link-at"
    (func $link-at (param $dir i32) (param $follow i32) (param $old i32) (param $old-len i32) (param $new-dir i32)
      (param $new i32) (param $new-len i32) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.set-size"
    (func $set-size (param $file i32) (param $size i64) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.write"
    (func $write-at (param $file i32) (param $bytes i32) (param $len i32) (param $from i64) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.write-via-stream"
    (func $write-via-stream (param $file i32) (param $from i64) (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.append-via-stream"
    (func $append-via-stream (param $file i32) (param $answer i32)))
;; include: memory
;; include: print
;; include: session-dir
  (data (i32.const 1024) "transcript" "new" "/etc/passwd" ".." "tried=")
  ;; Paths that lead out. Each ends with a zero, and one more zero ends the list.
  (data (i32.const 1100) "..\00" "../\00" "../..\00" "../../..\00" "/\00" "//\00" "/etc\00" "/etc/passwd\00" "./../x\00"
    "./..\00"
    "transcript/..\00" "transcript/../..\00" "transcript/../../x\00" "transcript/../../../../etc/passwd\00"
    "../session\00" "../session/transcript\00" "/session/transcript\00" "/proc/self/environ\00"
    "..\\..\\etc\\passwd\00" "\00")
  (global $dir (mut i32) (i32.const 0))
  (global $tried (mut i64) (i64.const 0))
  ;; All answers are `result`s at 544, whose first byte is 0 for ok.
  (func $refused
    (if (i32.eqz (i32.load8_u (i32.const 544))) (then unreachable))
    (global.set $tried (i64.add (global.get $tried) (i64.const 1))))
  ;; Flags: 1 read, 2 write, 32 change the directory. Open flags: 1 create, 2 directory, 4 exclusive, 8 truncate.
  (func $cannot-open (param $path i32) (param $len i32) (param $open-flags i32) (param $flags i32)
    ;; Without and with following links.
    (call $open-at (global.get $dir) (i32.const 0) (local.get $path) (local.get $len) (local.get $open-flags)
      (local.get $flags) (i32.const 544))
    (call $refused)
    (call $open-at (global.get $dir) (i32.const 1) (local.get $path) (local.get $len) (local.get $open-flags)
      (local.get $flags) (i32.const 544))
    (call $refused))
  (func $cannot-get-out
    (local $at i32) (local $len i32)
    (local.set $at (i32.const 1100))
    (loop $path
      (local.set $len (i32.const 0))
      (loop $byte
        (if (i32.load8_u (i32.add (local.get $at) (local.get $len)))
          (then
            (local.set $len (i32.add (local.get $len) (i32.const 1)))
            (br $byte))))
      (if (local.get $len)
        (then
          (call $cannot-open (local.get $at) (local.get $len) (i32.const 0) (i32.const 1))
          (call $cannot-open (local.get $at) (local.get $len) (i32.const 2) (i32.const 1))
          (call $readlink-at (global.get $dir) (local.get $at) (local.get $len) (i32.const 544))
          (call $refused)
          (local.set $at (i32.add (i32.add (local.get $at) (local.get $len)) (i32.const 1)))
          (br $path)))))
  (func $cannot-make-files
    (call $cannot-open (i32.const 1034) (i32.const 3) (i32.const 1) (i32.const 2))
    (call $cannot-open (i32.const 1034) (i32.const 3) (i32.const 5) (i32.const 3)))
  (func $cannot-open-to-write
    (call $cannot-open (i32.const 1024) (i32.const 10) (i32.const 0) (i32.const 2))
    (call $cannot-open (i32.const 1024) (i32.const 10) (i32.const 0) (i32.const 3))
    (call $cannot-open (i32.const 1024) (i32.const 10) (i32.const 8) (i32.const 2)))
  (func $cannot-make-directories
    (call $create-directory-at (global.get $dir) (i32.const 1034) (i32.const 3) (i32.const 544))
    (call $refused))
  (func $cannot-remove
    (call $unlink-file-at (global.get $dir) (i32.const 1024) (i32.const 10) (i32.const 544))
    (call $refused)
    (call $remove-directory-at (global.get $dir) (i32.const 1048) (i32.const 2) (i32.const 544))
    (call $refused)
    (call $rename-at (global.get $dir) (i32.const 1024) (i32.const 10) (global.get $dir) (i32.const 1034) (i32.const 3)
      (i32.const 544))
    (call $refused))
  (func $cannot-link
    (call $symlink-at (global.get $dir) (i32.const 1037) (i32.const 11) (i32.const 1034) (i32.const 3) (i32.const 544))
    (call $refused)
    (call $symlink-at (global.get $dir) (i32.const 1048) (i32.const 2) (i32.const 1034) (i32.const 3) (i32.const 544))
    (call $refused)
    (call $link-at (global.get $dir) (i32.const 0) (i32.const 1024) (i32.const 10) (global.get $dir) (i32.const 1034)
      (i32.const 3) (i32.const 544))
    (call $refused)
    (call $readlink-at (global.get $dir) (i32.const 1024) (i32.const 10) (i32.const 544))
    (call $refused))
  ;; With the one file that it may read open.
  (func $cannot-change-what-is-open
    (local $file i32)
    (call $open-at (global.get $dir) (i32.const 0) (i32.const 1024) (i32.const 10) (i32.const 0) (i32.const 1)
      (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then return))
    (local.set $file (i32.load (i32.const 548)))
    (call $write-at (local.get $file) (i32.const 1024) (i32.const 10) (i64.const 0) (i32.const 544))
    (call $refused)
    (call $set-size (local.get $file) (i64.const 0) (i32.const 544))
    (call $refused)
    (call $write-via-stream (local.get $file) (i64.const 0) (i32.const 544))
    (call $refused)
    (call $append-via-stream (local.get $file) (i32.const 544))
    (call $refused))
  (func (export "session-end") (param $event i32) (result i32)
    (global.set $dir (call $session-dir))
    (if (global.get $dir)
      (then
        (call $cannot-get-out)
        (call $cannot-make-files)
        (call $cannot-open-to-write)
        (call $cannot-make-directories)
        (call $cannot-remove)
        (call $cannot-link)
        (call $cannot-change-what-is-open)))
    (call $append (i32.const 1050) (i32.const 6))
    (call $append-number (global.get $tried))
    (call $print-line)
    i32.const 0))
