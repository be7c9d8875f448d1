// 64-bit Arm, AAPCS64 and Apple's variant: enter native code. This says only
// what differs from the reference text, x86_64_sysv.S.
//
//     extern "C-unwind" fn(
//         callee: *mut VMOpaqueContext,       // x0
//         caller: *mut VMContext,             // x1
//         target: *const VMFunctionBody,      // x2
//         slots: *mut ValRaw,                 // x3
//         descriptor: *const Header,          // x4
//     ) -> x0 or d0
//
// No type of C or Rust comes back in x0 and d0 at once: who calls a body that
// leaves result 0 in its register declares it to return an integer or a float.
//
// Apple: a stack word has 4 bytes, not 8, as arguments on the stack take only
// their own size there, and a wider store would overwrite the neighbour. All
// else that Apple does differently is in the layout.
//
// Ensures, besides: x18 is not touched; sp is a multiple of 16 all the time. E4
// speaks of x19-x29, sp, d8-d15 and fpcr.
//
// Registers here, until the arguments are loaded:
//   x16      target: `bti c` lets a jump in only if it is through x16 or x17
//   x3, x4   slots, descriptor: loaded last, as they are argument registers
//   x9-x15   scratch
//
// Frame of `variable`, at the call; that of `fixed` has only the argument area:
//
//              | caller's frame           |
//     x29 + 16 +--------------------------+ <- CFA; 16-aligned
//     x29 +  8 | return address           |
//     x29      | caller's x29             |    frame record
//     x29 -  8 | pad                      |
//     x29 - 16 | address of return area   |    SAVED_AREA
//     x29 - 24 | descriptor               |    SAVED_DESCRIPTOR
//     x29 - 32 | slots                    |    SAVED_SLOTS
//              +--------------------------+ <- 16-aligned
//              | results 1..              |    return area, RETURN_AREA bytes
//              +--------------------------+ <- 16-aligned
//              | stack word n - 1         |
//              ~   ...                    ~    argument area, n = STACK_WORDS
//     sp       | stack word 0             | <- 16-aligned: n is a multiple of 4
//              +--------------------------+
//
// Unwinding: from `mov x29, sp` to `ldp x29, x30` the CFA is x29 + 16.
//
// Control-flow integrity: neutral to pointer authentication, as x30 is neither
// signed nor changed.
//
// Reference: Procedure Call Standard for the Arm 64-bit Architecture 2024Q3:
// 6.1.1, 6.1.2 (registers), 6.2.3 (frame chain), 6.4 (subroutine calls), 6.8.2
// (parameter passing), 6.9 (result return). Apple: Writing ARM64 code for Apple
// platforms.

#include "prelude.h"

    .text

#define x18 do_not_use_x18

#define SAVED_SLOTS         x29, #-32
#define SAVED_DESCRIPTOR    x29, #-24
#define SAVED_AREA          x29, #-16
#define SAVED_SIZE          32
#define FIXED_SIZE          (WORD_SIZE * FIXED_WORDS)
#define PAGE_SIZE           4096

// A stack word, and the register of that size.
#if defined(__APPLE__) || defined(VMTRAMPOLINE_APPLE)
#define WORD_SIZE           4
#define WORD(index)         w##index
#else
#define WORD_SIZE           8
#define WORD(index)         x##index
#endif

// An integer argument register: 8 bytes from the slot that the descriptor names.
.macro INTEGER index
    ldrh    w\index, [x4, #D_INTEGER + 2 * \index]
    ldr     x\index, [x3, x\index]
.endm

// A vector register that carries a scalar: 8 bytes. A load wider than the store
// that filled the slot would wait for it to reach the cache.
.macro SCALAR index
    ldrh    w9, [x4, #D_FLOAT + 2 * \index]
    ldr     d\index, [x3, x9]
.endm

// The other half of a vector. x10 is 8 bytes beyond slots.
.macro UPPER index
    ldrh    w9, [x4, #D_FLOAT + 2 * \index]
    add     x9, x10, x9
    ld1     {v\index\().d}[1], [x9]
.endm

// The vector registers, in tiers, each of which adds to the one before: 0,
// FLOATS_FEW, FLOATS_SOME, FLOATS_ALL, and all of them with 16 bytes.
.macro LOAD_FLOATS
    ldrb    w10, [x4, #D_FLOATS]
    cmp     w10, #FLOATS_FEW
    b.lo    1f
    SCALAR  0
    SCALAR  1
    b.eq    1f
    cmp     w10, #FLOATS_ALL
    SCALAR  2
    SCALAR  3
    b.lo    1f
    SCALAR  4
    SCALAR  5
    SCALAR  6
    SCALAR  7
    b.eq    1f
    add     x10, x3, #8
    UPPER   0
    UPPER   1
    UPPER   2
    UPPER   3
    UPPER   4
    UPPER   5
    UPPER   6
    UPPER   7
1:
.endm

// The integer registers after the contexts. One that carries nothing gets a
// copy of slot 0. slots and descriptor go last.
.macro LOAD_INTEGERS
    INTEGER 2
    INTEGER 5
    INTEGER 6
    INTEGER 7
    ldrh    w9, [x4, #D_INTEGER + 2 * 3]
    INTEGER 4
    ldr     x3, [x3, x9]
.endm

// Plain C: the registers of the contexts.
.macro LOAD_CONTEXTS
    INTEGER 0
    INTEGER 1
.endm

// Four stack words, from this one on; entries count from \from.
.macro WORDS from, index
    ldrh    w9, [\from, #D_LISTS + 2 * \index]
    ldrh    w10, [\from, #D_LISTS + 2 * \index + 2]
    ldrh    w11, [\from, #D_LISTS + 2 * \index + 4]
    ldrh    w12, [\from, #D_LISTS + 2 * \index + 6]
    ldr     WORD(9), [x3, x9]
    ldr     WORD(10), [x3, x10]
    ldr     WORD(11), [x3, x11]
    ldr     WORD(12), [x3, x12]
    stp     WORD(11), WORD(12), [sp, #WORD_SIZE * (\index + 2)]
    stp     WORD(9), WORD(10), [sp, #WORD_SIZE * \index]
.endm

// The return pointer, in x10, if it goes in the integer register of this index.
.macro RETURN_POINTER index
    tst     w9, #1 << \index
    csel    x\index, x10, x\index, ne
.endm

// The frame record; from here to END_FRAME the CFA is x29 + 16.
.macro BEGIN_FRAME
    stp     x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov     x29, sp
    .cfi_def_cfa_register x29
.endm

.macro END_FRAME
    ldp     x29, x30, [sp], #16
    .cfi_def_cfa sp, 0
    .cfi_restore x29
    .cfi_restore x30
    ret
.endm

//------------------------------------------------------------------- bare ----

    .p2align 4
FUNCTION(bare)
    mov     x16, x2
    br      x16
END_FUNCTION(bare)

//-------------------------------------------------------------- short_cut ----

    .p2align 5
FUNCTION(c_short_cut)
    LOAD_CONTEXTS
END_FUNCTION(c_short_cut)                // falls through

FUNCTION(short_cut)
    mov     x16, x2
    LOAD_FLOATS
    LOAD_INTEGERS
    br      x16
END_FUNCTION(short_cut)

//------------------------------------------------------------------ fixed ----

    .p2align 5
FUNCTION(c_fixed)
    LOAD_CONTEXTS
END_FUNCTION(c_fixed)                    // falls through

FUNCTION(fixed)
    BEGIN_FRAME
    sub     sp, sp, #FIXED_SIZE
    mov     x16, x2

    // Groups of four stack words; fewer than four is none.
    ldrh    w9, [x4, #D_STACK_WORDS]
    cmp     w9, #GROUP
    b.lo    2f
    b.eq    1f
    WORDS   x4, 4
1:  WORDS   x4, 0
2:
    LOAD_FLOATS
    LOAD_INTEGERS
    blr     x16

    add     sp, sp, #FIXED_SIZE
    END_FRAME
END_FUNCTION(fixed)

//--------------------------------------------------------------- variable ----

    .p2align 5
FUNCTION(c_variable)
    // Without parameters there may be no slot to read: the descriptor will do.
    ldrh    w9, [x4, #D_PARAMS]
    cmp     w9, #0
    mov     x10, x3
    csel    x3, x4, x3, eq
    LOAD_CONTEXTS
    mov     x3, x10
END_FUNCTION(c_variable)                 // falls through

FUNCTION(variable)
    BEGIN_FRAME
    sub     sp, sp, #SAVED_SIZE
    mov     x16, x2
    stp     x3, x4, [SAVED_SLOTS]
    ldrh    w9, [x4, #D_PARAMS]
    cmp     w9, #0
    csel    x3, x4, x3, eq

    // The return area, touched page by page.
    ldrh    w9, [x4, #D_RETURN_AREA]
1:  cmp     w9, #PAGE_SIZE
    b.lo    2f
    sub     w9, w9, #PAGE_SIZE
    sub     sp, sp, #PAGE_SIZE
    ldr     xzr, [sp]
    b       1b
2:  sub     sp, sp, x9
    ldr     xzr, [sp]
    mov     x10, sp
    str     x10, [SAVED_AREA]

    // The stack words, last ones first, which touches their pages in order.
    ldrh    w13, [x4, #D_STACK_WORDS]
    cbz     w13, 4f
    add     x13, x4, x13, lsl #1
3:  sub     x13, x13, #2 * GROUP
    sub     sp, sp, #WORD_SIZE * GROUP
    WORDS   x13, 0
    cmp     x13, x4
    b.ne    3b
4:
    LOAD_FLOATS
    LOAD_INTEGERS

    // The return pointer, in its register or its stack word; a word that nobody
    // reads takes it otherwise.
    ldp     x11, x10, [SAVED_DESCRIPTOR]
    ldrh    w9, [x11, #D_SPILLS]
    cbz     w9, 5f
    ldrb    w9, [x11, #D_RETURN_REGISTER]
    RETURN_POINTER 2
    RETURN_POINTER 3
    RETURN_POINTER 4
    RETURN_POINTER 5
    RETURN_POINTER 6
    RETURN_POINTER 7
    ldrh    w9, [x11, #D_RETURN_WORD]
    str     x10, [sp, x9]
5:  blr     x16

    // Result 0, from its register.
    ldp     x10, x11, [SAVED_SLOTS]
    ldrb    w9, [x11, #D_RESULT]
    cmp     w9, #RESULT_INTEGER
    b.lo    11f
    b.eq    6f
    cmp     w9, #RESULT_FLOAT
    b.hi    7f
    fmov    x0, d0
6:  ldr     x12, [x11, #D_RESULT_MASK]
    and     x0, x0, x12
    str     x0, [x10]
    b       8f
7:  str     q0, [x10]

    // The others, from the return area.
8:  ldrh    w9, [x11, #D_SPILLS]
    cbz     w9, 11f
    ldr     x12, [SAVED_AREA]
    ldrb    w13, [x11, #D_STRIDE]
    ldrh    w14, [x11, #D_STACK_WORDS]
    add     x11, x11, x14, lsl #1
9:  ldrh    w14, [x11, #D_LISTS]
    add     x11, x11, #2
    add     x10, x10, x13
    add     x15, x12, x14
    tst     w14, #SPILL_4 | SPILL_16
    b.ne    12f
    ldr     x0, [x15, #-SPILL_8]
10: str     x0, [x10]
    subs    w9, w9, #1
    b.ne    9b
11: mov     sp, x29
    .cfi_remember_state
    END_FRAME

    .cfi_restore_state
12: tst     w14, #SPILL_16
    b.ne    13f
    ldur    w0, [x15, #-SPILL_4]
    b       10b
13: ldur    q0, [x15, #-SPILL_16]
    str     q0, [x10]
    subs    w9, w9, #1
    b.ne    9b
    b       11b
END_FUNCTION(variable)

//------------------------------------------------------ function pointers ----
//
// Frame of `leaf`, at the call:
//
//              | caller's frame           |
//     x29 + 16 +--------------------------+ <- CFA; 16-aligned
//     x29 +  8 | return address           |
//     x29      | caller's x29             |    frame record
//     x29 -  8 | descriptor               |
//     x29 - 16 | slots                    |
//              +--------------------------+
//     sp       | argument area            | <- 16-aligned
//              +--------------------------+

    .p2align 5
FUNCTION(leaf_all)
    SCALAR  4
    SCALAR  5
    SCALAR  6
    SCALAR  7
END_FUNCTION(leaf_all)                   // falls through

FUNCTION(leaf_some)
    SCALAR  2
    SCALAR  3
END_FUNCTION(leaf_some)                  // falls through

FUNCTION(leaf_few)
    SCALAR  0
    SCALAR  1
END_FUNCTION(leaf_few)                   // falls through

FUNCTION(leaf)
    BEGIN_FRAME
    stp     x3, x4, [sp, #-16]!
    sub     sp, sp, #FIXED_SIZE
    mov     x16, x2
    ldrh    w9, [x4, #D_STACK_WORDS]
    cmp     w9, #GROUP
    b.hs    2f
1:  LOAD_INTEGERS
    blr     x16

    add     sp, sp, #FIXED_SIZE
    ldp     x3, x4, [sp], #16
    ldrb    w9, [x4, #D_RESULT]
    fmov    x10, d0
    cmp     w9, #RESULT_FLOAT
    csel    x0, x10, x0, eq
    ldr     x9, [x4, #D_RESULT_MASK]
    and     x0, x0, x9
    str     x0, [x3]
    .cfi_remember_state
    END_FRAME

    .cfi_restore_state
2:  b.eq    3f
    WORDS   x4, 4
3:  WORDS   x4, 0
    b       1b
END_FUNCTION(leaf)

// Sections of their own: where nobody makes pointers, the linker drops them.
ZEROED(pointer_table, (8 * POINTERS))

#if defined(__APPLE__)
#define PAGE_OF(symbol)     symbol@PAGE
#define OFFSET_OF(symbol)   symbol@PAGEOFF
#else
#define PAGE_OF(symbol)     symbol
#define OFFSET_OF(symbol)   :lo12:symbol
#endif

#if defined(__ELF__)
    .section .text.pointer_thunks, "ax", %progbits
#endif
    .balign THUNK_SIZE_AARCH64
FUNCTIONS(pointer_thunks)
    .set    .Lentry, 0
    .rept   POINTERS
    LANDING_PAD
    adrp    x4, PAGE_OF(SYMBOL(pointer_table)) + .Lentry
    ldr     x4, [x4, OFFSET_OF(SYMBOL(pointer_table)) + .Lentry]
    ldr     x16, [x4, #-BODY_BEFORE]
    br      x16
    .balign THUNK_SIZE_AARCH64
    .set    .Lentry, .Lentry + 8
    .endr
END_FUNCTION(pointer_thunks)
