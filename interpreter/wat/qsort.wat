;; Sorts numbers in linear memory by C's qsort, with functions of this module to
;; compare them, and looks one up by bsearch.
;;
;;     wasmi_native wat/qsort.wat          prints what main says below
;;     wasmi_native wat/qsort.wat many N   sorts N random numbers; 1 if they are sorted
;;
;; fn(ptr, ptr) is a C function pointer that calls the funcref, and turns the two
;; addresses that C gives it into addresses of the memory.
(module
  (import "libc.so.6" "qsort([$1 $2], _, _, fn(ptr, ptr))"
    (func $qsort (param i32 i64 i64 funcref)))
  (import "libc.so.6" "bsearch([$3], [$2 $3], _, _, fn(ptr, ptr))"
    (func $bsearch (param i32 i32 i64 i64 funcref) (result i64)))

  (memory (export "memory") 64)
  (data (i32.const 16) "\03\00\00\00\01\00\00\00\04\00\00\00\01\00\00\00\05\00\00\00\09\00\00\00")

  (elem declare func $ascending $descending)

  (func $ascending (param $a i32) (param $b i32) (result i32)
    (local $x i32) (local $y i32)
    (local.set $x (i32.load (local.get $a)))
    (local.set $y (i32.load (local.get $b)))
    (i32.sub (i32.gt_s (local.get $x) (local.get $y)) (i32.lt_s (local.get $x) (local.get $y))))

  (func $descending (param $a i32) (param $b i32) (result i32)
    (call $ascending (local.get $b) (local.get $a)))

  ;; Six numbers in descending order; then, in ascending order, whether there is
  ;; a 5 and a 6.
  (func (export "main") (result i32 i32 i32 i32 i32 i32 i32 i32)
    (call $qsort (i32.const 16) (i64.const 6) (i64.const 4) (ref.func $descending))
    (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.load (i32.const 24))
    (i32.load (i32.const 28)) (i32.load (i32.const 32)) (i32.load (i32.const 36))
    (call $qsort (i32.const 16) (i64.const 6) (i64.const 4) (ref.func $ascending))
    (call $has (i32.const 5))
    (call $has (i32.const 6)))

  (func $has (param $key i32) (result i32)
    (i32.store (i32.const 8) (local.get $key))
    (i64.ne (i64.const 0)
      (call $bsearch (i32.const 8) (i32.const 16) (i64.const 6) (i64.const 4)
        (ref.func $ascending))))

  (func (export "many") (param $n i32) (result i32)
    (local $i i32) (local $x i32) (local $sum i32)
    ;; Numbers of a linear congruential generator.
    (local.set $x (i32.const 1))
    (loop $fill
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $x
            (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
          (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $x))
          (local.set $sum (i32.add (local.get $sum) (local.get $x)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $fill))))
    (call $qsort (i32.const 0) (i64.extend_i32_u (local.get $n)) (i64.const 4)
      (ref.func $ascending))
    ;; The same numbers, each at least the one before.
    (local.set $i (i32.const 1))
    (local.set $sum (i32.sub (local.get $sum) (i32.load (i32.const 0))))
    (loop $check
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $x (i32.shl (local.get $i) (i32.const 2)))
          (if (i32.lt_s (i32.load (local.get $x))
                        (i32.load (i32.sub (local.get $x) (i32.const 4))))
            (then (return (i32.const 0))))
          (local.set $sum (i32.sub (local.get $sum) (i32.load (local.get $x))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $check))))
    (i32.eqz (local.get $sum)))
)
