;; The area under exp(-x²) by Simpson's rule, and what it should be: √π · erf(10).
;;
;;     wasmi_native wat/integral.wat            prints both, for 1000 steps
;;     wasmi_native wat/integral.wat area 10    prints the first, for 10
(module
  (import "libm.so.6" "exp" (func $exp (param f64) (result f64)))
  (import "libm.so.6" "pow" (func $pow (param f64 f64) (result f64)))
  (import "libm.so.6" "erf" (func $erf (param f64) (result f64)))
  (import "libm.so.6" "acos" (func $acos (param f64) (result f64)))

  (func $f (param $x f64) (result f64)
    (call $exp (f64.neg (call $pow (local.get $x) (f64.const 2)))))

  ;; From -10 to 10 in so many steps, each with its middle.
  (func $area (export "area") (param $steps i32) (result f64)
    (local $i i32) (local $width f64) (local $x f64) (local $sum f64)
    (local.set $width
      (f64.div (f64.const 20) (f64.convert_i32_s (local.get $steps))))
    (loop $next
      (local.set $x
        (f64.add (f64.const -10)
          (f64.mul (local.get $width) (f64.convert_i32_s (local.get $i)))))
      (local.set $sum
        (f64.add (local.get $sum)
          (f64.add (call $f (local.get $x))
            (f64.add
              (f64.mul (f64.const 4)
                (call $f (f64.add (local.get $x) (f64.div (local.get $width) (f64.const 2)))))
              (call $f (f64.add (local.get $x) (local.get $width)))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_s (local.get $i) (local.get $steps))))
    (f64.mul (local.get $sum) (f64.div (local.get $width) (f64.const 6))))

  (func (export "main") (result f64 f64)
    (call $area (i32.const 1000))
    (f64.mul (f64.sqrt (call $acos (f64.const -1))) (call $erf (f64.const 10)))))
