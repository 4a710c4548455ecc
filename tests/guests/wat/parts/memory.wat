  ;; What the canonical ABI asks of every guest: a memory, and an allocator for the arguments.
  ;; Bytes 0 to 15 stay zero: read as a `result<_, hook-error>` they are ok. Guests keep their data below 8192.
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 8192))
  ;; Never frees: a guest lives for one call. Never moves: the host knows the size of what it passes.
  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $missing i32)
    (local.set $at
      (i32.and
        (i32.sub (i32.add (global.get $heap) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.set $missing (i32.sub (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq
              (memory.grow (i32.shr_u (i32.add (local.get $missing) (i32.const 65535)) (i32.const 16)))
              (i32.const -1))
          (then unreachable))))
    (local.get $at))
