/* What libffi's interface has that differs between machines. */

#ifndef LIBFFI_TARGET_H
#define LIBFFI_TARGET_H

#ifndef LIBFFI_H
#error "include ffi.h, which includes this"
#endif

#define FFI_CLOSURES 1
#define FFI_NATIVE_RAW_API 0
#define FFI_TARGET_HAS_COMPLEX_TYPE 1
#define FFI_TARGET_HAS_INT128 1

/* Bytes at the beginning of a closure; nothing is in them. */
#if defined(__aarch64__) || defined(__riscv)
#define FFI_TRAMPOLINE_SIZE 24
#else
#define FFI_TRAMPOLINE_SIZE 32
#endif

/* Fields at the end of a cif that libffi has for itself. */
#if defined(__riscv)
#define FFI_EXTRA_CIF_FIELDS unsigned unused[2]
#elif defined(__aarch64__) && defined(__APPLE__)
#define FFI_EXTRA_CIF_FIELDS unsigned unused
#endif

#ifndef LIBFFI_ASM

/* What a small integer result is widened to. */
typedef unsigned long ffi_arg;
typedef signed long ffi_sarg;

/* There is one convention on each machine; the others are known, and refused. */
typedef enum ffi_abi {
#if defined(__x86_64__)
    FFI_FIRST_ABI = 1,
    FFI_UNIX64 = 2,
    FFI_WIN64 = 3,
    FFI_EFI64 = FFI_WIN64,
    FFI_GNUW64 = 4,
    FFI_LAST_ABI = 5,
    FFI_DEFAULT_ABI = FFI_UNIX64
#elif defined(__aarch64__)
    FFI_FIRST_ABI = 0,
    FFI_SYSV = 1,
    FFI_WIN64 = 2,
    FFI_LAST_ABI = 3,
    FFI_DEFAULT_ABI = FFI_SYSV
#elif defined(__riscv) && __riscv_xlen == 64
    FFI_FIRST_ABI = 0,
    FFI_SYSV = 1,
    FFI_LAST_ABI = 5,
    FFI_DEFAULT_ABI = FFI_SYSV
#elif defined(__s390x__)
    FFI_FIRST_ABI = 0,
    FFI_SYSV = 1,
    FFI_LAST_ABI = 2,
    FFI_DEFAULT_ABI = FFI_SYSV
#else
#error "this libffi is for x86-64, aarch64, riscv64 and s390x"
#endif
} ffi_abi;

#endif /* LIBFFI_ASM */

#endif
