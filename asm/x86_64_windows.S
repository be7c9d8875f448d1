// x86-64, Windows ("x64 calling convention"): enter native code. This says only
// what differs from the reference text, x86_64_sysv.S.
//
//     extern "C-unwind" fn(
//         callee: *mut VMOpaqueContext,       // rcx
//         caller: *mut VMContext,             // rdx
//         target: *const VMFunctionBody,      // r8
//         slots: *mut ValRaw,                 // r9
//         descriptor: *const Header,          // on the stack
//     ) -> rax or xmm0
//
// As on aarch64, no type of C or Rust comes back in rax and xmm0 at once.
//
// Four registers carry arguments, integer or vector ones by the position of the
// argument: each that may carry something is loaded, whatever its position holds.
// Below its stack arguments every caller has SHADOW bytes for its callee: our caller's
// are ours, and `variable` and the functions that call the host save something there.
//
// Ensures, in addition: of the vector registers only xmm0-xmm5 are touched. E4 speaks of
// rbx, rbp, rsi, rdi, rsp, r12-r15, xmm6-xmm15, mxcsr and the x87 control word.
//
// Registers here, until the arguments are loaded:
//   rax     target
//   r10     descriptor
//   r11     slots; the descriptor, if there are no slots
//   r8, r9  scratch: loaded last, as they are argument registers
//
// Frame of `variable`, at the call; that of `fixed` has below the frame record only
// the argument area, of FIXED_WORDS words, and target's shadow space:
//
//              | caller's frame           |
//     rbp + 48 | descriptor               |    PARAM_DESCRIPTOR
//     rbp + 40 | unused                   |    our shadow space
//     rbp + 32 | unused                   |
//     rbp + 24 | address of return area   |    SAVED_AREA
//     rbp + 16 | stride                   |    SAVED_STRIDE; CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | slots                    |    SAVED_SLOTS
//     rbp - 16 | pad                      |    a word that is not read
//              +--------------------------+ <- 16-aligned
//              | results 1..              |    return area, RETURN_AREA bytes
//              +--------------------------+ <- 16-aligned
//              | stack word n - 1         |
//              ~   ...                    ~    argument area, n = STACK_WORDS
//     rsp + 32 | stack word 0             | <- 16-aligned: n is a multiple of 4
//              +--------------------------+
//     rsp      | target's shadow space    | <- 16-aligned
//              +--------------------------+
//
// Unwinding: by .seh_ directives or, where the object is ELF, by .cfi_ ones: the
// system's unwinder knows prologues and, by what they look like, epilogues. From
// `mov rbp, rsp` to `pop rbp` it goes by rbp.
//
// Reference: Microsoft, x64 calling convention; x64 stack usage; x64 prolog and
// epilog; x64 exception handling.

#include "prelude.h"

    .intel_syntax noprefix
    .text

#define SHADOW              32
#define PARAM_DESCRIPTOR    rbp + 48
#define SAVED_AREA          rbp + 24
#define SAVED_STRIDE        rbp + 16
#define SAVED_SLOTS         rbp - 8
#define FIXED_SIZE          (SHADOW + 8 * FIXED_WORDS)
#define PAGE_SIZE           4096

// An integer argument register: 8 bytes from the slot that the descriptor names.
.macro INTEGER index, reg, reg32
    movzx   \reg32, word ptr [r10 + D_INTEGER + 2 * \index]
    mov     \reg, [r11 + \reg]
.endm

// A vector register that carries a scalar: 8 bytes.
.macro SCALAR index
    movzx   r8d, word ptr [r10 + D_FLOAT + 2 * \index]
    movsd   xmm\index, qword ptr [r11 + r8]
.endm

// A vector register that may carry a vector: 16 bytes, in halves.
.macro VECTOR index
    SCALAR  \index
    movhps  xmm\index, qword ptr [r11 + r8 + 8]
.endm

// The vector registers, and the integer registers after the contexts. One that
// carries nothing gets a copy of slot 0.
.macro LOAD_REGISTERS
    cmp     byte ptr [r10 + D_FLOATS], FLOATS_VECTORS
    je      1f
    SCALAR  0
    SCALAR  1
    SCALAR  2
    SCALAR  3
    jmp     2f
1:  VECTOR  2                            // 0 and 1 carry contexts; C has no vectors
    VECTOR  3
2:  INTEGER 2, r8, r8d
    INTEGER 3, r9, r9d
.endm

// A stack word of the fixed frame.
.macro WORD index
    movzx   r8d, word ptr [r10 + D_LISTS + 2 * \index]
    mov     r8, [r11 + r8]
    mov     [rsp + SHADOW + 8 * \index], r8
.endm

// The return pointer, in r11, if it goes in the integer register of this index.
.macro RETURN_POINTER index, reg
    test    byte ptr [r10 + D_RETURN_REGISTER], 1 << \index
    cmovnz  \reg, r11
.endm

// The frame record; from here to END_FRAME the CFA is rbp + 16.
.macro BEGIN_FRAME
    push    rbp
    cfi     def_cfa_offset 16
    cfi     offset rbp, -16
    seh     pushreg rbp
    mov     rbp, rsp
    cfi     def_cfa_register rbp
    seh     setframe rbp, 0
    seh     endprologue
.endm

.macro END_FRAME
    pop     rbp
    cfi     def_cfa rsp, 8
    cfi     restore rbp
    ret
.endm

//------------------------------------------------------------------- bare ----

    .p2align 4
FUNCTION(bare)
    seh     endprologue
    jmp     r8
END_FUNCTION(bare)

//-------------------------------------------------------------- short_cut ----

    .p2align 5
FUNCTION(short_cut)
    seh     endprologue
    mov     r10, [rsp + 8 + SHADOW]
    mov     rax, r8
    mov     r11, r9
    LOAD_REGISTERS
    jmp     rax
END_FUNCTION(short_cut)

//------------------------------------------------------------------ fixed ----

    .p2align 5
FUNCTION(fixed)
    BEGIN_FRAME
    sub     rsp, FIXED_SIZE
    mov     r10, [PARAM_DESCRIPTOR]
    mov     rax, r8
    mov     r11, r9

    // Groups of four stack words; fewer than four is none.
    cmp     word ptr [r10 + D_STACK_WORDS], GROUP
    jb      4f
    je      3f
    WORD    7
    WORD    6
    WORD    5
    WORD    4
3:  WORD    3
    WORD    2
    WORD    1
    WORD    0
4:  LOAD_REGISTERS
    call    rax

    add     rsp, FIXED_SIZE
    END_FRAME
END_FUNCTION(fixed)

//--------------------------------------------------------------- variable ----

    .p2align 5
FUNCTION(variable)
    BEGIN_FRAME
    sub     rsp, 16
    mov     r10, [PARAM_DESCRIPTOR]
    mov     rax, r8
    mov     r11, r9
    mov     [SAVED_SLOTS], r9

    // There may be no slot to read: then the descriptor will do.
    cmp     word ptr [r10 + D_SLOTS], 0
    cmove   r11, r10

    // The return area, touched page by page.
    movzx   r9d, word ptr [r10 + D_RETURN_AREA]
1:  sub     r9d, PAGE_SIZE
    jb      2f
    sub     rsp, PAGE_SIZE
    test    [rsp], rsp
    jmp     1b
2:  add     r9d, PAGE_SIZE
    sub     rsp, r9
    test    [rsp], rsp
    mov     [SAVED_AREA], rsp

    // The stack words, last one first, which touches their pages in order.
    movzx   r9d, word ptr [r10 + D_STACK_WORDS]
    test    r9d, r9d
    jz      4f
3:  movzx   r8d, word ptr [r10 + 2 * r9 + D_LISTS - 2]
    push    qword ptr [r11 + r8]
    dec     r9d
    jnz     3b
4:  sub     rsp, SHADOW
    LOAD_REGISTERS

    // The return pointer, in its register or its stack word; without one,
    // a word that is not read takes it.
    mov     r11, [SAVED_AREA]
    RETURN_POINTER 2, r8
    RETURN_POINTER 3, r9
    movzx   r10d, word ptr [r10 + D_RETURN_WORD]
    mov     [rsp + r10], r11
    call    rax

    // Result 0, if it is a vector.
    mov     r10, [SAVED_SLOTS]
    mov     r11, [PARAM_DESCRIPTOR]
    cmp     byte ptr [r11 + D_RESULT], RESULT_VECTOR
    je      9f

    // The others, from the return area.
6:  movzx   ecx, word ptr [r11 + D_SPILLS]
    test    ecx, ecx
    jz      8f
    mov     r9, [SAVED_AREA]
    movzx   edx, byte ptr [r11 + D_STRIDE]
    mov     [SAVED_STRIDE], rdx
    movzx   edx, word ptr [r11 + D_STACK_WORDS]
    lea     r11, [r11 + 2 * rdx + D_LISTS]
7:  movzx   edx, word ptr [r11]
    add     r11, 2
    add     r10, [SAVED_STRIDE]
    test    edx, SPILL_4 | SPILL_16
    jnz     10f
    mov     r8, [r9 + rdx - SPILL_8]
    mov     [r10], r8
    dec     ecx
    jnz     7b
8:  lea     rsp, [rbp]                   // as an epilogue has to begin
    cfi     remember_state
    END_FRAME

    cfi     restore_state
9:  movups  [r10], xmm0
    jmp     6b
10: test    edx, SPILL_16
    jnz     11f
    mov     r8d, [r9 + rdx - SPILL_4]
    mov     [r10], r8
    dec     ecx
    jnz     7b
    jmp     8b
11: movups  xmm1, [r9 + rdx - SPILL_16]
    movups  [r10], xmm1
    dec     ecx
    jnz     7b
    jmp     8b
END_FUNCTION(variable)

//--------------------------------------------------------- leaving a call ----
//
// R10 speaks of the sixth argument, which is on the stack, R11 of rcx and rsp, E13 of the
// registers of E4.
//
// Frame of `leavable`, at the call:
//
//     rbp + 56 | landing place            |    PARAM_LANDING
//     rbp + 48 | descriptor               |    PARAM_DESCRIPTOR
//     rbp + 16 | our shadow space         |    CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp - 56 | caller's r15 to r12, rdi,|
//              |   rsi, rbx               |    SAVED_R15 to SAVED_RBX
//     rbp - 64 | shadow stack pointer     |    SAVED_SSP; 0 if there is no such stack
//     rbp - 68 | x87 control word         |    SAVED_X87
//     rbp - 72 | mxcsr                    |    SAVED_MXCSR
//     rbp - 80 | pad                      |
//     rbp - 240| caller's xmm6 to xmm15   |    SAVED_VECTORS
//     rsp + 40 | pad                      |
//     rsp + 32 | descriptor               |    the body's fifth argument
//     rsp      | the body's shadow space  | <- 16-aligned
//              +--------------------------+
//
// The system's unwinder knows the frame of `landed` by rsp, which stays where it is.

#define PARAM_LANDING       rbp + 56
#define SAVED_RBX           rbp - 8
#define SAVED_RSI           rbp - 16
#define SAVED_RDI           rbp - 24
#define SAVED_R12           rbp - 32
#define SAVED_R13           rbp - 40
#define SAVED_R14           rbp - 48
#define SAVED_R15           rbp - 56
#define SAVED_SSP           rbp - 64
#define SAVED_X87           rbp - 68
#define SAVED_MXCSR         rbp - 72
#define SAVED_VECTORS       240
#define LEAVABLE_SIZE       288

// Where unwinders by .cfi_ find the caller's registers, until RESTORED.
.macro SAVED
    cfi     offset rbx, -24
    cfi     offset rsi, -32
    cfi     offset rdi, -40
    cfi     offset r12, -48
    cfi     offset r13, -56
    cfi     offset r14, -64
    cfi     offset r15, -72
.endm

.macro RESTORED
    cfi     restore rbx
    cfi     restore rsi
    cfi     restore rdi
    cfi     restore r12
    cfi     restore r13
    cfi     restore r14
    cfi     restore r15
.endm

    .p2align 5
FUNCTION(leavable)
    BEGIN_FRAME
    sub     rsp, LEAVABLE_SIZE
    mov     [SAVED_RBX], rbx
    mov     [SAVED_RSI], rsi
    mov     [SAVED_RDI], rdi
    mov     [SAVED_R12], r12
    mov     [SAVED_R13], r13
    mov     [SAVED_R14], r14
    mov     [SAVED_R15], r15
    movaps  [rbp - SAVED_VECTORS + 16 * 0], xmm6
    movaps  [rbp - SAVED_VECTORS + 16 * 1], xmm7
    movaps  [rbp - SAVED_VECTORS + 16 * 2], xmm8
    movaps  [rbp - SAVED_VECTORS + 16 * 3], xmm9
    movaps  [rbp - SAVED_VECTORS + 16 * 4], xmm10
    movaps  [rbp - SAVED_VECTORS + 16 * 5], xmm11
    movaps  [rbp - SAVED_VECTORS + 16 * 6], xmm12
    movaps  [rbp - SAVED_VECTORS + 16 * 7], xmm13
    movaps  [rbp - SAVED_VECTORS + 16 * 8], xmm14
    movaps  [rbp - SAVED_VECTORS + 16 * 9], xmm15
    SAVED
    xor     eax, eax
    rdsspq  rax                          // does nothing if there is none
    mov     [SAVED_SSP], rax
    stmxcsr [SAVED_MXCSR]
    fnstcw  [SAVED_X87]
    mov     r10, [PARAM_DESCRIPTOR]
    mov     r11, [PARAM_LANDING]
    mov     [rsp + SHADOW], r10
    mov     [r11 + L_SP], rsp
    call    [r11 + L_BODY]
    mov     r11, [PARAM_LANDING]
    mov     qword ptr [r11 + L_SP], 0
    RESTORED
    add     rsp, LEAVABLE_SIZE
    END_FRAME
END_FUNCTION(leavable)

FUNCTION(leave)
    seh     endprologue
    mov     rsp, rcx
END_FUNCTION(leave)                      // goes on in `landed`

FUNCTIONS(landed)
    seh     pushreg rbp
    seh     stackalloc LEAVABLE_SIZE
    seh     savereg rbx, LEAVABLE_SIZE - 8
    seh     savereg rsi, LEAVABLE_SIZE - 16
    seh     savereg rdi, LEAVABLE_SIZE - 24
    seh     savereg r12, LEAVABLE_SIZE - 32
    seh     savereg r13, LEAVABLE_SIZE - 40
    seh     savereg r14, LEAVABLE_SIZE - 48
    seh     savereg r15, LEAVABLE_SIZE - 56
    seh     savexmm xmm6, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 0
    seh     savexmm xmm7, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 1
    seh     savexmm xmm8, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 2
    seh     savexmm xmm9, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 3
    seh     savexmm xmm10, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 4
    seh     savexmm xmm11, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 5
    seh     savexmm xmm12, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 6
    seh     savexmm xmm13, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 7
    seh     savexmm xmm14, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 8
    seh     savexmm xmm15, LEAVABLE_SIZE - SAVED_VECTORS + 16 * 9
    seh     endprologue
    cfi     def_cfa rsp, LEAVABLE_SIZE + 16
    cfi     offset rbp, -16
    SAVED
    LANDING_PAD
    lea     rbp, [rsp + LEAVABLE_SIZE]
    cfi     def_cfa rbp, 16
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
    mov     rsi, [SAVED_RSI]
    mov     rdi, [SAVED_RDI]
    mov     r12, [SAVED_R12]
    mov     r13, [SAVED_R13]
    mov     r14, [SAVED_R14]
    mov     r15, [SAVED_R15]
    movaps  xmm6, [rbp - SAVED_VECTORS + 16 * 0]
    movaps  xmm7, [rbp - SAVED_VECTORS + 16 * 1]
    movaps  xmm8, [rbp - SAVED_VECTORS + 16 * 2]
    movaps  xmm9, [rbp - SAVED_VECTORS + 16 * 3]
    movaps  xmm10, [rbp - SAVED_VECTORS + 16 * 4]
    movaps  xmm11, [rbp - SAVED_VECTORS + 16 * 5]
    movaps  xmm12, [rbp - SAVED_VECTORS + 16 * 6]
    movaps  xmm13, [rbp - SAVED_VECTORS + 16 * 7]
    movaps  xmm14, [rbp - SAVED_VECTORS + 16 * 8]
    movaps  xmm15, [rbp - SAVED_VECTORS + 16 * 9]
    RESTORED
    add     rsp, LEAVABLE_SIZE
    END_FRAME
END_FUNCTION(landed)

//------------------------------------------------------ function pointers ----
//
// A fifth argument is on the stack, where a thunk can put nothing. So a thunk passes the
// descriptor in rax, and always jumps to `storing`, which stores nothing if there is nothing
// to store.
//
// Frame of `storing`, at the call:
//
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | slots                    |    SAVED_SLOTS
//     rsp + 32 | descriptor               |    SAVED_DESCRIPTOR, the fifth argument
//     rsp      | the body's shadow space  | <- 16-aligned
//              +--------------------------+

#define SAVED_DESCRIPTOR    rbp - 16

    .p2align 5
ALIAS(storing_short_cut)
FUNCTION(storing)
    BEGIN_FRAME
    sub     rsp, 16 + SHADOW
    mov     [SAVED_SLOTS], r9
    mov     [SAVED_DESCRIPTOR], rax
    call    [rax - BODY_BEFORE]

    mov     r10, [SAVED_SLOTS]
    mov     r11, [SAVED_DESCRIPTOR]
    cmp     byte ptr [r11 + D_RESULT], RESULT_FLOAT
    ja      2f
    jb      1f
    movq    rax, xmm0
1:  cmp     byte ptr [r11 + D_RESULT], RESULT_NONE
    je      2f
    and     rax, [r11 + D_RESULT_MASK]
    mov     [r10], rax
2:  add     rsp, 16 + SHADOW
    END_FRAME
END_FUNCTION(storing)

// Sections of their own: in a program without pointers, GNU's linker drops them. Linkers for MSVC
// keep all 120 KiB, callbacks included.
ZEROED(pointer_table, (8 * POINTERS))

#if defined(__ELF__)
    .section .text.pointer_thunks, "ax", %progbits
#else
    .section .text$pointer_thunks, "xr"
#endif
    .balign THUNK_SIZE_X86_64
FUNCTIONS(pointer_thunks)
    seh     endprologue
    .set    .Lentry, 0
    .rept   POINTERS
    LANDING_PAD
    mov     rax, [rip + SYMBOL(pointer_table) + .Lentry]
    jmp     SYMBOL(storing)
    .balign THUNK_SIZE_X86_64, 0xcc
    .set    .Lentry, .Lentry + 8
    .endr
END_FUNCTION(pointer_thunks)

//----------------------------------------------- native code calls the host ----
//
// `host` and `c_host` serve every signature; there are no functions with a small frame. The
// registers of the contexts go where the context says, like all others: in the
// VM convention that is the scratch bytes. In `c_host` the context is in rax.
//
// `c_host` jumps to `host` before either has a frame. The system's unwinder takes a
// jump out of a function for the end of an epilogue, where only the return address
// is left on the stack.
//
// Frame, at the call:
//
//     rbp + 48 | stack words              |    ARGUMENTS
//     rbp + 40 | unused                   |    our shadow space
//     rbp + 32 | unused                   |
//     rbp + 24 | caller                   |    SAVED_CALLER
//     rbp + 16 | unused                   | <- CFA; 16-aligned
//     rbp +  8 | return address           |
//     rbp      | caller's rbp             |    frame record
//     rbp -  8 | context                  |    SAVED_CONTEXT
//     rbp - 16 | return pointer           |    SAVED_POINTER
//              +--------------------------+ <- 16-aligned
//              | scratch                  |    SCRATCH_SIZE bytes
//              | places for Rust          |    if the scatter has a plan
//              | slot n - 1               |
//              ~   ...                    ~    n = SLOTS
//     rsp + 32 | slot 0                   | <- 16-aligned
//              +--------------------------+
//     rsp      | FUNCTION's shadow space  | <- 16-aligned
//              +--------------------------+

    .text

#define ARGUMENTS           rbp + 16 + SHADOW
#define SAVED_CALLER        rbp + 24
#define ENTRY_CALLER        rsp + 16     // the same place, before there is a frame
#define SAVED_CONTEXT       rbp - 8
#define SAVED_POINTER       rbp - 16

// An integer argument register, to where the context says.
.macro FROM_INTEGER index, reg
    movzx   eax, word ptr [r10 + H_INTEGER + 2 * \index]
    mov     [rsp + rax], \reg
.endm

// A vector register: always 16 bytes, as they belong to no other slot.
.macro FROM_FLOAT index
    movzx   eax, word ptr [r10 + H_FLOAT + 2 * \index]
    movups  [rsp + rax], xmm\index
.endm

    .p2align 5
FUNCTION(c_host)
    seh     endprologue
    mov     r10, rax
    mov     qword ptr [ENTRY_CALLER], 0
    jmp     1f
END_FUNCTION(c_host)

    .p2align 5
FUNCTION(host)
    mov     r10, rcx
    mov     [ENTRY_CALLER], rdx
1:  BEGIN_FRAME
    sub     rsp, 16
    mov     [SAVED_CONTEXT], r10

    // The frame, touched page by page.
    movzx   eax, word ptr [r10 + H_FRAME]
2:  sub     eax, PAGE_SIZE
    jb      3f
    sub     rsp, PAGE_SIZE
    test    [rsp], rsp
    jmp     2b
3:  add     eax, PAGE_SIZE
    sub     rsp, rax
    test    [rsp], rsp

    FROM_FLOAT 0
    FROM_FLOAT 1
    FROM_FLOAT 2
    FROM_FLOAT 3
    FROM_INTEGER 0, rcx
    FROM_INTEGER 1, rdx
    FROM_INTEGER 2, r8
    FROM_INTEGER 3, r9

    // The stack words.
    movzx   ecx, word ptr [r10 + H_STACK_WORDS]
    test    ecx, ecx
    jz      5f
    mov     r8, [r10 + H_LISTS]
4:  movzx   eax, word ptr [r8 + 2 * rcx - 2]
    mov     r9, [ARGUMENTS + 8 * rcx - 8]
    mov     [rsp + rax], r9
    dec     ecx
    jnz     4b

    // The array call, and result 0 in both registers that it can come back in.
5:  mov     rcx, r10
    mov     rdx, [SAVED_CALLER]
    mov     r8, rsp
    movzx   r9d, word ptr [r10 + H_SLOTS]
    sub     rsp, SHADOW
    call    [r10 + H_FUNCTION]
    mov     rax, [rsp + SHADOW]
    movsd   xmm0, qword ptr [rsp + SHADOW]
    movhps  xmm0, qword ptr [rsp + SHADOW + 8]

    // The others, to the return area.
    mov     r10, [SAVED_CONTEXT]
    movzx   ecx, word ptr [r10 + H_SPILLS]
    test    ecx, ecx
    jz      8f
    movzx   edx, word ptr [r10 + H_STACK_WORDS]
    mov     r8, [r10 + H_LISTS]
    lea     r8, [r8 + 2 * rdx]
    mov     r9, [SAVED_POINTER]
    lea     r10, [rsp + SHADOW]
6:  movzx   edx, word ptr [r8]
    add     r8, 2
    add     r10, 16
    mov     r11, [r10]
    test    edx, SPILL_4 | SPILL_16
    jnz     9f
    mov     [r9 + rdx - SPILL_8], r11
7:  dec     ecx
    jnz     6b
8:  lea     rsp, [rbp]
    cfi     remember_state
    END_FRAME

    cfi     restore_state
9:  test    edx, SPILL_16
    jnz     10f
    mov     [r9 + rdx - SPILL_4], r11d
    jmp     7b
10: mov     [r9 + rdx - SPILL_16], r11
    mov     r11, [r10 + 8]
    mov     [r9 + rdx - SPILL_16 + 8], r11
    jmp     7b
END_FUNCTION(host)

// The function pointers of callbacks. Sections of their own: in a program
// without callbacks, the linker drops them.
ZEROED(callback_table, (8 * CALLBACKS))

#if defined(__ELF__)
    .section .text.callback_thunks, "ax", %progbits
#else
    .section .text$callback_thunks, "xr"
#endif
    .balign CALLBACK_SIZE_X86_64
FUNCTIONS(callback_thunks)
    seh     endprologue
    .set    .Lentry, 0
    .rept   CALLBACKS
    LANDING_PAD
    mov     rax, [rip + SYMBOL(callback_table) + .Lentry]
    jmp     SYMBOL(c_host)
    .balign CALLBACK_SIZE_X86_64, 0xcc
    .set    .Lentry, .Lentry + 8
    .endr
END_FUNCTION(callback_thunks)
