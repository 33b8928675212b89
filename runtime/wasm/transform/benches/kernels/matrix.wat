;; Three loops in each other: product of two 32 x 32 matrices of 64-bit integers, n times.
(module
  (memory (export "memory") 1)
  (func $at (param $base i32) (param $row i32) (param $column i32) (result i32)
    (i32.add (local.get $base)
      (i32.shl (i32.add (i32.shl (local.get $row) (i32.const 5)) (local.get $column)) (i32.const 3))))
  (func (export "run") (param $n i32) (result i64)
    (local $i i32) (local $j i32) (local $k i32) (local $sum i64)
    (loop $fill
      (i64.store (i32.shl (local.get $i) (i32.const 3)) (i64.extend_i32_u (local.get $i)))
      (i64.store offset=8192 (i32.shl (local.get $i) (i32.const 3)) (i64.extend_i32_u (i32.mul (local.get $i) (i32.const 7))))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024))))
    (loop $again
      (local.set $i (i32.const 0))
      (loop $row
        (local.set $j (i32.const 0))
        (loop $column
          (local.set $k (i32.const 0))
          (local.set $sum (i64.const 0))
          (loop $cell
            (local.set $sum (i64.add (local.get $sum)
              (i64.mul
                (i64.load (i32.shl (i32.add (i32.shl (local.get $i) (i32.const 5)) (local.get $k)) (i32.const 3)))
                (i64.load offset=8192 (i32.shl (i32.add (i32.shl (local.get $k) (i32.const 5)) (local.get $j)) (i32.const 3))))))
            (br_if $cell (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 32))))
          (i64.store (call $at (i32.const 16384) (local.get $i) (local.get $j)) (local.get $sum))
          (br_if $column (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 32))))
        (br_if $row (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 32))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
