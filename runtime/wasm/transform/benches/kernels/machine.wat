;; A dispatch loop: a stack machine that runs a little program of its own, n rounds.
;; Opcodes: 0 push the next byte, 1 add, 2 multiply, 3 duplicate, 4 swap with the accumulator, 5 back to the start while rounds are left.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\03\03\01\00\05\02\03\02\04\00\07\01\04\05")
  (func (export "run") (param $n i32) (result i64)
    (local $pc i32) (local $sp i32) (local $acc i32) (local $a i32)
    (local.set $sp (i32.const 1024))
    (block $halt
      (loop $next
        (block $back (block $swap (block $dup (block $mul (block $add (block $push
          (local.set $a (i32.load8_u (local.get $pc)))
          (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
          (br_table $push $add $mul $dup $swap $back (local.get $a)))
          ;; push
          (i32.store (local.get $sp) (i32.load8_u (local.get $pc)))
          (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
          (local.set $sp (i32.add (local.get $sp) (i32.const 4)))
          (br $next))
          ;; add
          (local.set $sp (i32.sub (local.get $sp) (i32.const 4)))
          (i32.store (i32.sub (local.get $sp) (i32.const 4))
            (i32.add (i32.load (i32.sub (local.get $sp) (i32.const 4))) (i32.load (local.get $sp))))
          (br $next))
          ;; multiply
          (local.set $sp (i32.sub (local.get $sp) (i32.const 4)))
          (i32.store (i32.sub (local.get $sp) (i32.const 4))
            (i32.mul (i32.load (i32.sub (local.get $sp) (i32.const 4))) (i32.load (local.get $sp))))
          (br $next))
          ;; duplicate
          (i32.store (local.get $sp) (i32.load (i32.sub (local.get $sp) (i32.const 4))))
          (local.set $sp (i32.add (local.get $sp) (i32.const 4)))
          (br $next))
          ;; swap
          (local.set $a (i32.load (i32.sub (local.get $sp) (i32.const 4))))
          (i32.store (i32.sub (local.get $sp) (i32.const 4)) (local.get $acc))
          (local.set $acc (i32.add (local.get $acc) (local.get $a)))
          (br $next))
        ;; back
        (local.set $pc (i32.const 0))
        (local.set $sp (i32.const 1024))
        (br_if $halt (i32.eqz (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (br $next)))
    (i64.extend_i32_u (local.get $acc))))
