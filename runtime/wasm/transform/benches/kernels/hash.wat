;; A tight loop over memory: FNV-1a of 4 KiB, n times.
(module
  (memory (export "memory") 1)
  (func (export "run") (param $n i32) (result i64)
    (local $h i64) (local $p i32)
    (local.set $h (i64.const -3750763034362895579))
    (loop $again
      (local.set $p (i32.const 0))
      (loop $byte
        (local.set $h
          (i64.mul
            (i64.xor (local.get $h) (i64.load8_u (local.get $p)))
            (i64.const 1099511628211)))
        (br_if $byte (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 4096))))
      (i64.store (i32.const 8) (local.get $h))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $h)))
