// 64-bit RISC-V, LP64D: enter native code. This says only what differs from the
// reference text, x86_64_sysv.S.
//
//     extern "C-unwind" fn(
//         callee: *mut VMOpaqueContext,       // a0
//         caller: *mut VMContext,             // a1
//         target: *const VMFunctionBody,      // a2
//         slots: *mut ValRaw,                 // a3
//         descriptor: *const Header,          // a4
//     ) -> a0 or fa0
//
// As on aarch64, no type of C or Rust comes back in a0 and fa0 at once.
//
// The convention wants an i32 sign-extended, in a register or on the stack, and
// an f32 in ones up to 64 bits. Hence the descriptor marks narrow values, and says
// whether there are any. One branch on that picks the loads of all values. Of one value, the
// mark decides without a branch: it becomes a shift by 32 or by none, or 32 ones or none.
//
// Functions that Cranelift compiles do not keep fs1, but our caller relies on it. So every
// body has a frame and keeps fs1 itself, and none jumps to its target.
//
// Ensures, in addition: gp and tp are not touched; sp is a multiple of 16 all the
// time. E2 speaks of a0, a1, fa0 and fa1, E4 of s0-s11, sp, fs0-fs11 and frm; fs1 is as
// it came whatever target does.
//
// Registers here, until the arguments are loaded:
//   t4     target
//   t5     slots; the descriptor, if there are no slots
//   t6     descriptor
//   t0     where `arguments` returns to: the register that the processor expects to
//          hold a second return address
//   t1-t3  scratch
//   a7     in `arguments`: D_FLOATS
//
// `bare` and `short_cut` have no frame record, only fs1 and the return address.
//
// Frame of `variable`, at the call. That of `fixed` has a pad in place of SAVED_AREA, and
// below it the argument area; that of `storing` has the pad, descriptor and slots:
//
//              | caller's frame           |
//     s0 + 16  +--------------------------+ <- CFA; 16-aligned
//     s0 +  8  | return address           |
//     s0       | caller's s0              |    frame record
//     s0 -  8  | caller's fs1             |
//     s0 - 16  | address of return area   |    SAVED_AREA
//     s0 - 24  | descriptor               |    SAVED_DESCRIPTOR
//     s0 - 32  | slots                    |    SAVED_SLOTS
//              +--------------------------+ <- 16-aligned
//              | results 1..              |    return area, RETURN_AREA bytes
//              +--------------------------+ <- 16-aligned
//              | stack word n - 1         |
//              ~   ...                    ~    argument area, n = STACK_WORDS
//     sp       | stack word 0             | <- 16-aligned: n is a multiple of 4
//              +--------------------------+
//
// s0 points to the frame record, as in Cranelift's code and as Wasmtime expects. In C
// compilers' code it points behind the record. The convention below leaves that open;
// later drafts of it describe the compilers' way.
//
// Unwinding: from the end of BEGIN_FRAME to the first instruction of END_FRAME
// the CFA is s0 + 16, in a small frame it is sp + 16.
//
// Control-flow integrity: none; the extensions for it are too new.
//
// Reference: RISC-V ABIs Specification 1.0: 1 (registers), 2.1 (integer calling
// convention), 2.2 (hardware floating-point calling convention), 12 (DWARF register
// numbers).

#include "prelude.h"

#if !defined(__riscv_float_abi_double)
#error "this is for LP64D"
#endif

    .option norelax                      // thunks keep their size
    .text

#define SAVED_SLOTS         -32(s0)
#define SAVED_DESCRIPTOR    -24(s0)
#define SAVED_AREA          -16(s0)
#define SAVED_SIZE          16
#define PAGE_SIZE           4096
#define DWARF_FS1           41

// 8 bytes from the slot that the entry at \offset from \base names.
.macro LOAD reg, offset, base, slots
    lhu     t1, \offset(\base)
    add     t1, t1, \slots
    ld      \reg, (t1)
.endm

.macro LOAD_FLOAT reg, offset, base, slots
    lhu     t1, \offset(\base)
    add     t1, t1, \slots
    fld     \reg, (t1)
.endm

// The same, sign-extended if narrow: of a shift's amount only the lowest six bits
// count, and those are 32 or 0.
.macro EXTEND reg, offset, base, slots
    lhu     t1, \offset(\base)
    slli    t2, t1, 5
    andi    t1, t1, ~NARROW
    add     t1, t1, \slots
    ld      \reg, (t1)
    sll     \reg, \reg, t2
    sra     \reg, \reg, t2
.endm

// The same, the upper half in ones if narrow.
.macro EXTEND_FLOAT reg, offset, base, slots
    lhu     t1, \offset(\base)
    slli    t2, t1, 63
    srai    t2, t2, 31
    andi    t1, t1, ~NARROW
    add     t1, t1, \slots
    ld      t1, (t1)
    or      t1, t1, t2
    fmv.d.x \reg, t1
.endm

// An argument register, by one of these.
.macro INTEGER how, index, base, slots
    \how    a\index, D_INTEGER + 2 * \index, \base, \slots
.endm

.macro FLOAT how, index, base, slots
    \how\()_FLOAT fa\index, D_FLOAT + 2 * \index, \base, \slots
.endm

// A stack word; entries count from t3.
.macro WORD how, index
    \how   t1, D_LISTS + 2 * \index, t3, t5
    sd      t1, 8 * \index(sp)
.endm

// The return pointer, in t1, if it goes in the integer register of this index.
.macro RETURN_POINTER index
    andi    t3, t2, 1 << \index
    beqz    t3, 6f
    mv      a\index, t1
6:
.endm

// The frame record and fs1; from here to END_FRAME the CFA is s0 + 16.
.macro BEGIN_FRAME
    addi    sp, sp, -32
    .cfi_def_cfa_offset 32
    sd      ra, 24(sp)
    .cfi_offset ra, -8
    sd      s0, 16(sp)
    .cfi_offset s0, -16
    fsd     fs1, 8(sp)
    .cfi_offset DWARF_FS1, -24
    addi    s0, sp, 16
    .cfi_def_cfa s0, 16
.endm

// The same, and the roles of registers.
.macro BEGIN_BODY
    BEGIN_FRAME
    mv      t4, a2
    mv      t5, a3
    mv      t6, a4
.endm

.macro END_FRAME
    addi    sp, s0, -16
    .cfi_def_cfa sp, 32
    fld     fs1, 8(sp)
    .cfi_restore DWARF_FS1
    ld      s0, 16(sp)
    .cfi_restore s0
    ld      ra, 24(sp)
    .cfi_restore ra
    addi    sp, sp, 32
    .cfi_def_cfa_offset 0
    ret
.endm

// The frame of bodies that need no more than to keep fs1 and the return address.
.macro BEGIN_SMALL_FRAME
    addi    sp, sp, -16
    .cfi_def_cfa_offset 16
    sd      ra, 8(sp)
    .cfi_offset ra, -8
    fsd     fs1, (sp)
    .cfi_offset DWARF_FS1, -16
.endm

.macro END_SMALL_FRAME
    fld     fs1, (sp)
    .cfi_restore DWARF_FS1
    ld      ra, 8(sp)
    .cfi_restore ra
    addi    sp, sp, 16
    .cfi_def_cfa_offset 0
    ret
.endm

//------------------------------------------------------------------- bare ----

    .p2align 4
FUNCTION(bare)
    BEGIN_SMALL_FRAME
    jalr    a2
    END_SMALL_FRAME
END_FUNCTION(bare)

//-------------------------------------------------------------- short_cut ----
//
// The first two integer registers after the contexts, and the first two float registers:
// a signature with more has a longer shape. slots and descriptor stay where they came.

.macro FEW_FLOATS how
    FLOAT   \how, 0, a4, a3
    FLOAT   \how, 1, a4, a3
.endm

.macro FEW_INTEGERS how
    INTEGER \how, 2, a4, a3
    INTEGER \how, 3, a4, a3
.endm

    .p2align 4
FUNCTION(short_cut)
    BEGIN_SMALL_FRAME
    mv      t4, a2
    lb      t3, D_FLOATS(a4)
    bltz    t3, 3f
    beqz    t3, 1f
    FEW_FLOATS LOAD
1:  FEW_INTEGERS LOAD
2:  jalr    t4
    .cfi_remember_state
    END_SMALL_FRAME

    // SOME_NARROW.
    .cfi_restore_state
3:  addi    t3, t3, SOME_NARROW
    beqz    t3, 4f
    FEW_FLOATS EXTEND
4:  FEW_INTEGERS EXTEND
    j       2b
END_FUNCTION(short_cut)

//------------------------------------------------------------------ fixed ----

    .p2align 4
FUNCTION(fixed)
    BEGIN_BODY
    jal     t0, .Larguments
    jalr    t4
    .cfi_remember_state
    END_FRAME

    // Part of `fixed` and `variable`, and of their frames: stack words and argument
    // registers. In a7 is D_FLOATS.
.macro ARGUMENTS how
    // Groups of stack words, last ones first, which touches their pages in order.
    lhu     t3, D_STACK_WORDS(t6)
    beqz    t3, 2f
    slli    t3, t3, 1
    add     t3, t3, t6
1:  addi    t3, t3, -2 * GROUP
    addi    sp, sp, -8 * GROUP
    WORD    \how, 3
    WORD    \how, 2
    WORD    \how, 1
    WORD    \how, 0
    bne     t3, t6, 1b

    // The float registers, in tiers, each of which adds to the one before: 0,
    // FLOATS_SOME, FLOATS_ALL.
2:  beqz    a7, 3f
    FLOAT   \how, 0, t6, t5
    FLOAT   \how, 1, t6, t5
    FLOAT   \how, 2, t6, t5
    FLOAT   \how, 3, t6, t5
    addi    a7, a7, -FLOATS_SOME
    beqz    a7, 3f
    FLOAT   \how, 4, t6, t5
    FLOAT   \how, 5, t6, t5
    FLOAT   \how, 6, t6, t5
    FLOAT   \how, 7, t6, t5

    // The integer registers after the contexts. If the third carries nothing, none of
    // the others does: slot 0 goes to an earlier one, so it has an entry that is not 0.
3:  INTEGER \how, 2, t6, t5
    INTEGER \how, 3, t6, t5
    lhu     t1, D_INTEGER + 2 * 4(t6)
    beqz    t1, 4f
    INTEGER \how, 4, t6, t5
    INTEGER \how, 5, t6, t5
    INTEGER \how, 6, t6, t5
    INTEGER \how, 7, t6, t5
4:  jr      t0
.endm

    .cfi_restore_state
    .p2align 4
.Larguments:
    lb      a7, D_FLOATS(t6)
    bltz    a7, 5f
    ARGUMENTS LOAD
5:  addi    a7, a7, SOME_NARROW
    ARGUMENTS EXTEND
END_FUNCTION(fixed)

//--------------------------------------------------------------- variable ----

    .p2align 4
FUNCTION(variable)
    BEGIN_BODY
    addi    sp, sp, -SAVED_SIZE
    sd      t5, SAVED_SLOTS
    sd      t6, SAVED_DESCRIPTOR

    // There may be no slot to read: then the descriptor will do.
    lhu     t1, D_SLOTS(t6)
    bnez    t1, 1f
    mv      t5, t6
1:
    // The return area, touched page by page.
    lhu     t1, D_RETURN_AREA(t6)
    li      t2, PAGE_SIZE
2:  bltu    t1, t2, 3f
    sub     t1, t1, t2
    sub     sp, sp, t2
    ld      zero, (sp)
    j       2b
3:  sub     sp, sp, t1
    ld      zero, (sp)
    sd      sp, SAVED_AREA

    jal     t0, .Larguments

    // The return pointer, in its register or its stack word; without one,
    // a word that is not read takes it.
    lhu     t1, D_SPILLS(t6)
    beqz    t1, 5f
    ld      t1, SAVED_AREA
    lbu     t2, D_RETURN_REGISTER(t6)
    RETURN_POINTER 2
    RETURN_POINTER 3
    RETURN_POINTER 4
    RETURN_POINTER 5
    RETURN_POINTER 6
    RETURN_POINTER 7
    lhu     t2, D_RETURN_WORD(t6)
    add     t2, t2, sp
    sd      t1, (t2)
5:  jalr    t4

    // The results but for the first, from the return area.
    ld      t5, SAVED_SLOTS
    ld      t6, SAVED_DESCRIPTOR
    lhu     t0, D_SPILLS(t6)
    beqz    t0, 8f
    ld      t1, SAVED_AREA
    lbu     t2, D_STRIDE(t6)
    lhu     t3, D_STACK_WORDS(t6)
    slli    t3, t3, 1
    add     t6, t6, t3
6:  lhu     t3, D_LISTS(t6)
    addi    t6, t6, 2
    add     t5, t5, t2
    andi    t4, t3, SPILL_4
    add     t3, t3, t1
    bnez    t4, 9f
    ld      t4, -SPILL_8(t3)
7:  sd      t4, (t5)
    addi    t0, t0, -1
    bnez    t0, 6b
8:  .cfi_remember_state
    END_FRAME

    .cfi_restore_state
9:  lwu     t4, -SPILL_4(t3)
    j       7b
END_FUNCTION(variable)

//--------------------------------------------------------- leaving a call ----
//
// R10 speaks of a5, R11 of a0 and sp, E13 of the registers of E4.
//
// Frame of `leavable`, at the call:
//
//              | caller's frame           |
//     s0 + 16  +--------------------------+ <- CFA; 16-aligned
//     s0 +  8  | return address           |
//     s0       | caller's s0              |    frame record
//     s0 -  8  | caller's fs1             |
//     s0 - 16  | landing place            |    SAVED_LANDING
//     sp + 112 | caller's fs2 to fs11     |    SAVED_FLOATS + 8 * 2
//     sp + 104 | caller's fs0             |
//     sp +  16 | caller's s1 to s11       |    SAVED_INTEGERS + 8 * 1
//     sp +  8  | pad                      |
//     sp       | frm                      |    SAVED_FRM; 16-aligned
//              +--------------------------+

#define SAVED_LANDING       -16(s0)
#define SAVED_FRM           (sp)
#define SAVED_INTEGERS      8
#define SAVED_FLOATS        96
#define LEAVABLE_SIZE       192
#define DWARF_FS0           40
#define DWARF_FS2           50

// Where unwinders find the caller's registers, until RESTORED.
.macro SAVED
    .cfi_offset s1, -208
    .cfi_offset s2, -200
    .cfi_offset s3, -192
    .cfi_offset s4, -184
    .cfi_offset s5, -176
    .cfi_offset s6, -168
    .cfi_offset s7, -160
    .cfi_offset s8, -152
    .cfi_offset s9, -144
    .cfi_offset s10, -136
    .cfi_offset s11, -128
    .cfi_offset DWARF_FS0, -120
    .cfi_offset DWARF_FS2, -112
    .cfi_offset DWARF_FS2 + 1, -104
    .cfi_offset DWARF_FS2 + 2, -96
    .cfi_offset DWARF_FS2 + 3, -88
    .cfi_offset DWARF_FS2 + 4, -80
    .cfi_offset DWARF_FS2 + 5, -72
    .cfi_offset DWARF_FS2 + 6, -64
    .cfi_offset DWARF_FS2 + 7, -56
    .cfi_offset DWARF_FS2 + 8, -48
    .cfi_offset DWARF_FS2 + 9, -40
.endm

.macro RESTORED
    .cfi_restore s1
    .cfi_restore s2
    .cfi_restore s3
    .cfi_restore s4
    .cfi_restore s5
    .cfi_restore s6
    .cfi_restore s7
    .cfi_restore s8
    .cfi_restore s9
    .cfi_restore s10
    .cfi_restore s11
    .cfi_restore DWARF_FS0
    .cfi_restore DWARF_FS2
    .cfi_restore DWARF_FS2 + 1
    .cfi_restore DWARF_FS2 + 2
    .cfi_restore DWARF_FS2 + 3
    .cfi_restore DWARF_FS2 + 4
    .cfi_restore DWARF_FS2 + 5
    .cfi_restore DWARF_FS2 + 6
    .cfi_restore DWARF_FS2 + 7
    .cfi_restore DWARF_FS2 + 8
    .cfi_restore DWARF_FS2 + 9
.endm

// The callee-saved registers but those of BEGIN_FRAME: stores or loads, as s or l.
.macro KEPT transfer
    \transfer\()d s1, SAVED_INTEGERS + 8 * 1(sp)
    \transfer\()d s2, SAVED_INTEGERS + 8 * 2(sp)
    \transfer\()d s3, SAVED_INTEGERS + 8 * 3(sp)
    \transfer\()d s4, SAVED_INTEGERS + 8 * 4(sp)
    \transfer\()d s5, SAVED_INTEGERS + 8 * 5(sp)
    \transfer\()d s6, SAVED_INTEGERS + 8 * 6(sp)
    \transfer\()d s7, SAVED_INTEGERS + 8 * 7(sp)
    \transfer\()d s8, SAVED_INTEGERS + 8 * 8(sp)
    \transfer\()d s9, SAVED_INTEGERS + 8 * 9(sp)
    \transfer\()d s10, SAVED_INTEGERS + 8 * 10(sp)
    \transfer\()d s11, SAVED_INTEGERS + 8 * 11(sp)
    f\transfer\()d fs0, SAVED_FLOATS + 8(sp)
    f\transfer\()d fs2, SAVED_FLOATS + 8 * 2(sp)
    f\transfer\()d fs3, SAVED_FLOATS + 8 * 3(sp)
    f\transfer\()d fs4, SAVED_FLOATS + 8 * 4(sp)
    f\transfer\()d fs5, SAVED_FLOATS + 8 * 5(sp)
    f\transfer\()d fs6, SAVED_FLOATS + 8 * 6(sp)
    f\transfer\()d fs7, SAVED_FLOATS + 8 * 7(sp)
    f\transfer\()d fs8, SAVED_FLOATS + 8 * 8(sp)
    f\transfer\()d fs9, SAVED_FLOATS + 8 * 9(sp)
    f\transfer\()d fs10, SAVED_FLOATS + 8 * 10(sp)
    f\transfer\()d fs11, SAVED_FLOATS + 8 * 11(sp)
.endm

    .p2align 4
FUNCTION(leavable)
    BEGIN_FRAME
    addi    sp, sp, -LEAVABLE_SIZE
    KEPT    s
    SAVED
    frrm    t1
    sd      t1, SAVED_FRM
    sd      a5, SAVED_LANDING
    sd      sp, L_SP(a5)
    ld      t1, L_BODY(a5)
    jalr    t1
    ld      t1, SAVED_LANDING
    sd      zero, L_SP(t1)
    RESTORED
    END_FRAME
END_FUNCTION(leavable)

FUNCTION(leave)
    mv      sp, a0
END_FUNCTION(leave)                      // goes on in `landed`

FUNCTIONS(landed)
    .cfi_def_cfa sp, LEAVABLE_SIZE + 32
    .cfi_offset ra, -8
    .cfi_offset s0, -16
    .cfi_offset DWARF_FS1, -24
    SAVED
    addi    s0, sp, LEAVABLE_SIZE + 16
    .cfi_def_cfa s0, 16
    ld      t1, SAVED_FRM
    fsrm    t1
    KEPT    l
    RESTORED
    END_FRAME
END_FUNCTION(landed)

//------------------------------------------------------ function pointers ----

    .p2align 4
ALIAS(storing_short_cut)
FUNCTION(storing)
    BEGIN_BODY
    addi    sp, sp, -SAVED_SIZE
    sd      t5, SAVED_SLOTS
    sd      t6, SAVED_DESCRIPTOR
    ld      t1, -BODY_BEFORE(t6)
    jalr    t1

    ld      t5, SAVED_SLOTS
    ld      t6, SAVED_DESCRIPTOR
    lbu     t1, D_RESULT(t6)
    li      t2, RESULT_FLOAT
    bne     t1, t2, 1f
    fmv.x.d a0, fa0
1:  ld      t2, D_RESULT_MASK(t6)
    and     a0, a0, t2
    sd      a0, (t5)
    END_FRAME
END_FUNCTION(storing)

// Sections of their own: in a program without pointers, the linker drops them.
ZEROED(pointer_table, (8 * POINTERS))

    .section .text.pointer_thunks, "ax", %progbits
    .balign THUNK_SIZE_RISCV64
FUNCTIONS(pointer_thunks)
    .set    .Lentry, 0
    .rept   POINTERS
1:  auipc   a4, %pcrel_hi(SYMBOL(pointer_table) + .Lentry)
    ld      a4, %pcrel_lo(1b)(a4)
    ld      t1, -CALL_BEFORE(a4)
    jr      t1
    .balign THUNK_SIZE_RISCV64
    .set    .Lentry, .Lentry + 8
    .endr
END_FUNCTION(pointer_thunks)

//----------------------------------------------- native code calls the host ----
//
// `host` and `c_host` serve every signature; there are no functions with a small frame. The
// registers of the contexts go where the context says, like all others: in the
// VM convention that is the scratch bytes.
//
// Ensures, in addition to E9: an i32 in a0 is sign-extended, an f32 in fa0 in ones up to 64
// bits, as MORE_NARROW says. Bytes 8..16 of slot 0 are in a1 and fa1 (MORE_PAIR), in a1
// and fa0 (MORE_BOTH).
//
// Registers: t6 context, t5 caller.
//
// Frame, at the call:
//
//              | stack words              |    argument area
//     s0 + 16  +--------------------------+ <- CFA; 16-aligned
//              | frame record, fs1, pad   |
//     s0 - 24  | context                  |    SAVED_CONTEXT
//     s0 - 32  | return pointer           |    SAVED_POINTER
//              +--------------------------+ <- 16-aligned
//              | scratch                  |    SCRATCH_SIZE bytes
//              | places for Rust          |    if the scatter has a plan
//              | slot n - 1               |
//              ~   ...                    ~    n = SLOTS
//     sp       | slot 0                   | <- 16-aligned
//              +--------------------------+

    .text

#define SAVED_CONTEXT       -24(s0)
#define SAVED_POINTER       -32(s0)
#define ARGUMENTS           16

// An argument register, to where the context says.
.macro FROM_INTEGER index
    lhu     t0, H_INTEGER + 2 * \index(t6)
    add     t0, t0, sp
    sd      a\index, (t0)
.endm

.macro FROM_FLOAT index
    lhu     t0, H_FLOAT + 2 * \index(t6)
    add     t0, t0, sp
    fsd     fa\index, (t0)
.endm

    .p2align 4
FUNCTION(c_host)
    BEGIN_FRAME
    li      t5, 0
    j       1f
END_FUNCTION(c_host)

FUNCTION(host)
    BEGIN_FRAME
    mv      t6, a0
    mv      t5, a1

    // The frame, touched page by page.
1:  addi    sp, sp, -16
    ld      zero, (sp)
    lhu     t0, H_FRAME(t6)
    li      t1, PAGE_SIZE
2:  bltu    t0, t1, 3f
    sub     t0, t0, t1
    sub     sp, sp, t1
    ld      zero, (sp)
    j       2b
3:  sub     sp, sp, t0
    ld      zero, (sp)

    FROM_FLOAT 0
    FROM_FLOAT 1
    FROM_FLOAT 2
    FROM_FLOAT 3
    FROM_FLOAT 4
    FROM_FLOAT 5
    FROM_FLOAT 6
    FROM_FLOAT 7
    FROM_INTEGER 0
    FROM_INTEGER 1
    FROM_INTEGER 2
    FROM_INTEGER 3
    FROM_INTEGER 4
    FROM_INTEGER 5
    FROM_INTEGER 6
    FROM_INTEGER 7
    sd      t6, SAVED_CONTEXT

    // The stack words.
    lhu     t0, H_STACK_WORDS(t6)
    beqz    t0, 5f
    ld      t1, H_LISTS(t6)
    addi    t2, s0, ARGUMENTS
4:  lhu     t3, (t1)
    addi    t1, t1, 2
    add     t3, t3, sp
    ld      t4, (t2)
    addi    t2, t2, 8
    sd      t4, (t3)
    addi    t0, t0, -1
    bnez    t0, 4b

    // The array call.
5:  mv      a0, t6
    mv      a1, t5
    mv      a2, sp
    lhu     a3, H_SLOTS(t6)
    ld      t1, H_FUNCTION(t6)
    jalr    t1

    // Result 0, in both registers that it can come back in.
    ld      t6, SAVED_CONTEXT
    lhu     t0, H_MORE(t6)
    andi    t1, t0, MORE_NARROW
    bnez    t1, 10f
    ld      a0, (sp)
    fld     fa0, (sp)

    // The others, to the return area.
6:  andi    t0, t0, ~MORE_NARROW
    beqz    t0, 9f
    lhu     t1, H_SPILLS(t6)
    beqz    t1, 12f
    lhu     t0, H_STACK_WORDS(t6)
    slli    t0, t0, 1
    ld      t2, H_LISTS(t6)
    add     t2, t2, t0
    ld      t0, SAVED_POINTER
    mv      t5, sp
7:  lhu     t3, (t2)
    addi    t2, t2, 2
    addi    t5, t5, 16
    ld      t4, (t5)
    andi    t6, t3, SPILL_4
    add     t3, t3, t0
    bnez    t6, 11f
    sd      t4, -SPILL_8(t3)
8:  addi    t1, t1, -1
    bnez    t1, 7b
9:  .cfi_remember_state
    END_FRAME

    .cfi_restore_state
10: lw      a0, (sp)
    flw     fa0, (sp)
    j       6b
11: sw      t4, -SPILL_4(t3)
    j       8b

    // What only results of C come back in.
12: ld      a1, 8(sp)
    fld     fa1, 8(sp)
    andi    t0, t0, MORE_BOTH
    beqz    t0, 9b
    fld     fa0, 8(sp)
    j       9b
END_FUNCTION(host)

// The function pointers of callbacks. Sections of their own: in a program
// without callbacks, the linker drops them.
ZEROED(callback_table, (8 * CALLBACKS))

.macro CALLBACK_THUNKS count, table
    .set    .Lentry, 0
    .rept   \count
1:  auipc   t6, %pcrel_hi(\table + .Lentry)
    ld      t6, %pcrel_lo(1b)(t6)
    ld      t1, H_CODE(t6)
    jr      t1
    .balign CALLBACK_SIZE_RISCV64
    .set    .Lentry, .Lentry + 8
    .endr
.endm

    .section .text.callback_thunks, "ax", %progbits
    .balign CALLBACK_SIZE_RISCV64
FUNCTIONS(callback_thunks)
    CALLBACK_THUNKS CALLBACKS, SYMBOL(callback_table)
END_FUNCTION(callback_thunks)

// Thunks that are never called here. For more callbacks, src/native/mapping.rs maps their
// pages again, with a table behind them.
    .section .text.callback_block, "ax", %progbits
    .balign PAGE_SIZE
FUNCTIONS(callback_block)
    CALLBACK_THUNKS (BLOCK_SIZE / CALLBACK_SIZE_RISCV64), (SYMBOL(callback_block) + BLOCK_SIZE)
END_FUNCTION(callback_block)
