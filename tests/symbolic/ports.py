"""A row for each port: its names for what the reference text speaks of, and the roles of its
registers at the heads of loops, c being the contract.
"""
from types import SimpleNamespace

import archinfo
import z3

from contract import H, ZERO
from memory import bits

X86_64 = SimpleNamespace(
    file='asm/x86_64_sysv.S', triple='x86_64-unknown-linux-gnu', cc='cc', arch=archinfo.ArchAMD64(),
    callee='rdi', caller='rsi', target='rdx', slots='rcx', descriptor='r8',
    integers='rdi rsi rdx rcx r8 r9'.split(), floats=[f'xmm{i}' for i in range(8)],
    result='rax', float_result='xmm0', more_results=['rdx'], more_float_results=['xmm1'], plain_context='r10',
    # What no list of arguments has, whether it comes from a slot, and the registers that `hidden` takes.
    hidden='rax', hidden_in_slot=False, body='r9', hidden_scratch=[],
    # Of `leavable`: the landing place, ways to the call, what results come back in, control words with their bits, what is
    # clear after a call is left, and the loop that pops a shadow stack.
    landing='r9', ways=1, leaves='rax rdx xmm0 xmm1 ftop fpu_tags'.split(), control={'sseround': 32, 'fpround': 16},
    clear={'d': bits(1), 'ftop': bits(0, 32), 'fpu_tags': ZERO},
    pops_first=True, pops=lambda c, left: {'rax': bits(1), 'rcx': 8 * left},
    # What stores a result of the short cut, and whether `variable` stores a scalar, too.
    storing=['storing_integer', 'storing_float'], variable_stores=True,
    sp='rsp', frame='rbp', kept='rbx rbp r12 r13 r14 r15 d'.split(),    # d is the direction flag
    # Bytes that a call pushes; then, from the stack pointer at entry on: the return address
    # and the frame record,
    pushed=8, saved_link=0, saved_frame=-8,
    # what `variable` saves, and the end of that; the context of `host`, and where its frame ends.
    saved_area=-16, saved_descriptor=-24, saved_slots=-32, saved_target=-48, saved=-56, host_context=-16, host_frame=-24,
    # The loops of `variable`.
    pages_left='r9',
    words_at_once=1, words_left=lambda c, state: state['r9'], words=lambda c, left: {'r9': left},
    spills_left='rcx', spills=lambda c, left, lists, slots: {
        'rcx': left, 'rsi': c.return_pointer(), 'rdi': c.stride, 'r10': slots, 'r11': lists + H['D_LISTS']},
    # Table (a symbol, and how far behind it), registers and distance of a thunk; how many there are, and how many bytes each has.
    thunks={
        'pointer_thunks': ('pointer_table', 0, 'r8', 'r8', -H['CALL_BEFORE'], H['POINTERS'], H['THUNK_SIZE_X86_64']),
        'callback_thunks': ('callback_table', 0, 'r10', 'r10', H['H_CODE'], H['CALLBACKS'], H['CALLBACK_SIZE_X86_64']),
        'callback_block': ('callback_block', H['BLOCK_SIZE'], 'r10', 'r10', H['H_CODE'], H['BLOCK_SIZE'] // H['CALLBACK_SIZE_X86_64'], H['CALLBACK_SIZE_X86_64'])},
)

AARCH64 = SimpleNamespace(
    file='asm/aarch64.S', triple='aarch64-unknown-linux-gnu', cc='aarch64-linux-gnu-gcc',
    arch=archinfo.ArchAArch64(), callee='x0', caller='x1', target='x2', slots='x3', descriptor='x4',
    integers=[f'x{i}' for i in range(8)], floats=[f'q{i}' for i in range(8)], result='x0', float_result='q0',
    more_results=['x1'], more_float_results=['q1', 'q2', 'q3'],
    hidden='x8', hidden_in_slot=True, body='x5', image='x6', hidden_scratch=['x9', 'x16'],
    storing=['storing_short_cut'], variable_stores=False,
    sp='sp', frame='x29', link='x30',
    kept=[f'x{i}' for i in range(19, 30)] + [f'd{i}' for i in range(8, 16)],
    pushed=0, saved_link=-8, saved_frame=-16,
    saved_area=-24, saved_descriptor=-32, saved_slots=-40, saved_target=None, saved=-48,
    target_moved='x16', pages_left='x9',
    landing='x5', ways=2, leaves='x0 x1 q0 q1 q2 q3'.split(), control={'fpcr': 32}, clear={},
    pops_first=False, pops=lambda c, left: {'x10': c.ssp},
    words_at_once=4, words_left=lambda c, state: z3.LShR(state['x13'] - c.descriptor, 1),
    words=lambda c, left: {'x13': c.descriptor + 2 * left},
    spills_left='x9', spills=lambda c, left, lists, slots: {
        'x9': left, 'x10': slots, 'x11': lists, 'x12': c.return_pointer(), 'x13': c.stride},
    thunks={
        'pointer_thunks': ('pointer_table', 0, 'x4', 'x16', -H['CALL_BEFORE'], H['POINTERS'], H['THUNK_SIZE_AARCH64']),
        'callback_thunks': ('callback_table', 0, 'x16', 'x17', H['H_CODE'], H['CALLBACKS'], H['CALLBACK_SIZE_AARCH64']),
        'callback_block': ('callback_block', H['BLOCK_SIZE'], 'x16', 'x17', H['H_CODE'], H['BLOCK_SIZE'] // H['CALLBACK_SIZE_AARCH64'], H['CALLBACK_SIZE_AARCH64'])},
)

PORTS = {'x86_64': X86_64, 'aarch64': AARCH64}
