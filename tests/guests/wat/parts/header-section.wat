  ;; Header sections of 1 600 fields "x-a" without a value: nearly as large as one may be. Needs the parts `from-list`, `memory`.
  (data (i32.const 1024) "x-a")
  ;; Where the list of fields is, 16 bytes for each: name and length, value and length.
  (func $section-list (result i32)
    (local $list i32) (local $at i32)
    (local.set $list (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
    (local.set $at (local.get $list))
    (loop $next
      (i32.store (local.get $at) (i32.const 1024))
      (i32.store offset=4 (local.get $at) (i32.const 3))
      (i32.store offset=8 (local.get $at) (i32.const 1024))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (i32.sub (local.get $at) (local.get $list)) (i32.const 25600))))
    local.get $list)
  (func $section (param $list i32) (result i32)
    (call $from-list (local.get $list) (i32.const 1600) (i32.const 512))
    (if (i32.load8_u (i32.const 512)) (then unreachable))
    (i32.load (i32.const 516)))
