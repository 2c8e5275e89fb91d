;; Persoline OS 1.2: what the mask of ROM 1.0 got wrong.
(module
  (import "card" "load8" (func $load8 (param i32) (result i32)))

  ;; Routine 32, cyclic slot: (head + count - 1) mod count. $at is the address of head (1) and count (1).
  (func (export "r32") (param $at i32) (result i32)
    (local $count i32)
    (local.set $count (call $load8 (i32.add (local.get $at) (i32.const 1))))
    (i32.rem_u
      (i32.sub (i32.add (call $load8 (local.get $at)) (local.get $count)) (i32.const 1))
      (local.get $count))))
