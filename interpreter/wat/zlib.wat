;; Checks and compresses a text in linear memory by zlib.
;;
;;     wasmi_native wat/zlib.wat
;;
;; prints the text's length and CRC-32, the length of the text when compressed, and
;; the CRC-32 of what it decompresses to, which is the same.
;;
;; The names of the imports say which parameters are addresses, and of how many
;; bytes: [$2] is as many as parameter 2 says, [*$1] as many as the 8 bytes at the
;; address in parameter 1 say. C's `unsigned long` is an i64, `int` an i32.
(module
  (import "libz.so.1" "crc32(_, [$2], _)"
    (func $crc32 (param i64 i32 i32) (result i64)))
  (import "libz.so.1" "compress2([*$1], [8], [$3], _, _)"
    (func $compress2 (param i32 i32 i32 i64 i32) (result i32)))
  (import "libz.so.1" "uncompress([*$1], [8], [$3], _)"
    (func $uncompress (param i32 i32 i32 i64) (result i32)))

  ;; 0: the length of an output.  0x1000: the text.  0x4000: compressed.
  ;; 0x8000: decompressed.
  (memory (export "memory") 1)
  (data (i32.const 0x1000) "All work and no play makes Jack a dull boy. ")
  (global $length i32 (i32.const 8800))

  ;; The text is one sentence, two hundred times.
  (func $fill
    (local $to i32)
    (local.set $to (i32.const 44))
    (loop $next
      (memory.copy (i32.add (i32.const 0x1000) (local.get $to)) (i32.const 0x1000) (i32.const 44))
      (local.set $to (i32.add (local.get $to) (i32.const 44)))
      (br_if $next (i32.lt_u (local.get $to) (global.get $length)))))

  ;; zlib says 0 when all went well.
  (func $well (param i32)
    (if (local.get 0) (then (unreachable))))

  (func (export "main") (result i32 i64 i64 i64)
    (local $compressed i64)
    (call $fill)
    (i64.store (i32.const 0) (i64.const 0x4000))
    (call $well
      (call $compress2 (i32.const 0x4000) (i32.const 0) (i32.const 0x1000)
        (i64.extend_i32_u (global.get $length)) (i32.const 9)))
    (local.set $compressed (i64.load (i32.const 0)))
    (i64.store (i32.const 0) (i64.const 0x8000))
    (call $well
      (call $uncompress (i32.const 0x8000) (i32.const 0) (i32.const 0x4000)
        (local.get $compressed)))

    (global.get $length)
    (call $crc32 (i64.const 0) (i32.const 0x1000) (global.get $length))
    (local.get $compressed)
    (call $crc32 (i64.const 0) (i32.const 0x8000) (i32.wrap_i64 (i64.load (i32.const 0)))))
)
