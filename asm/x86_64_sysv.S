// x86-64, System V ABI: enter native code. The reference text; the other ports
// keep its order and its names and say only what differs.
//
// One function, in four bodies, that makes the call a descriptor describes:
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
//     xmm0..xmm7       = slots + FLOAT[0..8], as many as FLOATS says;
//     rdx, rcx, r8, r9 = slots + INTEGER[2..6];
//     target();
//     slots[0]         = rax & RESULT_MASK, or xmm0;      // variable body only
//     for (i = 1; i <= SPILLS; i++) slots[i] = area + lists[STACK_WORDS + i - 1];
//
// The bodies, from the one that can do least to the one that can do everything:
//
//     bare        no parameters                     a jump: no frame,
//     short_cut   parameters, no stack words        and target returns
//                                                   straight to our caller
//     fixed       parameters, up to FIXED_WORDS     a frame of constant size
//                 stack words
//     variable    anything                          a frame of any size
//
// The first three serve at most one result, a scalar, and leave it in its
// register: the caller stores it. `variable` stores every result itself.
//
// The entries with a c_ are for plain C, where no contexts precede the
// parameters: they load rdi and rsi from the slots too, and fall through.
//
// Requires (src/native/ proves each, by the same name):
//   R1  descriptor points to a descriptor that Source::encode has made, header
//       and lists, and nobody writes to it during the call.
//   R2  slots points to max(parameters, results) value slots, aligned to 8, that
//       nobody else writes to or reads until this returns or unwinds. If that
//       is no slot at all, slots may be anything.
//   R3  target follows this ABI, with the signature and convention that the
//       descriptor was made for.
//   R4  the body is the descriptor's shape or a longer one that can make the
//       call, and its entry (c_ or not) is that of the descriptor's convention.
//
// Ensures:
//   E1  target is called once, after every argument has been read, with every
//       value where the layout says, rsp a multiple of 16 and the direction
//       flag as it was. VM: rdi and rsi are as they came.
//   E2  each result is in its slot when `variable` returns: a scalar in bytes
//       0..8, zero-extended, a vector in 0..16. The other bodies return rax and
//       xmm0 as target left them, and write no slot.
//   E3  of memory, only the slots, the descriptor and the own frame are read;
//       only result slots and the own frame are written.
//   E4  rbx, rbp, rsp, r12-r15, mxcsr and the x87 control word are as they came,
//       if target keeps them.
//   E5  the stack is touched downward, no two touches more than a page apart:
//       an area of any size meets the guard page before anything beyond it.
//   E6  at every instruction an unwinder finds the caller. Nothing is held: the
//       frame may be abandoned at the call by unwinding or by longjmp.
//
// Registers here, until the arguments are loaded:
//   rax      target
//   rcx, r8  slots, descriptor: loaded last, as they are argument registers
//   r9-r11   scratch
//
// Frame of `variable`, at the call; that of `fixed` has only the argument area:
//
//              | caller's frame           |
//     rbp + 16 +--------------------------+ <- CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | pad                      |
//     rbp - 16 | address of return area   |    SAVED_AREA
//     rbp - 24 | descriptor               |    SAVED_DESCRIPTOR
//     rbp - 32 | slots                    |    SAVED_SLOTS
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
// frame), 3.2.3 (parameter passing), 3.7 (unwinding), 13 (control-flow
// integrity).

#include "prelude.h"

    .intel_syntax noprefix
    .text

#define SAVED_SLOTS         rbp - 32
#define SAVED_DESCRIPTOR    rbp - 24
#define SAVED_AREA          rbp - 16
#define SAVED_SIZE          32
#define FIXED_SIZE          (8 * FIXED_WORDS)
#define PAGE                4096

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

// A vector register that may carry a vector: 16 bytes, in halves for the same
// reason.
.macro VECTOR index
    SCALAR  \index
    movhps  xmm\index, qword ptr [rcx + r9 + 8]
.endm

// The vector registers, in tiers: 0, FLOATS_FEW, FLOATS_SOME, FLOATS_ALL, and
// all of them with 16 bytes.
.macro LOAD_FLOATS
    cmp     byte ptr [r8 + D_FLOATS], FLOATS_FEW
    jb      3f
    ja      1f
    SCALAR  0
    SCALAR  1
    jmp     3f
1:  cmp     byte ptr [r8 + D_FLOATS], FLOATS_ALL
    ja      2f
    SCALAR  0
    SCALAR  1
    SCALAR  2
    SCALAR  3
    jb      3f
    SCALAR  4
    SCALAR  5
    SCALAR  6
    SCALAR  7
    jmp     3f
2:  VECTOR  0
    VECTOR  1
    VECTOR  2
    VECTOR  3
    VECTOR  4
    VECTOR  5
    VECTOR  6
    VECTOR  7
3:
.endm

// The integer registers after the contexts. One that carries nothing gets a
// copy of slot 0. slots and descriptor go last.
.macro LOAD_INTEGERS
    INTEGER 2, rdx, edx
    INTEGER 5, r9, r9d
    movzx   r10d, word ptr [r8 + D_INTEGER + 2 * 3]
    movzx   r11d, word ptr [r8 + D_INTEGER + 2 * 4]
    mov     r8, [rcx + r11]
    mov     rcx, [rcx + r10]
.endm

// Plain C: the registers of the contexts.
.macro LOAD_CONTEXTS
    INTEGER 0, rdi, edi
    INTEGER 1, rsi, esi
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

//-------------------------------------------------------------- short_cut ----

    .p2align 5
FUNCTION(c_short_cut)
    LOAD_CONTEXTS
END_FUNCTION(c_short_cut)                // falls through

FUNCTION(short_cut)
    mov     rax, rdx
    LOAD_FLOATS
    LOAD_INTEGERS
    jmp     rax
END_FUNCTION(short_cut)

//------------------------------------------------------------------ fixed ----

    .p2align 5
FUNCTION(c_fixed)
    LOAD_CONTEXTS
END_FUNCTION(c_fixed)                    // falls through

FUNCTION(fixed)
    BEGIN_FRAME
    sub     rsp, FIXED_SIZE
    mov     rax, rdx

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
2:
    LOAD_FLOATS
    LOAD_INTEGERS
    call    rax

    add     rsp, FIXED_SIZE
    pop     rbp
    END_FRAME
END_FUNCTION(fixed)

//--------------------------------------------------------------- variable ----

    .p2align 5
FUNCTION(c_variable)
    // Without parameters there may be no slot to read: the descriptor will do.
    cmp     word ptr [r8 + D_PARAMS], 0
    mov     r10, rcx
    cmove   rcx, r8
    LOAD_CONTEXTS
    mov     rcx, r10
END_FUNCTION(c_variable)                 // falls through

FUNCTION(variable)
    BEGIN_FRAME
    sub     rsp, SAVED_SIZE
    mov     rax, rdx
    mov     [SAVED_SLOTS], rcx
    mov     [SAVED_DESCRIPTOR], r8
    cmp     word ptr [r8 + D_PARAMS], 0
    cmove   rcx, r8

    // The return area, touched page by page.
    movzx   r9d, word ptr [r8 + D_RETURN_AREA]
1:  sub     r9d, PAGE
    jb      2f
    sub     rsp, PAGE
    test    [rsp], rsp
    jmp     1b
2:  add     r9d, PAGE
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
4:
    LOAD_FLOATS
    LOAD_INTEGERS

    // The return pointer, in its register or its stack word; a word that nobody
    // reads takes it otherwise.
    mov     r11, [SAVED_DESCRIPTOR]
    cmp     word ptr [r11 + D_SPILLS], 0
    je      5f
    mov     r10, [SAVED_AREA]
    RETURN_POINTER 2, rdx
    RETURN_POINTER 3, rcx
    RETURN_POINTER 4, r8
    RETURN_POINTER 5, r9
    movzx   r11d, word ptr [r11 + D_RETURN_WORD]
    mov     [rsp + r11], r10
5:  call    rax

    // Result 0, from its register.
    mov     r10, [SAVED_SLOTS]
    mov     r11, [SAVED_DESCRIPTOR]
    movzx   ecx, byte ptr [r11 + D_RESULT]
    cmp     ecx, RESULT_INTEGER
    jb      11f
    je      6f
    cmp     ecx, RESULT_FLOAT
    ja      7f
    movq    rax, xmm0
6:  and     rax, [r11 + D_RESULT_MASK]
    mov     [r10], rax
    jmp     8f
7:  movups  [r10], xmm0

    // The others, from the return area.
8:  movzx   ecx, word ptr [r11 + D_SPILLS]
    test    ecx, ecx
    jz      11f
    mov     rsi, [SAVED_AREA]
    movzx   edi, byte ptr [r11 + D_STRIDE]
    movzx   edx, word ptr [r11 + D_STACK_WORDS]
    lea     r11, [r11 + 2 * rdx + D_LISTS]
9:  movzx   edx, word ptr [r11]
    add     r11, 2
    add     r10, rdi
    test    edx, SPILL_4 | SPILL_16
    jnz     12f
    mov     rax, [rsi + rdx - SPILL_8]
10: mov     [r10], rax
    dec     ecx
    jnz     9b
11: leave
    .cfi_remember_state
    END_FRAME

    .cfi_restore_state
12: test    edx, SPILL_16
    jnz     13f
    mov     eax, [rsi + rdx - SPILL_4]
    jmp     10b
13: movups  xmm0, [rsi + rdx - SPILL_16]
    movups  [r10], xmm0
    dec     ecx
    jnz     9b
    jmp     11b
END_FUNCTION(variable)

//------------------------------------------------------ function pointers ----
//
// A VMTrampoline has no fifth parameter: a thunk adds it and jumps to the body.
// Each signature that has a pointer has a thunk of its own. Thunk i finds the
// descriptor in entry i of the table, and the body's address just before the
// descriptor.
//
// Nobody stores result 0 for a pointer. Where there is one, it is `leaf` that
// the thunk jumps to, or `variable`: up to FIXED_WORDS stack words, no vectors,
// and E2 as for `variable`. The tiers of vector registers are entries that fall
// through to each other.
//
// Requires, besides:
//   R5  before thunk i is called, entry i has been set to a descriptor for which
//       R1 and R4 hold, and never changes afterwards. The body stores the
//       result, or there is none.
//
// Frame of `leaf`, at the call:
//
//              | caller's frame           |
//     rbp + 16 +--------------------------+ <- CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | slots                    |
//     rbp - 16 | descriptor               |
//              +--------------------------+
//     rsp      | argument area            | <- 16-aligned
//              +--------------------------+

    .p2align 5
FUNCTION(leaf_all)
    SCALAR  7
    SCALAR  6
    SCALAR  5
    SCALAR  4
END_FUNCTION(leaf_all)                   // falls through

FUNCTION(leaf_some)
    SCALAR  3
    SCALAR  2
END_FUNCTION(leaf_some)                  // falls through

FUNCTION(leaf_few)
    SCALAR  1
    SCALAR  0
END_FUNCTION(leaf_few)                   // falls through

FUNCTION(leaf)
    BEGIN_FRAME
    push    rcx
    push    r8
    sub     rsp, FIXED_SIZE
    mov     rax, rdx
    cmp     word ptr [r8 + D_STACK_WORDS], GROUP
    jae     2f
1:  LOAD_INTEGERS
    call    rax

    add     rsp, FIXED_SIZE
    pop     r8
    pop     rcx
    movq    r10, xmm0
    cmp     byte ptr [r8 + D_RESULT], RESULT_FLOAT
    cmove   rax, r10
    and     rax, [r8 + D_RESULT_MASK]
    mov     [rcx], rax
    pop     rbp
    .cfi_remember_state
    END_FRAME

    .cfi_restore_state
2:  je      3f
    WORD    7
    WORD    6
    WORD    5
    WORD    4
3:  WORD    3
    WORD    2
    WORD    1
    WORD    0
    jmp     1b
END_FUNCTION(leaf)

// Sections of their own: where nobody makes pointers, the linker drops them.
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
    jmp     [r8 - BODY_BEFORE]
    .balign THUNK_SIZE_X86_64, 0xcc
    .set    .Lentry, .Lentry + 8
    .endr
END_FUNCTION(pointer_thunks)
