;; Looks for what others left behind: takes 200 pages and 2000 table slots, reads everything in them that it did not
;; write itself and answers err(fatal("dirty")) when something is not zero. Then it fills all of it with its tenant's
;; name, for the next one to find, and answers ok.
(module
;; include: memory
  (table $slots 1000 funcref)
  (elem declare func $self)
  (data (i32.const 16) "\01\00\00\00" "\01\00\00\00" "\20\00\00\00" "\05\00\00\00" "dirty")
  (func $self)
  ;; Whether all of [$from, $to) is zero; both are multiples of 64.
  (func $clean (param $from i32) (param $to i32) (result i32)
    (local $seen i64)
    (loop $line
      (if (i32.lt_u (local.get $from) (local.get $to))
        (then
          (local.set $seen
            (i64.or
              (local.get $seen)
              (i64.or
                (i64.or
                  (i64.or (i64.load (local.get $from)) (i64.load offset=8 (local.get $from)))
                  (i64.or (i64.load offset=16 (local.get $from)) (i64.load offset=24 (local.get $from))))
                (i64.or
                  (i64.or (i64.load offset=32 (local.get $from)) (i64.load offset=40 (local.get $from)))
                  (i64.or (i64.load offset=48 (local.get $from)) (i64.load offset=56 (local.get $from)))))))
          (local.set $from (i32.add (local.get $from) (i32.const 64)))
          (br $line))))
    (i64.eqz (local.get $seen)))
  (func $all-slots-empty (result i32)
    (local $at i32)
    (loop $slot
      (if (i32.lt_u (local.get $at) (table.size $slots))
        (then
          (if (i32.eqz (ref.is_null (table.get $slots (local.get $at)))) (then (return (i32.const 0))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $slot))))
    i32.const 1)
  ;; Writes the text again and again over [$from, $to).
  (func $fill (param $from i32) (param $to i32) (param $text i32) (param $len i32)
    (local $have i32) (local $want i32)
    (local.set $want (i32.sub (local.get $to) (local.get $from)))
    (if (i32.eqz (local.get $len)) (then return))
    (if (i32.gt_u (local.get $len) (local.get $want)) (then (local.set $len (local.get $want))))
    (memory.copy (local.get $from) (local.get $text) (local.get $len))
    (local.set $have (local.get $len))
    (loop $double
      (if (i32.lt_u (local.get $have) (local.get $want))
        (then
          (local.set $len
            (select
              (local.get $have)
              (i32.sub (local.get $want) (local.get $have))
              (i32.lt_u (local.get $have) (i32.sub (local.get $want) (local.get $have)))))
          (memory.copy (i32.add (local.get $from) (local.get $have)) (local.get $from) (local.get $len))
          (local.set $have (i32.add (local.get $have) (local.get $len)))
          (br $double)))))
  (func (export "session-end") (param $event i32) (result i32)
    (local $own i32) (local $end i32)
    (drop (memory.grow (i32.sub (i32.const 200) (memory.size))))
    (drop (table.grow $slots (ref.null func) (i32.const 1000)))
    (if (i32.or (i32.ne (memory.size) (i32.const 200)) (i32.ne (table.size $slots) (i32.const 2000)))
      (then unreachable))
    ;; Its own are the answer below 64 and the event, from 8192 to the heap.
    (local.set $own (i32.and (i32.add (global.get $heap) (i32.const 63)) (i32.const -64)))
    (local.set $end (i32.shl (memory.size) (i32.const 16)))
    (if (i32.eqz (call $clean (i32.const 64) (i32.const 8192))) (then (return (i32.const 16))))
    (if (i32.eqz (call $clean (local.get $own) (local.get $end))) (then (return (i32.const 16))))
    (if (i32.eqz (call $all-slots-empty)) (then (return (i32.const 16))))
    (call $fill (i32.const 64) (i32.const 8192) (i32.load (local.get $event)) (i32.load offset=4 (local.get $event)))
    (call $fill (local.get $own) (local.get $end)
      (i32.load (local.get $event)) (i32.load offset=4 (local.get $event)))
    (table.fill $slots (i32.const 0) (ref.func $self) (table.size $slots))
    i32.const 0))
