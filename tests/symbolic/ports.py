"""A row for each port: its names for what the reference text speaks of."""
from types import SimpleNamespace

import archinfo

X86_64 = SimpleNamespace(
    file='asm/x86_64_sysv.S', cc='cc', arch=archinfo.ArchAMD64(), sp='rsp', frame='rbp',
    callee='rdi', caller='rsi', target='rdx', slots='rcx', descriptor='r8',
    integers='rdi rsi rdx rcx r8 r9'.split(), floats=[f'xmm{i}' for i in range(8)],
    result='rax', float_result='xmm0', kept='rbx rbp r12 r13 r14 r15'.split(),
    pushed=8,       # bytes that a call pushes
    plain_context='r10',
    # `host`, from the stack pointer at entry down: the end of the frame, and the context.
    host_frame=-24, host_context=-16,
    # `variable`, from the stack pointer at entry down.
    saved_frame=-8, saved_area=-16, saved_descriptor=-24, saved_slots=-32, saved=-40,
)
