;; Spins for sessions whose id begins with "x" and answers ok to the others.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (if (i32.load offset=12 (local.get $event))
      (then
        (if (i32.eq (i32.load8_u (i32.load offset=8 (local.get $event))) (i32.const 0x78))
          (then
            (loop $for-ever
              (br $for-ever))))))
    i32.const 0))
