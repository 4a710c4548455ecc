  (data (i32.const 1920) "/session")
  ;; The directory that holds the session's transcript; 0, which is no handle, when there is none.
  (func $session-dir (result i32)
    (local $at i32) (local $left i32)
    (call $directories (i32.const 528))
    (local.set $at (i32.load (i32.const 528)))
    (local.set $left (i32.load (i32.const 532)))
    (loop $next
      (if (i32.eqz (local.get $left)) (then (return (i32.const 0))))
      ;; (descriptor, name)
      (if (i32.eq (i32.load offset=8 (local.get $at)) (i32.const 8))
        (then
          (if (i64.eq (i64.load align=1 (i32.load offset=4 (local.get $at))) (i64.load (i32.const 1920)))
            (then (return (i32.load (local.get $at)))))))
      (local.set $at (i32.add (local.get $at) (i32.const 12)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next))
    unreachable)
