// x86-64, System V ABI: enter native code. The reference text; the other ports
// keep its order and its names and say only what differs.
//
// Four bodies of one function, which makes the call that a descriptor describes:
//
//     extern "C-unwind" fn(
//         callee: *mut VMOpaqueContext,       // rdi
//         caller: *mut VMContext,             // rsi
//         target: *const VMFunctionBody,      // rdx
//         slots: *mut ValRaw,                 // rcx
//         descriptor: *const Header,          // r8
//     ) -> { rax, xmm0 }
//
// The layout has already decided where every value goes. This file decides
// nothing and knows no types: it moves bytes from slot to register and from
// slot to stack, jumps or calls, and moves result bytes back. In C, if C could
// name registers:
//
//     for (i = STACK_WORDS; i-- != 0; ) push(slots + lists[i]);
//     xmm0..xmm7       = slots + FLOAT[0..8], at least as many as FLOATS says;
//     rdx, rcx, r8, r9 = slots + INTEGER[2..6];
//     target();
//     slots[0]         = rax or xmm0, in `variable` alone;
//     for (i = 1; i <= SPILLS; i++) slots[i] = area + lists[STACK_WORDS + i - 1];
//
// The bodies, from the one that can do least to the one that can do everything:
//
//     bare        no parameters, no results         a jump: no frame,
//     short_cut   no stack words                    and target returns
//                                                   straight to our caller
//     fixed       up to FIXED_WORDS stack words     a frame of constant size
//     variable    anything                          a frame of any size
//
// The first three serve at most one result, and leave it in its register: the caller
// stores it. `short_cut` and `fixed` read slot 0 whatever the parameters are, so there
// must be one. `variable` stores all results.
//
// Plain C has no contexts. There, callee and caller are the first two integer
// arguments, which our caller has read from the slots. The bodies treat both alike.
//
// Requires (src/native/ proves each, by the same name):
//   R1  descriptor points to a descriptor that Source::encode has made, header
//       and lists, and nothing writes to it during the call.
//   R2  slots points to SLOTS value slots, aligned to 8, that no other code writes
//       to or reads until this returns or unwinds. If SLOTS is 0, slots may be
//       anything.
//   R3  target follows this ABI, with the signature and convention that the
//       descriptor was made for. In plain C, callee and caller are what its first
//       two integer registers are to hold.
//   R4  the body is the descriptor's shape or a longer one that can make the
//       call.
//
// Ensures:
//   E1  target is called once, after every argument has been read, with every
//       value where the layout says, rdi, rsi and rax as they came, rsp a multiple
//       of 16 and the direction flag as it was.
//   E2  result 0 is in rax or xmm0 as target left it, if it is a scalar or the body
//       is not `variable`. Every other result is in its slot: a scalar in bytes 0..8,
//       zero-extended, a vector in bytes 0..16. If there is none but result 0, all
//       registers that results of C come back in are as target left them: rax, rdx,
//       xmm0, xmm1 and those of x87. `variable` ensures E7, too; on the other ports it
//       stores a result 0 only if it is a vector.
//   E3  of memory, only the slots, the descriptor and the own frame are read;
//       only result slots and the own frame are written.
//   E4  rbx, rbp, rsp, r12-r15, mxcsr and the x87 control word are as they came,
//       if target keeps them.
//   E5  the stack is touched downward, and no page is skipped: an area of any
//       size meets the guard page before anything beyond it.
//   E6  at every instruction an unwinder finds the caller. The frame holds nothing:
//       unwinding or longjmp may abandon it at the call.
//
// Registers here, until the arguments are loaded:
//   r11      target, but in `variable`
//   rcx, r8  slots, descriptor: loaded last, as they are argument registers
//   r9, r10  scratch
//   rax      as it came: `hidden` has al in it
//
// Frame of `variable`, at the call; that of `fixed` has only the argument area:
//
//              | caller's frame           |
//     rbp + 16 +--------------------------+ <- CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | address of return area   |    SAVED_AREA
//     rbp - 16 | descriptor               |    SAVED_DESCRIPTOR
//     rbp - 24 | slots                    |    SAVED_SLOTS
//     rbp - 32 | pad                      |
//     rbp - 40 | target                   |    SAVED_TARGET
//     rbp - 48 | pad                      |    for RETURN_WORD without an area
//              +--------------------------+ <- 16-aligned
//              | results 1..              |    return area, RETURN_AREA bytes
//              +--------------------------+ <- 16-aligned
//              | stack word n - 1         |
//              ~   ...                    ~    argument area, n = STACK_WORDS
//     rsp      | stack word 0             | <- 16-aligned: n is a multiple of 4
//              +--------------------------+
//
// Unwinding: from `mov rbp, rsp` to `pop rbp` or `leave` the CFA is rbp + 16,
// so nothing between them needs a directive.
//
// Control-flow integrity: entries have landing pads, as they are called through
// pointers; target needs its own. Every call returns to its call: neutral to
// shadow stacks.
//
// Reference: System V ABI, AMD64 supplement 1.0: 3.2.1 (registers), 3.2.2 (stack
// frame), 3.2.3 (parameter passing), 3.7 (unwinding); in its later revisions,
// "Intel CET Extension" (control-flow integrity).

#include "prelude.h"

    .intel_syntax noprefix
    .text

#define SAVED_SLOTS         rbp - 24
#define SAVED_DESCRIPTOR    rbp - 16
#define SAVED_AREA          rbp - 8
#define SAVED_TARGET        rbp - 40
#define SAVED_SIZE          48
#define FIXED_SIZE          (8 * FIXED_WORDS)
#define PAGE_SIZE           4096

// An integer argument register: 8 bytes from the slot that the descriptor names.
.macro INTEGER index, reg, reg32
    movzx   \reg32, word ptr [r8 + D_INTEGER + 2 * \index]
    mov     \reg, [rcx + \reg]
.endm

// A vector register that carries a scalar: 8 bytes. A load wider than the store
// that filled the slot would wait for it to reach the cache.
.macro SCALAR index
    movzx   r9d, word ptr [r8 + D_FLOAT + 2 * \index]
    movsd   xmm\index, qword ptr [rcx + r9]
.endm

// The other half of a vector.
.macro UPPER index
    movzx   r9d, word ptr [r8 + D_FLOAT + 2 * \index]
    movhps  xmm\index, qword ptr [rcx + r9 + 8]
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
    INTEGER 2, rdx, edx
    INTEGER 5, r9, r9d
    movzx   r10d, word ptr [r8 + D_INTEGER + 2 * 3]
    movzx   r8d, word ptr [r8 + D_INTEGER + 2 * 4]
    mov     r8, [rcx + r8]
    mov     rcx, [rcx + r10]
.endm

// A stack word of the fixed frame.
.macro WORD index
    movzx   r9d, word ptr [r8 + D_LISTS + 2 * \index]
    mov     r9, [rcx + r9]
    mov     [rsp + 8 * \index], r9
.endm

// The return pointer, in r10, if it goes in the integer register of this index.
.macro RETURN_POINTER index, reg
    test    byte ptr [r11 + D_RETURN_REGISTER], 1 << \index
    cmovnz  \reg, r10
.endm

// The frame record; from here to END_FRAME the CFA is rbp + 16.
.macro BEGIN_FRAME
    push    rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov     rbp, rsp
    .cfi_def_cfa_register rbp
.endm

.macro END_FRAME
    .cfi_def_cfa rsp, 8
    .cfi_restore rbp
    ret
.endm

//------------------------------------------------------------------- bare ----

    .p2align 4
FUNCTION(bare)
    jmp     rdx
END_FUNCTION(bare)

//------------------------------------------------------------- all_floats ----
//
// For the bodies: all vector registers, or the first four with 16 bytes. It changes r9, too.

    .p2align 4
FUNCTION(all_floats)
    SOME_FLOATS
    cmp     byte ptr [r8 + D_FLOATS], FLOATS_SOME_VECTORS
    je      1f
    MORE_FLOATS
    jb      2f
    UPPER   4
    UPPER   5
    UPPER   6
    UPPER   7
1:  UPPER   0
    UPPER   1
    UPPER   2
    UPPER   3
2:  ret
END_FUNCTION(all_floats)

//-------------------------------------------------------------- short_cut ----
//
// Up to four vector registers are loaded whether they carry something or not:
// where signatures vary, a branch that is mispredicted costs more than the loads.

    .p2align 5
FUNCTION(short_cut)
    cmp     byte ptr [r8 + D_FLOATS], FLOATS_SOME
    ja      3f
1:  SOME_FLOATS
2:  mov     r11, rdx
    LOAD_INTEGERS
    jmp     r11
3:  cmp     byte ptr [r8 + D_FLOATS], FLOATS_ALL
    ja      4f
    MORE_FLOATS
    jmp     1b
4:  call    SYMBOL(all_floats)
    jmp     2b
END_FUNCTION(short_cut)

//------------------------------------------------------------------ fixed ----

    .p2align 5
FUNCTION(fixed)
    BEGIN_FRAME
    sub     rsp, FIXED_SIZE
    mov     r11, rdx

    // Groups of four stack words; fewer than four is none.
    cmp     word ptr [r8 + D_STACK_WORDS], GROUP
    jb      2f
    je      1f
    WORD    7
    WORD    6
    WORD    5
    WORD    4
1:  WORD    3
    WORD    2
    WORD    1
    WORD    0
2:  cmp     byte ptr [r8 + D_FLOATS], FLOATS_SOME
    jb      3f
    ja      4f
    SOME_FLOATS
3:  LOAD_INTEGERS
    call    r11

    add     rsp, FIXED_SIZE
    pop     rbp
    .cfi_remember_state
    END_FRAME

    .cfi_restore_state
4:  call    SYMBOL(all_floats)
    jmp     3b
END_FUNCTION(fixed)

//--------------------------------------------------------------- variable ----

    .p2align 5
FUNCTION(variable)
    BEGIN_FRAME
    sub     rsp, SAVED_SIZE
    mov     [SAVED_TARGET], rdx
    mov     [SAVED_SLOTS], rcx
    mov     [SAVED_DESCRIPTOR], r8

    // There may be no slot to read: then the descriptor will do.
    cmp     word ptr [r8 + D_SLOTS], 0
    cmove   rcx, r8

    // The return area, touched page by page.
    movzx   r9d, word ptr [r8 + D_RETURN_AREA]
1:  sub     r9d, PAGE_SIZE
    jb      2f
    sub     rsp, PAGE_SIZE
    test    [rsp], rsp
    jmp     1b
2:  add     r9d, PAGE_SIZE
    sub     rsp, r9
    mov     [SAVED_AREA], rsp

    // The stack words, last one first, which touches their pages in order.
    movzx   r9d, word ptr [r8 + D_STACK_WORDS]
    test    r9d, r9d
    jz      4f
3:  movzx   r10d, word ptr [r8 + 2 * r9 + D_LISTS - 2]
    push    qword ptr [rcx + r10]
    dec     r9d
    jnz     3b
4:  cmp     byte ptr [r8 + D_FLOATS], 0
    je      5f
    call    SYMBOL(all_floats)
5:  LOAD_INTEGERS

    // The return pointer, in its register or its stack word; without one,
    // a word that is not read takes it.
    mov     r11, [SAVED_DESCRIPTOR]
    mov     r10, [SAVED_AREA]
    RETURN_POINTER 2, rdx
    RETURN_POINTER 3, rcx
    RETURN_POINTER 4, r8
    RETURN_POINTER 5, r9
    movzx   r11d, word ptr [r11 + D_RETURN_WORD]
    mov     [rsp + r11], r10
    call    [SAVED_TARGET]

    // Result 0.
    mov     r10, [SAVED_SLOTS]
    mov     r11, [SAVED_DESCRIPTOR]
    cmp     byte ptr [r11 + D_RESULT], RESULT_INTEGER
    jne     9f
    mov     r8, rax
5:  and     r8, [r11 + D_RESULT_MASK]
    mov     [r10], r8

    // The others, from the return area.
6:  movzx   ecx, word ptr [r11 + D_SPILLS]
    test    ecx, ecx
    jz      8f
    mov     rsi, [SAVED_AREA]
    movzx   edi, byte ptr [r11 + D_STRIDE]
    movzx   edx, word ptr [r11 + D_STACK_WORDS]
    lea     r11, [r11 + 2 * rdx + D_LISTS]
7:  movzx   edx, word ptr [r11]
    add     r11, 2
    add     r10, rdi
    test    edx, SPILL_4 | SPILL_16
    jnz     10f
    mov     r8, [rsi + rdx - SPILL_8]
    mov     [r10], r8
    dec     ecx
    jnz     7b
8:  leave
    .cfi_remember_state
    END_FRAME

    .cfi_restore_state
9:  movq    r8, xmm0
    cmp     byte ptr [r11 + D_RESULT], RESULT_FLOAT
    je      5b
    cmp     byte ptr [r11 + D_RESULT], RESULT_VECTOR
    jne     6b
    movups  [r10], xmm0
    jmp     6b
10: test    edx, SPILL_16
    jnz     11f
    mov     r8d, [rsi + rdx - SPILL_4]
    mov     [r10], r8
    dec     ecx
    jnz     7b
    jmp     8b
11: movups  xmm1, [rsi + rdx - SPILL_16]
    movups  [r10], xmm1
    dec     ecx
    jnz     7b
    jmp     8b
END_FUNCTION(variable)

//------------------------------------------------------- more for plain C ----
//
// These pass al, which is no argument, and take results from x87 registers, where no type of
// Rust comes back. A sixth argument, in r9, is the body. All bodies but `bare` overwrite r9.
//
//     hidden      al, for variadic functions, then the body
//     x87         the same, and stores what the target leaves in st0 and st1
//
// Requires, for these two:
//   R9  r9 is the body that R4 asks for. For `x87`, RESULT is RESULT_X87 or
//       RESULT_X87_PAIR, as target leaves one or two values in x87 registers; slots has
//       room for 10 or 26 bytes.
//
// Ensures, in addition:
//   E11 al is the low byte of HIDDEN when target is called. `hidden` returns as the body
//       does. `x87` has stored st0 at slots, st1 16 bytes behind, if there is one, and
//       left the x87 registers empty.
//
// The frame of `x87` is that of `storing`, below.

    .p2align 4
FUNCTION(hidden)
    movzx   eax, byte ptr [r8 + D_HIDDEN]
    jmp     r9
END_FUNCTION(hidden)

    .p2align 4
FUNCTION(x87)
    BEGIN_FRAME
    push    rcx
    push    r8
    movzx   eax, byte ptr [r8 + D_HIDDEN]
    call    r9
    pop     r8
    pop     rcx
    fstp    tbyte ptr [rcx]
    cmp     byte ptr [r8 + D_RESULT], RESULT_X87
    je      1f
    fstp    tbyte ptr [rcx + 16]
1:  pop     rbp
    END_FRAME
END_FUNCTION(x87)

//--------------------------------------------------------- leaving a call ----
//
// A call that can be left has a frame to which code deep below goes back at once, without
// returning through the frames between. `leavable` is called like a body, with a landing
// place as a sixth argument, in r9. It calls the body that the place names. `leave` puts
// L_SP in rsp and goes on at `landed`, which returns to the caller of `leavable`. A signal
// handler does the same by setting both registers in the context that it has interrupted.
//
// Requires, for these three:
//   R10 r9 points to a landing place whose L_BODY is the body that R4 asks for, and that
//       no other code but the functions here writes to until this returns or unwinds.
//   R11 for `leave` and `landed`: rdi or rsp is L_SP of a landing place for which
//       `leavable` has been called in this thread and has neither returned nor unwound.
//       The frames between may be abandoned.
//
// Ensures E4 to E6, and:
//   E12 while the body runs, the place's L_SP is the stack pointer of this frame. When the
//       body has returned, L_SP is null, and all registers that results come back in are
//       as the body left them.
//   E13 if the call is left, `leavable` returns with L_SP as it was, rbx, rbp, rsp,
//       r12-r15, mxcsr and the x87 control word as they came, the direction flag clear,
//       the x87 registers empty, and the shadow stack, if there is one, as at a return.
//
// Frame, at the call:
//
//              | caller's frame           |
//     rbp + 16 +--------------------------+ <- CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | caller's rbx             |    SAVED_RBX
//     rbp - 16 | caller's r12             |    SAVED_R12
//     rbp - 24 | caller's r13             |    SAVED_R13
//     rbp - 32 | caller's r14             |    SAVED_R14
//     rbp - 40 | caller's r15             |    SAVED_R15
//     rbp - 48 | landing place            |    SAVED_LANDING
//     rbp - 56 | shadow stack pointer     |    SAVED_SSP; 0 if there is no such stack
//     rbp - 60 | x87 control word         |    SAVED_X87
//     rsp      | mxcsr                    |    SAVED_MXCSR; 16-aligned
//              +--------------------------+

#define SAVED_RBX           rbp - 8
#define SAVED_R12           rbp - 16
#define SAVED_R13           rbp - 24
#define SAVED_R14           rbp - 32
#define SAVED_R15           rbp - 40
#define SAVED_LANDING       rbp - 48
#define SAVED_SSP           rbp - 56
#define SAVED_X87           rbp - 60
#define SAVED_MXCSR         rbp - 64
#define LEAVABLE_SIZE       64

// Where unwinders find the caller's registers, until RESTORED.
.macro SAVED
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
.endm

.macro RESTORED
    .cfi_restore rbx
    .cfi_restore r12
    .cfi_restore r13
    .cfi_restore r14
    .cfi_restore r15
.endm

    .p2align 5
FUNCTION(leavable)
    BEGIN_FRAME
    push    rbx
    push    r12
    push    r13
    push    r14
    push    r15
    SAVED
    push    r9
    xor     eax, eax
    rdsspq  rax                          // does nothing if there is none
    push    rax
    sub     rsp, 8
    stmxcsr [SAVED_MXCSR]
    fnstcw  [SAVED_X87]
    mov     [r9 + L_SP], rsp
    call    [r9 + L_BODY]
    mov     r9, [SAVED_LANDING]
    mov     qword ptr [r9 + L_SP], 0
    leave
    RESTORED
    END_FRAME
END_FUNCTION(leavable)

FUNCTION(leave)
    mov     rsp, rdi
END_FUNCTION(leave)                      // goes on in `landed`

FUNCTIONS(landed)
    .cfi_def_cfa rsp, LEAVABLE_SIZE + 16
    .cfi_offset rbp, -16
    SAVED
    LANDING_PAD
    lea     rbp, [rsp + LEAVABLE_SIZE]
    .cfi_def_cfa rbp, 16
    cld
    ldmxcsr [SAVED_MXCSR]
    fninit                               // also drops exceptions that are pending
    fldcw   [SAVED_X87]

    // The shadow stack, down to the return address of `leavable`.
    xor     eax, eax
    rdsspq  rax
    mov     rcx, [SAVED_SSP]
    sub     rcx, rax
    jz      2f
    mov     eax, 1
1:  incsspq rax
    sub     rcx, 8
    jnz     1b
2:  mov     rbx, [SAVED_RBX]
    mov     r12, [SAVED_R12]
    mov     r13, [SAVED_R13]
    mov     r14, [SAVED_R14]
    mov     r15, [SAVED_R15]
    leave
    RESTORED
    END_FRAME
END_FUNCTION(landed)

//------------------------------------------------------ function pointers ----
//
// A VMTrampoline has no fifth parameter: a thunk adds it and jumps to the body.
// Each signature that has a pointer has a thunk of its own. Thunk i finds the
// descriptor in entry i of the table, and just before the descriptor the address
// of what it jumps to.
//
// A function pointer has no caller that stores what a body leaves in a register. So where
// there is a result, the thunk jumps to `variable` or to one of three that store it:
//
//     storing_integer     the short cut with at most FLOATS_SOME vector registers, for an
//     storing_float       integer or a float result: it makes the call itself
//     storing             all else that a body leaves: it calls the body, whose address
//                         lies before that of `storing`
//
// The other ports have one short cut for both, `storing_short_cut`. There `storing` serves
// `variable`, too, and only `variable` is called for a vector.
//
// Requires, in addition:
//   R5  before thunk i is called, entry i has been set to a descriptor for which
//       R1 and R4 hold, and never changes afterwards. Before it lie the address
//       of its body and the address of the function that makes the call: the
//       body, or, if that leaves a result in a register, one of the three that can.
//
// Ensures, in addition:
//   E7  result 0 is in slot 0: a scalar in bytes 0..8, zero-extended, a vector in bytes
//       0..16.
//
// Frame of the three, at the call:
//
//              | caller's frame           |
//     rbp + 16 +--------------------------+ <- CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | slots                    |
//     rsp      | descriptor               | <- 16-aligned
//              +--------------------------+

// The short cut from this frame; slots and descriptor are back in rcx and r8.
.macro SHORT_CUT
    BEGIN_FRAME
    push    rcx
    push    r8
    SOME_FLOATS
    mov     r11, rdx
    LOAD_INTEGERS
    call    r11
    pop     r8
    pop     rcx
.endm

    .p2align 6
FUNCTION(storing_integer)
    SHORT_CUT
    and     rax, [r8 + D_RESULT_MASK]
    mov     [rcx], rax
    pop     rbp
    END_FRAME
END_FUNCTION(storing_integer)

    .p2align 6
FUNCTION(storing_float)
    SHORT_CUT
    movq    rax, xmm0
    and     rax, [r8 + D_RESULT_MASK]
    mov     [rcx], rax
    pop     rbp
    END_FRAME
END_FUNCTION(storing_float)

    .p2align 5
FUNCTION(storing)
    BEGIN_FRAME
    push    rcx
    push    r8
    call    [r8 - BODY_BEFORE]
    pop     r8
    pop     rcx
    cmp     byte ptr [r8 + D_RESULT], RESULT_FLOAT
    jae     2f
1:  and     rax, [r8 + D_RESULT_MASK]
    mov     [rcx], rax
    pop     rbp
    .cfi_remember_state
    END_FRAME

    .cfi_restore_state
2:  movq    rax, xmm0
    je      1b
    movups  [rcx], xmm0
    pop     rbp
    END_FRAME
END_FUNCTION(storing)

// Sections of their own: in a program without pointers, the linker drops them.
ZEROED(pointer_table, (8 * POINTERS))

#if defined(__ELF__)
    .section .text.pointer_thunks, "ax", %progbits
#endif
    .balign THUNK_SIZE_X86_64
FUNCTIONS(pointer_thunks)
    .set    .Lentry, 0
    .rept   POINTERS
    LANDING_PAD
    mov     r8, [rip + SYMBOL(pointer_table) + .Lentry]
    jmp     [r8 - CALL_BEFORE]
    .balign THUNK_SIZE_X86_64, 0xcc
    .set    .Lentry, .Lentry + 8
    .endr
END_FUNCTION(pointer_thunks)

//----------------------------------------------- native code calls the host ----
//
// The other direction. Native code calls a function of its own convention, with
// whatever signature; `host` makes an array call of it:
//
//     extern "C-unwind" fn(
//         callee: *mut VMOpaqueContext,       // rdi: the context
//         caller: *mut VMContext,             // rsi
//         slots: *mut ValRaw,                 // rdx: in the frame of `host`
//         count: usize,                       // rcx: how many slots values take
//     )
//
// One function serves every signature: the callee context, which is the first argument
// of every call in the VM convention, says where the others go. In C, if C could
// name registers:
//
//     slots + FLOAT[0..8]   = xmm0..xmm7;          // 16 bytes each, in this order
//     slots + INTEGER[2..6] = rdx, rcx, r8, r9;
//     for (i = STACK_WORDS; i-- != 0; ) slots + lists[i] = argument area[i];
//     FUNCTION(context, rsi, slots, SLOTS);
//     rax = xmm0 = slots[0];
//     for (i = 1; i <= SPILLS; i++) area + lists[STACK_WORDS + i - 1] = slots[i];
//
// What carries nothing goes to the scratch bytes at the end, and the return pointer to a
// place of its own. If the scatter has a plan, FUNCTION is in src/native/planned.rs and moves
// values to their slots. These go to places between the slots and the scratch bytes.
//
// `host_small` does the same in a frame of constant size, for up to SMALL_SLOTS
// slots.
//
// `c_host` and `c_host_small` are for plain C, behind the thunks of callbacks: the
// context is in r10, rdi and rsi go to slots too, before all others, and the caller is
// null. Before that, if MASKED, each integer argument register loses what its mask clears.
//
// Requires (src/native/host.rs and callback.rs prove each, by the same name):
//   R6  the callee context, or entry i of callback_table for thunk i, points to a
//       context with a scatter that Scatter::encode has made for this function or a
//       smaller one, and that nothing writes to or frees before this returns or
//       unwinds.
//   R7  the caller follows this ABI, with the signature and convention that the
//       context was made for: a return pointer points to a return area or to the
//       memory of a result, the address of an argument to its value.
//   R8  FUNCTION is a function of the type above.
//
// Ensures, in addition to E4 to E6:
//   E8  FUNCTION is called once, with the direction flag as it was. slots is a
//       multiple of 16 and points to SLOTS slots that no other code touches.
//       Each register and stack word that carries something is where the scatter
//       says: of WebAssembly's types, parameter i is in slot i, a vector in bytes
//       0..16, a scalar in bytes 0..8. If two go to one place, the one that is stored
//       last is there. Bytes 4..8 of an i32 or f32 are those that register or stack word
//       held above the value; in C, MASKS have cleared them in integer registers. All
//       other bytes are what happened to be there.
//   E9  result 0, from slot 0, is in rax and in xmm0; the others are in the return
//       area, where exactly the bytes of their types are written. If MORE says
//       so, bytes 8..16 of slot 0 are in rdx and xmm1 (MORE_PAIR), in rdx and xmm0
//       (MORE_BOTH); slot 0 is in st0 (MORE_X87); slots 0 and 1 are in st0 and st1
//       (MORE_X87_PAIR).
//   E10 of memory, only the context, its lists, the argument area up to a multiple
//       of 16 bytes, and the own frame are read; only the own frame and results
//       in the return area are written.
//
// Frame, at the call:
//
//              | stack words              |    argument area
//     rbp + 16 +--------------------------+ <- CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | context                  |    SAVED_CONTEXT
//     rbp - 16 | return pointer           |    SAVED_POINTER
//              +--------------------------+ <- 16-aligned
//              | scratch                  |    SCRATCH_SIZE bytes
//              | places for Rust          |    if the scatter has a plan
//              | slot n - 1               |
//              ~   ...                    ~    n = SLOTS; with places 16 * SMALL_SLOTS if small
//     rsp      | slot 0                   | <- 16-aligned
//              +--------------------------+

    .text

#define SAVED_CONTEXT       rbp - 8
#define SAVED_POINTER       rbp - 16
#define ARGUMENTS           rbp + 16
#define SMALL_SIZE          (16 * SMALL_SLOTS + SCRATCH_SIZE)

// The frame of constant size.
.macro SMALL_FRAME
    BEGIN_FRAME
    sub     rsp, 16 + SMALL_SIZE
.endm

// The frame of any size, touched page by page, from the first 16 bytes on.
.macro LARGE_FRAME context
    BEGIN_FRAME
    push    \context
    push    \context
    movzx   eax, word ptr [\context + H_FRAME]
8:  sub     eax, PAGE_SIZE
    jb      9f
    sub     rsp, PAGE_SIZE
    test    [rsp], rsp
    jmp     8b
9:  add     eax, PAGE_SIZE
    sub     rsp, rax
.endm

// An integer argument register, to where the context says.
.macro FROM_INTEGER index, reg
    movzx   eax, word ptr [rdi + H_INTEGER + 2 * \index]
    mov     [rsp + rax], \reg
.endm

// Clears what is above the value in an integer argument register of C.
.macro MASK index, reg
    and     \reg, [r10 + H_MASKS + 8 * \index]
.endm

// A vector register: always 16 bytes. If those beyond its value belong to another value, that
// one is stored later.
.macro FROM_FLOAT index
    movzx   eax, word ptr [rdi + H_FLOAT + 2 * \index]
    movups  [rsp + rax], xmm\index
.endm

    .p2align 5
FUNCTION(c_host)
    LARGE_FRAME r10
    jmp     1f
END_FUNCTION(c_host)

FUNCTION(c_host_small)
    SMALL_FRAME

    // Narrow values, if there are any. Then the registers of the contexts, which get what VM
    // has in them.
1:  cmp     byte ptr [r10 + H_MASKED], 0
    jne     3f
2:  movzx   eax, word ptr [r10 + H_INTEGER]
    mov     [rsp + rax], rdi
    mov     rdi, r10
    FROM_INTEGER 1, rsi
    xor     esi, esi
    jmp     1f
3:  MASK    0, rdi
    MASK    1, rsi
    MASK    2, rdx
    MASK    3, rcx
    MASK    4, r8
    MASK    5, r9
    jmp     2b
END_FUNCTION(c_host_small)

FUNCTION(host)
    LARGE_FRAME rdi
    jmp     1f
END_FUNCTION(host)

    .p2align 6
FUNCTION(host_small)
    SMALL_FRAME
1:  FROM_FLOAT 0
    FROM_FLOAT 1
    cmp     word ptr [rdi + H_FLOATS], FLOATS_FEW
    ja      5f
2:  FROM_INTEGER 2, rdx
    FROM_INTEGER 3, rcx
    FROM_INTEGER 4, r8
    FROM_INTEGER 5, r9
    mov     [SAVED_CONTEXT], rdi

    movzx   ecx, word ptr [rdi + H_STACK_WORDS]
    test    ecx, ecx
    jnz     6f

    // The array call. The address of the slots waits for the last offset, of which the shift
    // leaves 0: otherwise FUNCTION's loads run ahead of stores whose addresses are not known.
3:  shr     eax, 16
    lea     rdx, [rsp + rax]
    movzx   ecx, word ptr [rdi + H_SLOTS]
    call    [rdi + H_FUNCTION]

    // Result 0 in both registers that it can come back in.
    mov     rax, [rsp]
    movsd   xmm0, qword ptr [rsp]
    mov     rdi, [SAVED_CONTEXT]
    cmp     word ptr [rdi + H_MORE], MORE_RESULTS
    jae     8f
4:  leave
    .cfi_remember_state
    END_FRAME

    // Other vector registers.
    .cfi_restore_state
5:  FROM_FLOAT 2
    FROM_FLOAT 3
    FROM_FLOAT 4
    FROM_FLOAT 5
    FROM_FLOAT 6
    FROM_FLOAT 7
    jmp     2b

    // The stack words, two at a time.
6:  mov     r8, [rdi + H_LISTS]
7:  movzx   eax, word ptr [r8 + 2 * rcx - 2]
    movsd   xmm8, qword ptr [ARGUMENTS + 8 * rcx - 8]
    movsd   qword ptr [rsp + rax], xmm8
    movzx   eax, word ptr [r8 + 2 * rcx - 4]
    movsd   xmm8, qword ptr [ARGUMENTS + 8 * rcx - 16]
    movsd   qword ptr [rsp + rax], xmm8
    sub     ecx, H_GROUP
    jnz     7b
    jmp     3b

    // The other half of a vector, and the results of the return area.
8:  movhps  xmm0, qword ptr [rsp + 8]
    ja      13f
    movzx   ecx, word ptr [rdi + H_SPILLS]
    jrcxz   4b
    movzx   edx, word ptr [rdi + H_STACK_WORDS]
    mov     r8, [rdi + H_LISTS]
    lea     r8, [r8 + 2 * rdx]
    mov     r9, [SAVED_POINTER]
    mov     r10, rsp
9:  movzx   edx, word ptr [r8]
    add     r8, 2
    add     r10, 16
    mov     r11, [r10]
    test    edx, SPILL_4 | SPILL_16
    jnz     11f
    mov     [r9 + rdx - SPILL_8], r11
10: dec     ecx
    jnz     9b
    jmp     4b
11: test    edx, SPILL_16
    jnz     12f
    mov     [r9 + rdx - SPILL_4], r11d
    jmp     10b
12: mov     [r9 + rdx - SPILL_16], r11
    mov     r11, [r10 + 8]
    mov     [r9 + rdx - SPILL_16 + 8], r11
    jmp     10b

    // What only results of C come back in.
13: test    byte ptr [rdi + H_MORE], MORE_X87 | MORE_X87_PAIR
    jnz     14f
    mov     rdx, [rsp + 8]
    movsd   xmm1, qword ptr [rsp + 8]
    test    byte ptr [rdi + H_MORE], MORE_BOTH
    jz      4b
    movapd  xmm0, xmm1
    jmp     4b
14: test    byte ptr [rdi + H_MORE], MORE_X87
    jnz     15f
    fld     tbyte ptr [rsp + 16]
15: fld     tbyte ptr [rsp]
    jmp     4b
END_FUNCTION(host_small)

// The function pointers of callbacks. Sections of their own: in a program
// without callbacks, the linker drops them.
ZEROED(callback_table, (8 * CALLBACKS))

.macro CALLBACK_THUNKS count, table
    .set    .Lentry, 0
    .rept   \count
    LANDING_PAD
    mov     r10, [rip + \table + .Lentry]
    jmp     [r10 + H_CODE]
    .balign CALLBACK_SIZE_X86_64, 0xcc
    .set    .Lentry, .Lentry + 8
    .endr
.endm

#if defined(__ELF__)
    .section .text.callback_thunks, "ax", %progbits
#endif
    .balign CALLBACK_SIZE_X86_64
FUNCTIONS(callback_thunks)
    CALLBACK_THUNKS CALLBACKS, SYMBOL(callback_table)
END_FUNCTION(callback_thunks)

// Thunks that are never called here. For more callbacks, src/native/mapping.rs maps their
// pages again, with a table behind them.
#if defined(__ELF__)
    .section .text.callback_block, "ax", %progbits
#endif
    .balign PAGE_SIZE
FUNCTIONS(callback_block)
    CALLBACK_THUNKS (BLOCK_SIZE / CALLBACK_SIZE_X86_64), (SYMBOL(callback_block) + BLOCK_SIZE)
END_FUNCTION(callback_block)
