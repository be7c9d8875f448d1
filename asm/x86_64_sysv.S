#include "prelude.h"
    .intel_syntax noprefix
    .text

#define SAVED 16
#define ARGUMENTS (8 * FIXED_WORDS)
#define FIXED (SAVED + FIXED_AREA + ARGUMENTS)

.macro BASES
    mov     rax, rdx
    mov     r11, r8
    mov     r10, rcx
    cmp     word ptr [r8 + D_PARAMS], 0
    cmove   r10, r8
.endm

.macro INTEGER index, reg64, reg32
    movzx   \reg32, word ptr [r11 + D_INTEGER + 2 * \index]
    mov     \reg64, [r10 + \reg64]
.endm

.macro FLOAT index
    movzx   ecx, word ptr [r11 + D_FLOAT + 2 * \index]
    movsd   xmm\index, qword ptr [r10 + rcx]
.endm

.macro VECTOR index
    FLOAT   \index
    movhps  xmm\index, qword ptr [r10 + rcx + 8]
.endm

.macro FLOATS
    cmp     byte ptr [r11 + D_FLOATS], FLOATS_FEW
    jb      2f
    ja      1f
    FLOAT   0
    FLOAT   1
    jmp     2f
1:  cmp     byte ptr [r11 + D_FLOATS], FLOATS_ALL
    ja      3f
    FLOAT   0
    FLOAT   1
    FLOAT   2
    FLOAT   3
    jb      2f
    FLOAT   4
    FLOAT   5
    FLOAT   6
    FLOAT   7
    jmp     2f
3:  VECTOR  0
    VECTOR  1
    VECTOR  2
    VECTOR  3
    VECTOR  4
    VECTOR  5
    VECTOR  6
    VECTOR  7
2:
.endm

.macro INTEGERS
    INTEGER 2, rdx, edx
    INTEGER 3, rcx, ecx
    INTEGER 4, r8, r8d
    INTEGER 5, r9, r9d
.endm

.macro CONTEXTS
    BASES
    INTEGER 0, rdi, edi
    INTEGER 1, rsi, esi
.endm

.macro SAVE
    mov     [rbp - 8], rcx
    mov     [rbp - 16], r8
.endm

.macro RETURN_POINTER base, offset
    cmp     word ptr [r11 + D_SPILLS], 0
    je      1f
    lea     r10, [\base + \offset]
    movzx   edi, word ptr [r11 + D_RETURN_WORD]
1:
.endm

.macro WORD index
    movzx   ecx, word ptr [r11 + D_LISTS + 2 * \index]
    mov     rcx, [r10 + rcx]
    mov     [rsp + 8 * \index], rcx
.endm

.macro RETURN_POINTER_REGISTERS
    test    byte ptr [r11 + D_RETURN_REGISTER], 1 << 2
    cmovnz  rdx, r10
    test    byte ptr [r11 + D_RETURN_REGISTER], 1 << 3
    cmovnz  rcx, r10
    test    byte ptr [r11 + D_RETURN_REGISTER], 1 << 4
    cmovnz  r8, r10
    test    byte ptr [r11 + D_RETURN_REGISTER], 1 << 5
    cmovnz  r9, r10
    movzx   r11d, word ptr [r11 + D_RETURN_WORD]
    mov     [rsp + r11], r10
.endm

// in: area base in rsi
.macro RESULTS
    movzx   ecx, byte ptr [r11 + D_RESULT]
    movq    rdx, xmm0
    lea     rdi, [rbp - 8]
    test    ecx, ecx
    cmovz   r10, rdi
    cmp     ecx, RESULT_FLOAT
    cmove   rax, rdx
    and     rax, [r11 + D_RESULT_MASK]
    mov     [r10], rax
    ja      8f
1:  movzx   ecx, word ptr [r11 + D_SPILLS]
    test    ecx, ecx
    jnz     2f
.endm

    .p2align 6
FUNCTION SYMBOL(c_short_cut)
    .cfi_startproc
    endbr64
    CONTEXTS
FUNCTION SYMBOL(short_cut)
    endbr64
    BASES
    FLOATS
    INTEGERS
    jmp     rax
    .cfi_endproc
END_FUNCTION SYMBOL(short_cut)

    .p2align 6
FUNCTION SYMBOL(c_fixed)
    .cfi_startproc
    endbr64
    mov     r10, rcx
    cmp     word ptr [r8 + D_PARAMS], 0
    cmove   r10, r8
    mov     r11, r8
    INTEGER 0, rdi, edi
    INTEGER 1, rsi, esi
FUNCTION SYMBOL(fixed)
    endbr64
    push    rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov     rbp, rsp
    .cfi_def_cfa_register rbp
    sub     rsp, FIXED
    SAVE
    BASES
    cmp     word ptr [r11 + D_STACK_WORDS], 4
    ja      1f
    cmp     word ptr [r11 + D_STACK_WORDS], 0
    je      2f
    jmp     3f
1:  WORD 7
    WORD 6
    WORD 5
    WORD 4
3:  WORD 3
    WORD 2
    WORD 1
    WORD 0
2:
    FLOATS
    INTEGERS
    cmp     word ptr [r11 + D_SPILLS], 0
    je      1f
    lea     r10, [rsp + ARGUMENTS]
    RETURN_POINTER_REGISTERS
1:  call    rax
    mov     r10, [rbp - 8]
    mov     r11, [rbp - 16]
    RESULTS
    add     rsp, FIXED
    pop     rbp
    .cfi_remember_state
    .cfi_def_cfa rsp, 8
    ret
    .cfi_restore_state
8:  movups  [r10], xmm0
    jmp     1b
2:  lea     rsi, [rsp + ARGUMENTS]
    call    SYMBOL(spill)
    add     rsp, FIXED
    pop     rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
END_FUNCTION SYMBOL(fixed)

FUNCTION SYMBOL(spill)
    .cfi_startproc
    movzx   edx, word ptr [r11 + D_STACK_WORDS]
    movzx   edi, byte ptr [r11 + D_STRIDE]
    lea     r11, [r11 + rdx * 2 + D_LISTS]
1:  movzx   eax, word ptr [r11]
    add     r11, 2
    add     r10, rdi
    test    al, 3
    jnz     3f
    mov     rdx, [rsi + rax]
2:  mov     [r10], rdx
    dec     ecx
    jnz     1b
    ret
3:  test    al, SPILL_16
    jnz     4f
    mov     edx, [rsi + rax - SPILL_4]
    jmp     2b
4:  movups  xmm0, [rsi + rax - SPILL_16]
    movups  [r10], xmm0
    dec     ecx
    jnz     1b
    ret
    .cfi_endproc
END_FUNCTION SYMBOL(spill)

    .p2align 6
FUNCTION SYMBOL(c_variable)
    .cfi_startproc
    endbr64
    mov     r10, rcx
    cmp     word ptr [r8 + D_PARAMS], 0
    cmove   r10, r8
    mov     r11, r8
    INTEGER 0, rdi, edi
    INTEGER 1, rsi, esi
FUNCTION SYMBOL(variable)
    endbr64
    push    rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov     rbp, rsp
    .cfi_def_cfa_register rbp
    sub     rsp, SAVED
    SAVE
    BASES
    movzx   ecx, word ptr [r11 + D_RETURN_AREA]
1:  cmp     ecx, 4096
    jb      2f
    sub     rsp, 4096
    test    [rsp], rsp
    sub     ecx, 4096
    jmp     1b
2:  sub     rsp, rcx
    movzx   ecx, word ptr [r11 + D_STACK_WORDS]
    test    ecx, ecx
    jz      4f
3:  movzx   edx, word ptr [r11 + rcx * 2 + D_LISTS - 2]
    push    qword ptr [r10 + rdx]
    dec     ecx
    jnz     3b
4:  FLOATS
    INTEGERS
    cmp     word ptr [r11 + D_SPILLS], 0
    je      1f
    movzx   r10d, word ptr [r11 + D_STACK_WORDS]
    lea     r10, [rsp + r10 * 8]
    RETURN_POINTER_REGISTERS
1:  call    rax
    mov     r10, [rbp - 8]
    mov     r11, [rbp - 16]
    RESULTS
    leave
    .cfi_remember_state
    .cfi_def_cfa rsp, 8
    ret
    .cfi_restore_state
8:  movups  [r10], xmm0
    jmp     1b
2:  movzx   esi, word ptr [r11 + D_RETURN_AREA]
    neg     rsi
    lea     rsi, [rsi + rbp - SAVED]
    call    SYMBOL(spill)
    leave
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
END_FUNCTION SYMBOL(variable)
