// 64-bit Arm, AAPCS64 with Apple's variant and Windows': enter native code. This says only
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
// No type of C or Rust comes back in x0 and d0 at once. So the caller of a body that
// leaves result 0 in its register declares it to return an integer or a float.
//
// Apple: a stack word has 4 bytes, not 8, as arguments on the stack take only
// their own size there, and a wider store would overwrite the neighbour. All
// else that Apple does differently is in the layout.
//
// Ensures, in addition: x18 is not touched; sp is a multiple of 16 all the time. E1
// speaks of x0, x1 and x8 as they came, E2 of x0, x1 and v0-v3, E4 of x19-x29, sp,
// d8-d15 and fpcr.
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
//     x29 -  8 | address of return area   |    SAVED_AREA
//     x29 - 16 | descriptor               |    SAVED_DESCRIPTOR
//     x29 - 24 | slots                    |    SAVED_SLOTS
//     x29 - 32 | pad                      |    for RETURN_WORD without an area
//              +--------------------------+ <- 16-aligned
//              | results 1..              |    return area, RETURN_AREA bytes
//              +--------------------------+ <- 16-aligned
//              | stack word n - 1         |
//              ~   ...                    ~    argument area, n = STACK_WORDS
//     sp       | stack word 0             | <- 16-aligned: n is a multiple of 4
//              +--------------------------+
//
// Unwinding: from `mov x29, sp` to `ldp x29, x30` the CFA is x29 + 16. Windows' unwinder knows
// each instruction of prologues and epilogues, by .seh_ directives.
//
// Control-flow integrity: neutral to pointer authentication, as x30 is not signed
// and is as it came when `short_cut` or `bare` jumps.
//
// Reference: Procedure Call Standard for the Arm 64-bit Architecture 2024Q3:
// 6.1.1, 6.1.2 (registers), 6.4.5 (stack), 6.4.6 (frame chain), 6.5 (subroutine
// calls), 6.8.2 (parameter passing), 6.9 (result return). Apple: Writing ARM64 code
// for Apple platforms. Microsoft: Overview of ARM64 ABI conventions; ARM64 exception handling.

#include "prelude.h"

    .text

#define x18 do_not_use_x18

#define SAVED_SLOTS         x29, #-24
#define SAVED_DESCRIPTOR    x29, #-16
#define SAVED_AREA          x29, #-8
#define SAVED_SIZE          32
#define FIXED_SIZE          (WORD_SIZE * FIXED_WORDS)
#define PAGE_SIZE           4096

// A stack word, and the register of that size.
#if defined(__APPLE__) || defined(VMTRAMPOLINE_APPLE)
#define WORD_SIZE           4
#define WORD_REG(index)     w##index
#else
#define WORD_SIZE           8
#define WORD_REG(index)     x##index
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

// The vector registers with scalars, in two halves.
.macro SOME_FLOATS
    SCALAR  0
    SCALAR  1
    SCALAR  2
    SCALAR  3
.endm

.macro MORE_FLOATS
    SCALAR  4
    SCALAR  5
    SCALAR  6
    SCALAR  7
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

// Four stack words, from this one on; entries count from \from.
.macro WORDS from, index
    ldrh    w9, [\from, #D_LISTS + 2 * \index]
    ldrh    w10, [\from, #D_LISTS + 2 * \index + 2]
    ldrh    w11, [\from, #D_LISTS + 2 * \index + 4]
    ldrh    w12, [\from, #D_LISTS + 2 * \index + 6]
    ldr     WORD_REG(9), [x3, x9]
    ldr     WORD_REG(10), [x3, x10]
    ldr     WORD_REG(11), [x3, x11]
    ldr     WORD_REG(12), [x3, x12]
    stp     WORD_REG(11), WORD_REG(12), [sp, #WORD_SIZE * (\index + 2)]
    stp     WORD_REG(9), WORD_REG(10), [sp, #WORD_SIZE * \index]
.endm

// The return pointer, in x10, if it goes in the integer register of this index.
.macro RETURN_POINTER index
    tst     w9, #1 << \index
    csel    x\index, x10, x\index, ne
.endm

// Result 0 from its register to its slot; ends the frame but for its record.
.macro STORE_RESULT
    ldp     x3, x4, [sp], #16
    ldrb    w9, [x4, #D_RESULT]
    fmov    x10, d0
    cmp     w9, #RESULT_FLOAT
    csel    x0, x10, x0, eq
    ldr     x9, [x4, #D_RESULT_MASK]
    and     x0, x0, x9
    str     x0, [x3]
.endm

// The frame record; from here to END_FRAME the CFA is x29 + 16.
.macro BEGIN_FRAME
    stp     x29, x30, [sp, #-16]!
    cfi     def_cfa_offset 16
    cfi     offset x29, -16
    cfi     offset x30, -8
    seh     save_fplr_x 16
    mov     x29, sp
    cfi     def_cfa_register x29
    seh     set_fp
    seh     endprologue
.endm

.macro END_FRAME
    seh     startepilogue
    POP_FRAME
    seh     endepilogue
    ret
.endm

.macro POP_FRAME
    ldp     x29, x30, [sp], #16
    cfi     def_cfa sp, 0
    cfi     restore x29
    cfi     restore x30
    seh     save_fplr_x 16
.endm

//------------------------------------------------------------------- bare ----

    .p2align 4
FUNCTION(bare)
    seh     endprologue
    mov     x16, x2
    br      x16
END_FUNCTION(bare)

//------------------------------------------------------------- all_floats ----
//
// It changes x9, x10 and x30, too.

    .p2align 4
FUNCTION(all_floats)
    seh     endprologue
    SOME_FLOATS
    MORE_FLOATS
    ldrb    w10, [x4, #D_FLOATS]
    cmp     w10, #FLOATS_ALL
    b.ls    1f
    add     x10, x3, #8
    UPPER   0
    UPPER   1
    UPPER   2
    UPPER   3
    UPPER   4
    UPPER   5
    UPPER   6
    UPPER   7
1:  ret
END_FUNCTION(all_floats)

//-------------------------------------------------------------- short_cut ----
//
// It has no frame to keep x30 in while it calls `all_floats`: x15 has it, to the end.

    .p2align 5
FUNCTION(short_cut)
    seh     endprologue
    ldrb    w10, [x4, #D_FLOATS]
    cmp     w10, #FLOATS_SOME
    b.hi    3f
1:  SOME_FLOATS
2:  mov     x16, x2
    LOAD_INTEGERS
    br      x16
3:  cmp     w10, #FLOATS_ALL
    b.hi    4f
    MORE_FLOATS
    b       1b
#if defined(_WIN32)
4:  b       SYMBOL(short_cut_floats)
#else
4:  mov     x15, x30
    cfi     register x30, x15
    bl      SYMBOL(all_floats)
    mov     x30, x15
    b       2b
#endif
END_FUNCTION(short_cut)

#if defined(_WIN32)
// Windows' unwinder looks for x30 on the stack alone.
FUNCTION(short_cut_floats)
    BEGIN_FRAME
    bl      SYMBOL(all_floats)
    seh     startepilogue
    POP_FRAME
    seh     endepilogue
    b       2b
END_FUNCTION(short_cut_floats)
#endif

//------------------------------------------------------------------ fixed ----

    .p2align 5
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
2:  ldrb    w10, [x4, #D_FLOATS]
    cmp     w10, #FLOATS_SOME
    b.lo    3f
    b.hi    4f
    SOME_FLOATS
3:  LOAD_INTEGERS
    blr     x16

    add     sp, sp, #FIXED_SIZE
    cfi     remember_state
    END_FRAME

    cfi     restore_state
4:  bl      SYMBOL(all_floats)
    b       3b
END_FUNCTION(fixed)

//--------------------------------------------------------------- variable ----

    .p2align 5
FUNCTION(variable)
    BEGIN_FRAME
    sub     sp, sp, #SAVED_SIZE
    mov     x16, x2
    stp     x3, x4, [SAVED_SLOTS]

    // There may be no slot to read: then the descriptor will do.
    ldrh    w9, [x4, #D_SLOTS]
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
4:  ldrb    w9, [x4, #D_FLOATS]
    cbz     w9, 5f
    bl      SYMBOL(all_floats)
5:  LOAD_INTEGERS

    // The return pointer, in its register or its stack word; without one,
    // a word that is not read takes it.
    ldp     x11, x10, [SAVED_DESCRIPTOR]
    ldrb    w9, [x11, #D_RETURN_REGISTER]
    RETURN_POINTER 2
    RETURN_POINTER 3
    RETURN_POINTER 4
    RETURN_POINTER 5
    RETURN_POINTER 6
    RETURN_POINTER 7
    ldrh    w9, [x11, #D_RETURN_WORD]
    str     x10, [sp, x9]
    blr     x16

    // Result 0, if it is a vector.
    ldp     x10, x11, [SAVED_SLOTS]
    ldrb    w9, [x11, #D_RESULT]
    cmp     w9, #RESULT_VECTOR
    b.eq    9f

    // The others, from the return area.
6:  ldrh    w9, [x11, #D_SPILLS]
    cbz     w9, 8f
    ldr     x12, [SAVED_AREA]
    ldrb    w13, [x11, #D_STRIDE]
    ldrh    w14, [x11, #D_STACK_WORDS]
    add     x11, x11, x14, lsl #1
7:  ldrh    w14, [x11, #D_LISTS]
    add     x11, x11, #2
    add     x10, x10, x13
    add     x15, x12, x14
    tst     w14, #SPILL_4 | SPILL_16
    b.ne    10f
    ldr     x8, [x15, #-SPILL_8]
    str     x8, [x10]
    subs    w9, w9, #1
    b.ne    7b
8:  mov     sp, x29
    cfi     remember_state
    END_FRAME

    cfi     restore_state
9:  str     q0, [x10]
    b       6b
10: tst     w14, #SPILL_16
    b.ne    11f
    ldur    w8, [x15, #-SPILL_4]
    str     x8, [x10]
    subs    w9, w9, #1
    b.ne    7b
    b       8b
11: ldur    q16, [x15, #-SPILL_16]
    str     q16, [x10]
    subs    w9, w9, #1
    b.ne    7b
    b       8b
END_FUNCTION(variable)

//------------------------------------------------------- more for plain C ----
//
// Both take the body that makes the call as a sixth argument, in x5, which every body
// overwrites:
//
//     hidden      x8, the address of a result in memory, then the body
//     vectors     the body, then stores v0 to v3, in which up to four vectors come back:
//                 rustc has no type that comes back so
//
// Requires R9 of x5, and more: for `hidden`, slots + HIDDEN is a slot that holds what x8 is
// to be. For `vectors`, a seventh argument, in x6, points to 64 bytes, aligned to 16, that
// may be written.
//
// Ensures E11 in this form: `hidden` has target called with this value in x8; `variable`
// uses x8 only after the call. `vectors` has stored v0 to v3 at x6 as the body left them.
//
// Frame of `vectors`, at the call:
//
//              | caller's frame           |
//     x29 + 16 +--------------------------+ <- CFA; 16-aligned
//     x29 +  8 | return address           |
//     x29      | caller's x29             |    frame record
//     x29 -  8 | pad                      |
//     sp       | x6                       | <- 16-aligned
//              +--------------------------+

    .p2align 4
FUNCTION(hidden)
    seh     endprologue
    ldrh    w9, [x4, #D_HIDDEN]
    mov     x16, x5
    ldr     x8, [x3, x9]
    br      x16
END_FUNCTION(hidden)

    .p2align 4
FUNCTION(vectors)
    BEGIN_FRAME
    str     x6, [sp, #-16]!
    blr     x5
    ldr     x9, [sp], #16
    stp     q0, q1, [x9]
    stp     q2, q3, [x9, #32]
    END_FRAME
END_FUNCTION(vectors)

//--------------------------------------------------------- leaving a call ----
//
// R10 speaks of x5, R11 of x0 and sp, E13 of the registers of E4. A signal may come
// right after a branch through any register, so the landing pad of `landed` lets every
// branch in.
//
// Frame of `leavable`, at the call:
//
//              | caller's frame           |
//     x29 + 16 +--------------------------+ <- CFA; 16-aligned
//     x29 +  8 | return address           |
//     x29      | caller's x29             |    frame record
//     sp + 112 | caller's d8 to d15       |    SAVED_FLOATS
//     sp +  32 | caller's x19 to x28      |    SAVED_INTEGERS
//     sp +  24 | pad                      |
//     sp +  16 | shadow stack pointer     |    SAVED_GCSPR, if there is such a stack
//     sp +   8 | fpcr                     |
//     sp       | landing place            |    SAVED_LANDING, SAVED_FPCR; 16-aligned
//              +--------------------------+

#define SAVED_LANDING       sp
#define SAVED_FPCR          sp, #8
#define SAVED_GCSPR         sp, #16
#define SAVED_INTEGERS      32
#define SAVED_FLOATS        112
#define LEAVABLE_SIZE       176
#define GCSPR_EL0           s3_3_c2_c5_1

// Where unwinders find the caller's registers, until RESTORED.
.macro SAVED
    cfi     offset x19, -160
    cfi     offset x20, -152
    cfi     offset x21, -144
    cfi     offset x22, -136
    cfi     offset x23, -128
    cfi     offset x24, -120
    cfi     offset x25, -112
    cfi     offset x26, -104
    cfi     offset x27, -96
    cfi     offset x28, -88
    cfi     offset d8, -80
    cfi     offset d9, -72
    cfi     offset d10, -64
    cfi     offset d11, -56
    cfi     offset d12, -48
    cfi     offset d13, -40
    cfi     offset d14, -32
    cfi     offset d15, -24
.endm

.macro RESTORED
    cfi     restore x19
    cfi     restore x20
    cfi     restore x21
    cfi     restore x22
    cfi     restore x23
    cfi     restore x24
    cfi     restore x25
    cfi     restore x26
    cfi     restore x27
    cfi     restore x28
    cfi     restore d8
    cfi     restore d9
    cfi     restore d10
    cfi     restore d11
    cfi     restore d12
    cfi     restore d13
    cfi     restore d14
    cfi     restore d15
.endm

// The callee-saved registers: stp or ldp.
.macro KEPT transfer
    \transfer x19, x20, [sp, #SAVED_INTEGERS]
    \transfer x21, x22, [sp, #SAVED_INTEGERS + 16]
    \transfer x23, x24, [sp, #SAVED_INTEGERS + 32]
    \transfer x25, x26, [sp, #SAVED_INTEGERS + 48]
    \transfer x27, x28, [sp, #SAVED_INTEGERS + 64]
    \transfer d8, d9, [sp, #SAVED_FLOATS]
    \transfer d10, d11, [sp, #SAVED_FLOATS + 16]
    \transfer d12, d13, [sp, #SAVED_FLOATS + 32]
    \transfer d14, d15, [sp, #SAVED_FLOATS + 48]
.endm

// Goes on at `label` if there is no shadow stack. Changes x16.
.macro WITHOUT_SHADOW_STACK label
    mov     x16, #1
    hint    #40                          // chkfeat x16, for every assembler
    cbnz    x16, \label
.endm

    .p2align 5
FUNCTION(leavable)
    BEGIN_FRAME
    sub     sp, sp, #LEAVABLE_SIZE
    KEPT    stp
    SAVED
    mrs     x10, fpcr
    stp     x5, x10, [SAVED_LANDING]
    WITHOUT_SHADOW_STACK 1f
    mrs     x9, GCSPR_EL0
    str     x9, [SAVED_GCSPR]
1:  mov     x9, sp
    str     x9, [x5, #L_SP]
    ldr     x9, [x5, #L_BODY]
    blr     x9
    ldr     x9, [SAVED_LANDING]
    str     xzr, [x9, #L_SP]
    add     sp, sp, #LEAVABLE_SIZE
    RESTORED
    END_FRAME
END_FUNCTION(leavable)

FUNCTION(leave)
    seh     endprologue
    mov     sp, x0
#if !defined(_WIN32)
END_FUNCTION(leave)                      // goes on in `landed`

FUNCTIONS(landed)
#else
    b       SYMBOL(landed)
END_FUNCTION(leave)

// The system's unwinder tells by the number of instructions how much of a prologue has been
// executed. `landed` never executes its own: `leavable` has made the frame.
FUNCTIONS(landed_frame)
    stp     x29, x30, [sp, #-16]!
    seh     save_fplr_x 16
    sub     sp, sp, #LEAVABLE_SIZE
    seh     stackalloc LEAVABLE_SIZE
    KEPT    stp
    seh     save_regp x19, SAVED_INTEGERS
    seh     save_regp x21, SAVED_INTEGERS + 16
    seh     save_regp x23, SAVED_INTEGERS + 32
    seh     save_regp x25, SAVED_INTEGERS + 48
    seh     save_regp x27, SAVED_INTEGERS + 64
    seh     save_fregp d8, SAVED_FLOATS
    seh     save_fregp d10, SAVED_FLOATS + 16
    seh     save_fregp d12, SAVED_FLOATS + 32
    seh     save_fregp d14, SAVED_FLOATS + 48
    seh     endprologue
ALIAS(landed)
#endif
    cfi     def_cfa sp, LEAVABLE_SIZE + 16
    cfi     offset x29, -16
    cfi     offset x30, -8
    SAVED
    hint    #38                          // bti jc, for every assembler
    add     x29, sp, #LEAVABLE_SIZE
    cfi     def_cfa x29, 16
    ldr     x9, [SAVED_FPCR]
    msr     fpcr, x9

    // The shadow stack, down to the return address of `leavable`.
    WITHOUT_SHADOW_STACK 2f
    ldr     x10, [SAVED_GCSPR]
1:  mrs     x9, GCSPR_EL0
    cmp     x9, x10
    b.eq    2f
    sysl    xzr, #3, c7, c7, #1          // gcspopm
    b       1b
2:  KEPT    ldp
    seh     startepilogue
    add     sp, sp, #LEAVABLE_SIZE
    seh     stackalloc LEAVABLE_SIZE
    RESTORED
    POP_FRAME
    seh     endepilogue
    ret
END_FUNCTION(landed)

//------------------------------------------------------ function pointers ----
//
// Frame of `storing` and `storing_short_cut`, at the call:
//
//              | caller's frame           |
//     x29 + 16 +--------------------------+ <- CFA; 16-aligned
//     x29 +  8 | return address           |
//     x29      | caller's x29             |    frame record
//     x29 -  8 | descriptor               |
//     sp       | slots                    | <- 16-aligned
//              +--------------------------+

    .p2align 5
FUNCTION(storing_short_cut)
    BEGIN_FRAME
    stp     x3, x4, [sp, #-16]!
    ldrb    w10, [x4, #D_FLOATS]
    cmp     w10, #FLOATS_SOME
    b.hi    2f
    SOME_FLOATS
1:  mov     x16, x2
    LOAD_INTEGERS
    blr     x16
    STORE_RESULT
    cfi     remember_state
    END_FRAME

    cfi     restore_state
2:  bl      SYMBOL(all_floats)
    b       1b
END_FUNCTION(storing_short_cut)

    .p2align 5
FUNCTION(storing)
    BEGIN_FRAME
    stp     x3, x4, [sp, #-16]!
    ldr     x9, [x4, #-BODY_BEFORE]
    blr     x9
    STORE_RESULT
    END_FRAME
END_FUNCTION(storing)

// Sections of their own: in a program without pointers, the linker drops them.
ZEROED(pointer_table, (8 * POINTERS))

#if defined(__APPLE__)
#define PAGE_OF(symbol)     symbol@PAGE
#define OFFSET_OF(symbol)   symbol@PAGEOFF
#define LARGEST_PAGE        0x4000
#else
#define PAGE_OF(symbol)     symbol
#define OFFSET_OF(symbol)   :lo12:symbol
#define LARGEST_PAGE        0x10000
#endif

// The end of a thunk of so many bytes. In COFF, assemblers have to know the length of a
// function before they align anything.
.macro FILL size
#if defined(_WIN32)
    .rept   \size / 4 - 5
    nop
    .endr
#else
    .balign \size
#endif
.endm

#if defined(__ELF__)
    .section .text.pointer_thunks, "ax", %progbits
#elif defined(_WIN32)
    .section .text$pointer_thunks, "xr"
#endif
    .balign THUNK_SIZE_AARCH64
FUNCTIONS(pointer_thunks)
    seh     endprologue
    .set    .Lentry, 0
    .rept   POINTERS
    LANDING_PAD
    adrp    x4, PAGE_OF(SYMBOL(pointer_table)) + .Lentry
    ldr     x4, [x4, OFFSET_OF(SYMBOL(pointer_table)) + .Lentry]
    ldr     x16, [x4, #-CALL_BEFORE]
    br      x16
    FILL    THUNK_SIZE_AARCH64
    .set    .Lentry, .Lentry + 8
    .endr
END_FUNCTION(pointer_thunks)

//----------------------------------------------- native code calls the host ----
//
// The context is in x0, in `c_host` and `c_host_small` in x16. x8, C's return pointer, is
// saved in the place of the VM convention's return pointer.
//
// Ensures E9, and more: for MORE_PAIR, bytes 8..16 of slot 0 are in x1, and slots 0 to 3,
// or as much as the frame has in their place, in v0 to v3.
//
// Frame, at the call:
//
//              | stack words              |    argument area
//     x29 + 16 +--------------------------+ <- CFA; 16-aligned
//     x29 +  8 | return address           |
//     x29      | caller's x29             |    frame record
//     x29 -  8 | context                  |    SAVED_CONTEXT
//     x29 - 16 | return pointer           |    SAVED_POINTER
//              +--------------------------+ <- 16-aligned
//              | scratch                  |    SCRATCH_SIZE bytes
//              | places for Rust          |    if the scatter has a plan
//              | slot n - 1               |
//              ~   ...                    ~    n = SLOTS; with places 16 * SMALL_SLOTS if small
//     sp       | slot 0                   | <- 16-aligned
//              +--------------------------+

    .text

#define SAVED_CONTEXT       x29, #-8
#define SAVED_POINTER       x29, #-16
#define ARGUMENTS           16
#define SMALL_SIZE          (16 * SMALL_SLOTS + SCRATCH_SIZE)
#define PAIR_BIT            3
.if 1 << PAIR_BIT != MORE_PAIR
    .error "PAIR_BIT is not the bit of MORE_PAIR"
.endif

// The frame of constant size.
.macro SMALL_FRAME
    BEGIN_FRAME
    sub     sp, sp, #16 + SMALL_SIZE
.endm

// The frame of any size, touched page by page.
.macro LARGE_FRAME context
    BEGIN_FRAME
    stp     \context, \context, [sp, #-16]!
    ldrh    w9, [\context, #H_FRAME]
8:  cmp     w9, #PAGE_SIZE
    b.lo    9f
    sub     w9, w9, #PAGE_SIZE
    sub     sp, sp, #PAGE_SIZE
    ldr     xzr, [sp]
    b       8b
9:  sub     sp, sp, x9
    ldr     xzr, [sp]
.endm

// An integer argument register, to where the context says.
.macro FROM_INTEGER index
    ldrh    w9, [x0, #H_INTEGER + 2 * \index]
    str     x\index, [sp, x9]
.endm

// A vector register: always 16 bytes, as they belong to no other slot.
.macro FROM_FLOAT index
    ldrh    w9, [x0, #H_FLOAT + 2 * \index]
    str     q\index, [sp, x9]
.endm

    .p2align 5
FUNCTION(c_host)
    LARGE_FRAME x16
    b       1f
END_FUNCTION(c_host)

FUNCTION(c_host_small)
    SMALL_FRAME

    // The registers of the contexts, which then get what VM has in them.
1:  ldrh    w9, [x16, #H_INTEGER]
    str     x0, [sp, x9]
    mov     x0, x16
    FROM_INTEGER 1
    mov     x1, xzr
    b       1f
END_FUNCTION(c_host_small)

FUNCTION(host)
    LARGE_FRAME x0
    b       1f
END_FUNCTION(host)

    .p2align 5
FUNCTION(host_small)
    SMALL_FRAME
1:  stp     x8, x0, [SAVED_POINTER]
    ldrh    w9, [x0, #H_FLOATS]
    cmp     w9, #FLOATS_FEW
    b.ls    2f
    FROM_FLOAT 7
    FROM_FLOAT 6
    FROM_FLOAT 5
    FROM_FLOAT 4
    FROM_FLOAT 3
    FROM_FLOAT 2
2:  FROM_FLOAT 1
    FROM_FLOAT 0
    FROM_INTEGER 7
    FROM_INTEGER 6
    FROM_INTEGER 5
    FROM_INTEGER 4
    FROM_INTEGER 3
    FROM_INTEGER 2

    // The stack words, two at a time.
    ldrh    w9, [x0, #H_STACK_WORDS]
    cbz     w9, 4f
    ldr     x10, [x0, #H_LISTS]
    add     x11, x29, #ARGUMENTS
3:  ldrh    w12, [x10], #2
    ldrh    w13, [x10], #2
    ldp     WORD_REG(14), WORD_REG(15), [x11], #WORD_SIZE * H_GROUP
    str     WORD_REG(14), [sp, x12]
    str     WORD_REG(15), [sp, x13]
    subs    w9, w9, #H_GROUP
    b.ne    3b

    // The array call, and result 0 in both registers that it can come back in.
4:  mov     x2, sp
    ldrh    w3, [x0, #H_SLOTS]
    ldr     x16, [x0, #H_FUNCTION]
    blr     x16
    ldr     x0, [sp]
    ldr     d0, [sp]
    ldr     x9, [SAVED_CONTEXT]
    ldrh    w10, [x9, #H_MORE]
    cbnz    w10, 6f
5:  mov     sp, x29
    cfi     remember_state
    END_FRAME

    // The other half of a vector, and the results of the return area.
    cfi     restore_state
6:  add     x11, sp, #8
    ld1     {v0.d}[1], [x11]
    ldrh    w11, [x9, #H_SPILLS]
    cbz     w11, 11f
    ldr     x10, [x9, #H_LISTS]
    ldrh    w12, [x9, #H_STACK_WORDS]
    add     x10, x10, x12, lsl #1
    ldr     x12, [SAVED_POINTER]
    mov     x13, sp
7:  ldrh    w14, [x10], #2
    ldr     x15, [x13, #16]!
    add     x16, x12, x14
    tst     w14, #SPILL_4 | SPILL_16
    b.ne    9f
    str     x15, [x16, #-SPILL_8]
8:  subs    w11, w11, #1
    b.ne    7b
    b       5b
9:  tst     w14, #SPILL_16
    b.ne    10f
    stur    w15, [x16, #-SPILL_4]
    b       8b
10: stur    x15, [x16, #-SPILL_16]
    ldr     x15, [x13, #8]
    stur    x15, [x16, #8 - SPILL_16]
    b       8b

    // What only results of C come back in.
11: tbz     w10, #PAIR_BIT, 5b
    ldr     x1, [sp, #8]
    ldp     q0, q1, [sp]
    ldp     q2, q3, [sp, #32]
    b       5b
END_FUNCTION(host_small)

// The function pointers of callbacks. Sections of their own: in a program
// without callbacks, the linker drops them.
ZEROED(callback_table, (8 * CALLBACKS))

.macro CALLBACK_THUNKS count, table, offset
    .set    .Lentry, \offset
    .rept   \count
    LANDING_PAD
    adrp    x16, PAGE_OF(\table) + .Lentry
    ldr     x16, [x16, OFFSET_OF(\table) + .Lentry]
    ldr     x17, [x16, #H_CODE]
    br      x17
    FILL    CALLBACK_SIZE_AARCH64
    .set    .Lentry, .Lentry + 8
    .endr
.endm

#if defined(__ELF__)
    .section .text.callback_thunks, "ax", %progbits
#elif defined(_WIN32)
    .section .text$callback_thunks, "xr"
#endif
    .balign CALLBACK_SIZE_AARCH64
FUNCTIONS(callback_thunks)
    seh     endprologue
    CALLBACK_THUNKS CALLBACKS, SYMBOL(callback_table), 0
END_FUNCTION(callback_thunks)

#if !defined(_WIN32)
// Thunks that are never called here. For more callbacks, src/native/mapping.rs maps their
// pages again, with a table behind them.
#if defined(__ELF__)
    .section .text.callback_block, "ax", %progbits
#endif
    .balign LARGEST_PAGE
FUNCTIONS(callback_block)
    CALLBACK_THUNKS (BLOCK_SIZE / CALLBACK_SIZE_AARCH64), SYMBOL(callback_block), BLOCK_SIZE
END_FUNCTION(callback_block)
#endif
