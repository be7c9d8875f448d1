// s390x: enter native code. This says only what differs from the reference text,
// x86_64_sysv.S.
//
//     extern "C-unwind" fn(
//         callee: *mut VMOpaqueContext,       // r2
//         caller: *mut VMContext,             // r3
//         target: *const VMFunctionBody,      // r4
//         slots: *mut ValRaw,                 // r5
//         descriptor: *const Header,          // r6
//     ) -> r2 or f0
//
// As on aarch64, no type of C or Rust comes back in r2 and f0 at once.
//
// The machine is big-endian, but slots are little-endian: every access to a slot
// reverses its bytes, a vector as a whole. On the stack and in the return area
// values are as the machine has them.
//
// The convention wants an i32 sign-extended, in a register or on the stack, and
// an f32 in the upper half of its register. Hence the descriptor marks narrow
// values. No branch decides how one value is loaded: its mark becomes a shift by 32 or
// by none. SOME_NARROW says whether any entry is marked. If none is, loads are plain.
//
// Vectors have registers of their own. If one carries a parameter, the stack words
// begin with an image of all eight, from which they are loaded at once.
//
// r6 carries arguments, but is callee-saved. So every body but `bare` has a frame,
// and only `bare` jumps to its target. The instruction that saves r6 saves all registers
// from there on: they hold what has to survive the call.
//
// Ensures, in addition: r15 is a multiple of 8 all the time. E2 speaks of r2 and f0, E4 of
// r6-r13, r15, f8-f15 and fpc. Vector registers are touched only where a vector is passed or
// returned, so a machine without them serves for all else. Of our
// caller's frame, the backchain may be read.
//
// Registers here:
//   r10          target
//   r12          slots; the descriptor, if there are no slots
//   r13          descriptor
//   r11          stack pointer at entry
//   r9           return area
//   r8           where the parts that load arguments return to
//   r0, r1, r14  scratch; r5 until it is loaded
//
// Frame of `variable`, at the call; that of `fixed` has no return area, and that of
// `short_cut` no stack words:
//
//              | caller's frame           |
//     r11 + 160+--------------------------+ <- CFA
//              | caller's r6 to r15       |    where the convention has them
//     r11      | caller's backchain       |
//              +--------------------------+
//              | results 1..              |    return area, RETURN_AREA bytes
//              +--------------------------+
//              | stack word n - 1         |
//              ~   ...                    ~    argument area, n = STACK_WORDS, less
//     r15 + 160| stack word 0             |    VECTOR_WORDS if there are vectors
//              +--------------------------+
//              | space for target         |
//     r15      | r11                      |    backchain
//              +--------------------------+
//
// Unwinding: from the end of BEGIN_FRAME to the start of END_FRAME the CFA is
// r11 + 160; the backchain serves Wasmtime.
//
// Control-flow integrity: the architecture has none.
//
// Reference: ELF Application Binary Interface, s390x Supplement 1.6: 1.2.1
// (registers), 1.2.2 (stack frame), 1.2.3 (parameter passing), 1.2.5 (return
// values).

#include "prelude.h"

    .machine "z13"
    .text

#define SAVE_AREA           160
#define SAVED_R6            48
#define VECTOR_IMAGE        (8 * VECTOR_WORDS)
#define PAGE_SIZE           4096
#define TOUCHED_NEXT        (PAGE_SIZE - SAVE_AREA)

// The entry at \offset from \base: in r1 the offset of its slot, in \shift something
// of which the lowest six bits are 32 for a narrow value, 0 otherwise.
.macro ENTRY shift, offset, base
    llgh    %r1, \offset(\base)
    sllg    \shift, %r1, 5
    nill    %r1, 0xffff - NARROW
.endm

// 8 bytes from the slot that this entry names. MARKED: sign-extended if narrow; of a
// shift's amount only the lowest six bits count. PLAIN: where no entry is marked.
.macro LOAD_MARKED reg, offset, base
    ENTRY   \reg, \offset, \base
    lrvg    %r0, 0(%r1, %r12)
    sllg    %r0, %r0, 0(\reg)
    srag    \reg, %r0, 0(\reg)
.endm

.macro LOAD_PLAIN reg, offset, base
    llgh    %r1, \offset(\base)
    lrvg    \reg, 0(%r1, %r12)
.endm

// An integer argument register; what carries nothing gets a copy of slot 0.
.macro INTEGER kind, index, reg
    LOAD_\kind \reg, D_INTEGER + 2 * \index, %r13
.endm

// A float argument register: 8 bytes, the lower half moved up if narrow.
.macro FLOAT kind, index, reg
    FLOAT_\kind D_FLOAT + 2 * \index, \reg
.endm

.macro FLOAT_MARKED offset, reg
    ENTRY   %r14, \offset, %r13
    lrvg    %r0, 0(%r1, %r12)
    sllg    %r0, %r0, 0(%r14)
    ldgr    \reg, %r0
.endm

.macro FLOAT_PLAIN offset, reg
    LOAD_PLAIN %r0, \offset, %r13
    ldgr    \reg, %r0
.endm

// A stack word; entries count from r5.
.macro WORD kind, index
    LOAD_\kind %r14, D_LISTS + 2 * \index, %r5
    stg     %r14, 8 * \index(%r15)
.endm

// The return pointer, in r9, if it goes in the integer register of this index.
.macro RETURN_POINTER index, reg
    tm      D_RETURN_REGISTER(%r13), 1 << \index
    locgrnz \reg, %r9
.endm

// Where unwinders find the caller's registers, to the end.
.macro SAVED_INTEGERS
    .cfi_offset %r6, -112
    .cfi_offset %r7, -104
    .cfi_offset %r8, -96
    .cfi_offset %r9, -88
    .cfi_offset %r10, -80
    .cfi_offset %r11, -72
    .cfi_offset %r12, -64
    .cfi_offset %r13, -56
    .cfi_offset %r14, -48
    .cfi_offset %r15, -40
.endm

// The frame; from here to END_FRAME the CFA is r11 + 160.
.macro BEGIN_FRAME
    stmg    %r6, %r15, SAVED_R6(%r15)
    SAVED_INTEGERS
    lgr     %r11, %r15
    .cfi_def_cfa_register %r11
.endm

// The same, and the roles of registers.
.macro BEGIN_BODY descriptor
    BEGIN_FRAME
    lgr     %r10, %r4
    lgr     %r12, %r5
    lgr     %r13, \descriptor
.endm

// What the callee may use of our frame, and the backchain.
.macro CALLEE_SPACE
    aghi    %r15, -SAVE_AREA
    stg     %r11, 0(%r15)
.endm

// From `lmg` on, registers are also where they were saved.
.macro END_FRAME
    lmg     %r6, %r15, SAVED_R6(%r11)
    .cfi_def_cfa %r15, 160
    br      %r14
.endm

//------------------------------------------------------------------- bare ----

    .p2align 4
FUNCTION(bare)
    br      %r4
END_FUNCTION(bare)

//-------------------------------------------------------------- short_cut ----

    .p2align 4
FUNCTION(short_cut)
    BEGIN_BODY %r6
    CALLEE_SPACE
    brasl   %r8, .Lfew_arguments
    basr    %r14, %r10
    END_FRAME
END_FUNCTION(short_cut)

//------------------------------------------------------------------ fixed ----

// Of .Larguments below: what the short cut does not serve. r5 is the end of the stack
// words, less D_LISTS.
.macro MORE_ARGUMENTS kind
    // Groups of stack words, last ones first, which touches their pages in order.
    cgrje   %r5, %r13, 8f
7:  aghi    %r5, -2 * GROUP
    aghi    %r15, -8 * GROUP
    WORD    \kind, 3
    WORD    \kind, 2
    WORD    \kind, 1
    WORD    \kind, 0
    cgrjne  %r5, %r13, 7b

    // The other float registers, and the vector registers.
8:  tm      D_FLOATS(%r13), 0xff - SOME_NARROW
    jz      9f
    FLOAT   \kind, 2, %f4
    FLOAT   \kind, 3, %f6
    tm      D_FLOATS(%r13), FLOATS_VECTORS
    jz      9f
    vlm     %v24, %v31, 0(%r15)
    aghi    %r15, VECTOR_IMAGE
9:  CALLEE_SPACE
    INTEGER \kind, 4, %r6
.endm

    .p2align 4
FUNCTION(fixed)
    BEGIN_BODY %r6
    brasl   %r8, .Larguments
    basr    %r14, %r10
    .cfi_remember_state
    END_FRAME

    // Part of every body that has arguments, and of its frame: stack words, backchain
    // and argument registers.
    .cfi_restore_state
.Larguments:
    llgh    %r5, D_STACK_WORDS(%r13)
    sllg    %r5, %r5, 1
    agr     %r5, %r13
    tm      D_FLOATS(%r13), SOME_NARROW
    jnz     2f
    MORE_ARGUMENTS PLAIN

    // The same of those that the short cut serves: in two integer registers after the
    // contexts, and two float registers.
.Lfew_arguments:
    cli     D_FLOATS(%r13), SOME_NARROW
    jhe     3f
    INTEGER PLAIN, 2, %r4
    INTEGER PLAIN, 3, %r5
    cli     D_FLOATS(%r13), 0
    je      1f
    FLOAT   PLAIN, 0, %f0
    FLOAT   PLAIN, 1, %f2
1:  br      %r8

2:  MORE_ARGUMENTS MARKED
    cli     D_FLOATS(%r13), SOME_NARROW
3:  je      4f
    FLOAT   MARKED, 0, %f0
    FLOAT   MARKED, 1, %f2
4:  INTEGER MARKED, 2, %r4
    INTEGER MARKED, 3, %r5
    br      %r8
END_FUNCTION(fixed)

//--------------------------------------------------------------- variable ----

    .p2align 4
FUNCTION(variable)
    BEGIN_BODY %r6

    // There may be no slot to read: then the descriptor will do.
    llgh    %r1, D_SLOTS(%r13)
    cgijne  %r1, 0, 1f
    lgr     %r12, %r13
1:
    // The return area, touched page by page, from what is saved on. Without one, our
    // caller's backchain is read.
    llgh    %r1, D_RETURN_AREA(%r13)
2:  cghi    %r1, TOUCHED_NEXT
    jl      3f
    aghi    %r1, -TOUCHED_NEXT
    aghi    %r15, -TOUCHED_NEXT
    lg      %r0, 0(%r15)
    j       2b
3:  sgr     %r15, %r1
    lg      %r0, 0(%r15)
    lgr     %r9, %r15

    brasl   %r8, .Larguments

    // The return pointer, in its register or its stack word; without one,
    // a word that is not read takes it.
    llgh    %r1, D_SPILLS(%r13)
    cgije   %r1, 0, 5f
    RETURN_POINTER 2, %r4
    RETURN_POINTER 3, %r5
    RETURN_POINTER 4, %r6
    llgh    %r1, D_RETURN_WORD(%r13)
    stg     %r9, 0(%r1, %r15)
5:  basr    %r14, %r10

    // Result 0, if it is a vector.
    cli     D_RESULT(%r13), RESULT_VECTOR
    jne     6f
    vlgvg   %r0, %v24, 1
    strvg   %r0, 0(%r12)
    vlgvg   %r0, %v24, 0
    strvg   %r0, 8(%r12)

    // The others, from the return area.
6:  llgh    %r5, D_SPILLS(%r13)
    cgije   %r5, 0, 9f
    llgc    %r4, D_STRIDE(%r13)
    llgh    %r1, D_STACK_WORDS(%r13)
    agr     %r13, %r1
    agr     %r13, %r1
7:  llgh    %r1, D_LISTS(%r13)
    aghi    %r13, 2
    agr     %r12, %r4
    tmll    %r1, SPILL_4 | SPILL_16
    jne     10f
    lg      %r0, -SPILL_8(%r1, %r9)
8:  strvg   %r0, 0(%r12)
    brctg   %r5, 7b
9:  .cfi_remember_state
    END_FRAME

    .cfi_restore_state
10: tmll    %r1, SPILL_16
    jne     11f
    llgf    %r0, -SPILL_4(%r1, %r9)
    j       8b
11: lg      %r0, -SPILL_16(%r1, %r9)
    strvg   %r0, 8(%r12)
    lg      %r0, -SPILL_16 + 8(%r1, %r9)
    j       8b
END_FUNCTION(variable)

//--------------------------------------------------------- leaving a call ----
//
// R10 speaks of the sixth argument, which is on the stack, R11 of r2 and r15, E13 of the
// registers of E4. r13 is the landing place.
//
// Frame of `leavable`, at the call:
//
//              | landing place            |    PARAM_LANDING
//     r11 + 160+--------------------------+ <- CFA
//              | caller's r6 to r15       |    where the convention has them
//     r11      | caller's backchain       |
//              +--------------------------+
//     r15 + 224| fpc                      |    SAVED_FPC
//     r15 + 160| caller's f8 to f15       |    SAVED_FLOATS
//              +--------------------------+
//              | space for the body       |
//     r15      | r11                      |    backchain
//              +--------------------------+

#define PARAM_LANDING       SAVE_AREA(%r11)
#define SAVED_FLOATS        SAVE_AREA
#define SAVED_FPC           SAVED_FLOATS + 8 * 8
#define LEAVABLE_SIZE       (SAVED_FPC + 8)

// The ABI's DWARF register numbers. For the names GNU as has others.
#define DWARF_F8            24
#define DWARF_F9            28
#define DWARF_F10           25
#define DWARF_F11           29
#define DWARF_F12           26
#define DWARF_F13           30
#define DWARF_F14           27
#define DWARF_F15           31

// Where unwinders find the caller's registers, until RESTORED.
.macro SAVED
    .cfi_offset DWARF_F8, -232
    .cfi_offset DWARF_F9, -224
    .cfi_offset DWARF_F10, -216
    .cfi_offset DWARF_F11, -208
    .cfi_offset DWARF_F12, -200
    .cfi_offset DWARF_F13, -192
    .cfi_offset DWARF_F14, -184
    .cfi_offset DWARF_F15, -176
.endm

.macro RESTORED
    .cfi_restore DWARF_F8
    .cfi_restore DWARF_F9
    .cfi_restore DWARF_F10
    .cfi_restore DWARF_F11
    .cfi_restore DWARF_F12
    .cfi_restore DWARF_F13
    .cfi_restore DWARF_F14
    .cfi_restore DWARF_F15
.endm

// The callee-saved float registers: std or ld.
.macro KEPT transfer
    \transfer %f8, SAVED_FLOATS + 8 * 0(%r15)
    \transfer %f9, SAVED_FLOATS + 8 * 1(%r15)
    \transfer %f10, SAVED_FLOATS + 8 * 2(%r15)
    \transfer %f11, SAVED_FLOATS + 8 * 3(%r15)
    \transfer %f12, SAVED_FLOATS + 8 * 4(%r15)
    \transfer %f13, SAVED_FLOATS + 8 * 5(%r15)
    \transfer %f14, SAVED_FLOATS + 8 * 6(%r15)
    \transfer %f15, SAVED_FLOATS + 8 * 7(%r15)
.endm

    .p2align 4
FUNCTION(leavable)
    BEGIN_FRAME
    aghi    %r15, -LEAVABLE_SIZE
    stg     %r11, 0(%r15)
    KEPT    std
    SAVED
    stfpc   SAVED_FPC(%r15)
    lg      %r13, PARAM_LANDING
    stg     %r15, L_SP(%r13)
    lg      %r1, L_BODY(%r13)
    basr    %r14, %r1
    mvghi   L_SP(%r13), 0
    RESTORED
    END_FRAME
END_FUNCTION(leavable)

FUNCTION(leave)
    lgr     %r15, %r2
END_FUNCTION(leave)                      // goes on in `landed`

FUNCTIONS(landed)
    .cfi_def_cfa %r15, LEAVABLE_SIZE + 160
    SAVED_INTEGERS
    SAVED
    la      %r11, LEAVABLE_SIZE(%r15)
    .cfi_def_cfa %r11, 160
    lfpc    SAVED_FPC(%r15)
    KEPT    ld
    RESTORED
    END_FRAME
END_FUNCTION(landed)

//------------------------------------------------------ function pointers ----
//
// The descriptor, as a fifth argument, would go in r6, which is our caller's and
// has to be as it came. So a thunk passes it in r1, and always jumps to `storing`, which has
// a frame to keep r6 in, and stores nothing if there is nothing to store. `storing` makes the
// short cut itself.

    .p2align 4
ALIAS(storing_short_cut)
FUNCTION(storing)
    BEGIN_BODY %r1
    CALLEE_SPACE
    cli     D_SHAPE(%r13), SHAPE_SHORT_CUT
    jne     4f
    brasl   %r8, .Lfew_arguments
1:  basr    %r14, %r10

    tm      D_RESULT(%r13), RESULT_INTEGER
    jz      5f
2:  ng      %r2, D_RESULT_MASK(%r13)
    strvg   %r2, 0(%r12)
3:  .cfi_remember_state
    END_FRAME

    .cfi_restore_state
4:  lgr     %r6, %r13
    lg      %r10, -BODY_BEFORE(%r13)
    j       1b

5:  tm      D_RESULT(%r13), RESULT_FLOAT
    jz      3b
    lgdr    %r2, %f0                     // an f32 is its upper half
    tm      D_RESULT_MASK(%r13), 1
    jo      2b
    srlg    %r2, %r2, 32
    j       2b
END_FUNCTION(storing)

// Sections of their own: in a program without pointers, the linker drops them.
ZEROED(pointer_table, (8 * POINTERS))

    .section .text.pointer_thunks, "ax", %progbits
    .balign THUNK_SIZE_S390X
FUNCTIONS(pointer_thunks)
    .set    .Lentry, 0
    .rept   POINTERS
    lgrl    %r1, SYMBOL(pointer_table) + .Lentry
    jg      SYMBOL(storing)
    .balign THUNK_SIZE_S390X
    .set    .Lentry, .Lentry + 8
    .endr
END_FUNCTION(pointer_thunks)

//----------------------------------------------- native code calls the host ----
//
// `host` and `c_host` serve every signature; there are no functions with a small frame. The
// registers of the contexts go where the context says, like all others: in the
// VM convention that is the scratch bytes. A float's entry marks a narrow one, which
// is moved down. MORE_VECTORS says that vector registers carry something: the
// list of stack words then begins with all of them. The bits of H_MORE are in its
// second byte.
//
// Ensures, in addition to E9: an i32 in r2 is sign-extended, an f32 in the upper half of
// f0, as MORE_NARROW says; a vector is in v24.
//
// Registers: r13 context, r10 caller, r12 slots.
//
// Frame, at the call:
//
//              | stack words              |    argument area
//     r11 + 160+--------------------------+ <- CFA
//              | caller's r6 to r15       |
//     r11      | caller's backchain       |
//              +--------------------------+
//              | pad                      |    8 or 16 bytes
//              | return pointer           |    at slots + FRAME
//              | scratch                  |    SCRATCH_SIZE bytes
//              | places for Rust          |    if the scatter has a plan
//              | slot n - 1               |
//              ~   ...                    ~    n = SLOTS
//     r12      | slot 0                   | <- 16-aligned
//              +--------------------------+
//              | image of the vectors     |    VECTOR_IMAGE bytes, if there are any
//              +--------------------------+
//              | space for FUNCTION       |
//     r15      | r11                      |    backchain
//              +--------------------------+

    .text

// An argument register, to where the context says.
.macro FROM_INTEGER index, reg
    llgh    %r1, H_INTEGER + 2 * \index(%r13)
    strvg   \reg, 0(%r1, %r12)
.endm

.macro FROM_FLOAT index, reg
    ENTRY   %r14, H_FLOAT + 2 * \index, %r13
    lgdr    %r0, \reg
    srlg    %r0, %r0, 0(%r14)
    strvg   %r0, 0(%r1, %r12)
.endm

// Words from r4 on, r9 of them, to where the list from r7 on says.
.macro FROM_WORDS
8:  llgh    %r1, 0(%r7)
    aghi    %r7, 2
    lg      %r0, 0(%r4)
    aghi    %r4, 8
    strvg   %r0, 0(%r1, %r12)
    brctg   %r9, 8b
.endm

    .p2align 4
FUNCTION(c_host)
    BEGIN_FRAME
    lgr     %r13, %r0
    lghi    %r10, 0
    j       1f
END_FUNCTION(c_host)

FUNCTION(host)
    BEGIN_FRAME
    lgr     %r13, %r2
    lgr     %r10, %r3

    // The frame, touched page by page.
1:  aghi    %r15, -16
    nill    %r15, 0xfff0
    lg      %r0, 0(%r15)
    llgh    %r1, H_FRAME(%r13)
2:  cghi    %r1, PAGE_SIZE
    jl      3f
    aghi    %r1, -PAGE_SIZE
    aghi    %r15, -PAGE_SIZE
    lg      %r0, 0(%r15)
    j       2b
3:  sgr     %r15, %r1
    lg      %r0, 0(%r15)
    lgr     %r12, %r15

    FROM_FLOAT 0, %f0
    FROM_FLOAT 1, %f2
    FROM_FLOAT 2, %f4
    FROM_FLOAT 3, %f6
    FROM_INTEGER 0, %r2
    FROM_INTEGER 1, %r3
    FROM_INTEGER 2, %r4
    FROM_INTEGER 3, %r5
    FROM_INTEGER 4, %r6

    // The vector registers, then the stack words.
    lg      %r7, H_LISTS(%r13)
    llgh    %r8, H_STACK_WORDS(%r13)
    tm      H_MORE + 1(%r13), MORE_VECTORS
    jz      4f
    aghi    %r15, -VECTOR_IMAGE
    vstm    %v24, %v31, 0(%r15)
    lgr     %r4, %r15
    lghi    %r9, VECTOR_WORDS
    sgr     %r8, %r9
    FROM_WORDS
4:  cgije   %r8, 0, 5f
    lgr     %r9, %r8
    lay     %r4, SAVE_AREA(%r11)
    FROM_WORDS

    // The array call.
5:  aghi    %r15, -SAVE_AREA
    stg     %r11, 0(%r15)
    lgr     %r2, %r13
    lgr     %r3, %r10
    lgr     %r4, %r12
    llgh    %r5, H_SLOTS(%r13)
    lg      %r1, H_FUNCTION(%r13)
    basr    %r14, %r1

    // Result 0, in all registers that it can come back in.
    lrvg    %r2, 0(%r12)
    lgr     %r0, %r2
    tm      H_MORE + 1(%r13), MORE_NARROW
    jz      6f
    lgfr    %r2, %r2
    sllg    %r0, %r0, 32
6:  ldgr    %f0, %r0
    tm      H_MORE + 1(%r13), MORE_VECTORS
    jz      7f
    lrvg    %r1, 8(%r12)
    vlvgp   %v24, %r1, %r2
7:
    // The others, to the return area.
    llgh    %r5, H_SPILLS(%r13)
    cgije   %r5, 0, 11f
    lg      %r7, H_LISTS(%r13)
    llgh    %r1, H_STACK_WORDS(%r13)
    agr     %r7, %r1
    agr     %r7, %r1
    llgh    %r1, H_FRAME(%r13)
    lrvg    %r9, 0(%r1, %r12)
9:  llgh    %r1, 0(%r7)
    aghi    %r7, 2
    aghi    %r12, 16
    lrvg    %r0, 0(%r12)
    tmll    %r1, SPILL_4 | SPILL_16
    jne     12f
    stg     %r0, -SPILL_8(%r1, %r9)
10: brctg   %r5, 9b
11: .cfi_remember_state
    END_FRAME

    .cfi_restore_state
12: tmll    %r1, SPILL_16
    jne     13f
    sty     %r0, -SPILL_4(%r1, %r9)
    j       10b
13: stg     %r0, -SPILL_16 + 8(%r1, %r9)
    lrvg    %r0, 8(%r12)
    stg     %r0, -SPILL_16(%r1, %r9)
    j       10b
END_FUNCTION(host)

// The function pointers of callbacks. Sections of their own: in a program
// without callbacks, the linker drops them.
ZEROED(callback_table, (8 * CALLBACKS))

// Only r1 can hold the address of a branch, so the context is passed in r0.
.macro CALLBACK_THUNKS count, table
    .set    .Lentry, 0
    .rept   \count
    lgrl    %r1, \table + .Lentry
    lgr     %r0, %r1
    lg      %r1, H_CODE(%r1)
    br      %r1
    .balign CALLBACK_SIZE_S390X
    .set    .Lentry, .Lentry + 8
    .endr
.endm

    .section .text.callback_thunks, "ax", %progbits
    .balign CALLBACK_SIZE_S390X
FUNCTIONS(callback_thunks)
    CALLBACK_THUNKS CALLBACKS, SYMBOL(callback_table)
END_FUNCTION(callback_thunks)

// Thunks that are never called here. For more callbacks, src/native/mapping.rs maps their
// pages again, with a table behind them.
    .section .text.callback_block, "ax", %progbits
    .balign PAGE_SIZE
FUNCTIONS(callback_block)
    CALLBACK_THUNKS (BLOCK_SIZE / CALLBACK_SIZE_S390X), (SYMBOL(callback_block) + BLOCK_SIZE)
END_FUNCTION(callback_block)
