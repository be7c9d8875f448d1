"""A row for each port: its names for what the reference text speaks of, and the roles of its
registers at the heads of loops, c being the contract.
"""
from types import SimpleNamespace

import archinfo
import z3

from contract import H, PAGE, ZERO
from memory import bits

X86_64 = SimpleNamespace(
    # Whether the proofs of E6 without a directive are tried.
    file='asm/x86_64_sysv.S', flags='', directives=True, triple='x86_64-unknown-linux-gnu', cc='cc', arch=archinfo.ArchAMD64(),
    callee='rdi', caller='rsi', target='rdx', slots='rcx', descriptor='r8',
    integers='rdi rsi rdx rcx r8 r9'.split(), floats=[f'xmm{i}' for i in range(8)],
    result='rax', float_result='xmm0', more_results=['rdx'], more_float_results=['xmm1'], plain_context='r10',
    # What no list of arguments has, whether it comes from a slot, and the registers that `hidden` takes.
    functions='bare short_cut fixed variable hidden x87 storing_integer storing_float storing'.split(), storing_descriptor=None, storing_short_cut=False, first_vector=0,
    hidden='rax', hidden_in_slot=False, body='r9', hidden_scratch=[],
    # Of `leavable`: the landing place, ways to the call, what results come back in, control words with their bits, what is
    # clear after a call is left, and the loop that pops a shadow stack.
    landing='r9', ways=1, leaves='rax rdx xmm0 xmm1 ftop fpu_tags'.split(), control={'sseround': (0, 32), 'fpround': (0, 16)}, shadow=True,
    clear={'d': bits(1), 'ftop': bits(0, 32), 'fpu_tags': ZERO},
    pops_first=True, pops=lambda c, left: {'rax': bits(1), 'rcx': 8 * left},
    # Whether `variable` stores a scalar result 0, too.
    variable_stores=True,
    sp='rsp', frame='rbp', kept='rbx rbp r12 r13 r14 r15 d'.split(),    # d is the direction flag
    # Bytes that a call pushes; then, from the stack pointer at entry on: the return address
    # and the frame record,
    pushed=8, saved_link=0, saved_frame=-8,
    # what `variable` saves, and the end of that; where the frame of `host` ends, behind what it saves.
    saved_area=-16, saved_there={'descriptor': -24, 'slots': -32, 'target': -48}, saved=-56, host_frame=-24,
    # Bytes of the caller's frame that are ours, where arguments begin, what is below target's arguments, and its alignment.
    ours=(8, 8), arguments=8, space=0, alignment=16,
    # The order of bytes, bytes of a stack word and of a float register, and whether there are x87 registers.
    big_endian=False, word=8, float_bytes=16, x87=True, vectors=True, narrow=None, jumps=['bare', 'short_cut'], lost={}, saved_registers={}, backchain=False, own_vectors=[],
    # How many registers of each class `short_cut` loads; the integer register from which on none is loaded if its entry is 0.
    short_cut=(6, 8), seldom=None,
    # The loops of `variable`, and what has which role there.
    roles=lambda c, slots: {'rcx': slots, 'r8': c.descriptor},
    pages_left='r9', pages_more={}, page=PAGE, words_return=None,
    words_at_once=1, words_left=lambda c, state: state['r9'], words=lambda c, left: {'r9': left},
    spills_left='rcx', spills=lambda c, left, lists, slots: {
        'rcx': left, 'rsi': c.return_pointer(), 'rdi': c.stride, 'r10': slots, 'r11': lists + H['D_LISTS']},
    spills_stored=lambda c: [], returned=lambda c: {},
    # Of `host`: entries, whether it stores the registers of contexts, C's own register of the return pointer, what MORE may be,
    # what is saved first and at the call, whether it stores in the order of `Host.parts`, whether C's integer registers have masks,
    # and its loops.
    host={f'{"c_" * plain}host{"_small" * small}': (small, plain) for small in (True, False) for plain in (False, True)},
    host_contexts=False, host_hidden=None, host_ways=['PAIR', 'BOTH', 'X87', 'X87_PAIR'],
    host_saved_first={}, host_saved={'context': -16}, host_roles=lambda c: {}, host_returned=lambda c: {}, host_pages_left='rax', host_pages_more={},
    host_ordered=True, host_masks=True, host_words_at_once=2, host_last_first=True, host_words_left='rcx',
    host_words=lambda c, left: {'rdi': c.context, 'rsi': c.caller, 'r8': c.lists},
    host_spills_left='rcx', host_spills=lambda c, lists, slots: {'r8': lists, 'r9': c.area, 'r10': slots},
    # Table (a symbol, and how far behind it), registers and distance of a thunk; how many there are, and how many bytes each has.
    thunks={
        'pointer_thunks': ('pointer_table', 0, 'r8', 'r8', -H['CALL_BEFORE'], H['POINTERS'], H['THUNK_SIZE_X86_64']),
        'callback_thunks': ('callback_table', 0, 'r10', 'r10', H['H_CODE'], H['CALLBACKS'], H['CALLBACK_SIZE_X86_64']),
        'callback_block': ('callback_block', H['BLOCK_SIZE'], 'r10', 'r10', H['H_CODE'], H['BLOCK_SIZE'] // H['CALLBACK_SIZE_X86_64'], H['CALLBACK_SIZE_X86_64'])},
)

AARCH64 = SimpleNamespace(
    file='asm/aarch64.S', flags='', directives=True, triple='aarch64-unknown-linux-gnu', cc='aarch64-linux-gnu-gcc',
    arch=archinfo.ArchAArch64(), callee='x0', caller='x1', target='x2', slots='x3', descriptor='x4',
    integers=[f'x{i}' for i in range(8)], floats=[f'q{i}' for i in range(8)], result='x0', float_result='q0',
    more_results=['x1'], more_float_results=['q1', 'q2', 'q3'],
    functions='bare short_cut fixed variable hidden vectors storing_short_cut storing'.split(), storing_descriptor=None, storing_short_cut=False, first_vector=0,
    hidden='x8', hidden_in_slot=True, body='x5', image='x6', hidden_scratch=['x9', 'x16'],
    variable_stores=False,
    sp='sp', frame='x29', link='x30',
    kept=[f'x{i}' for i in range(19, 30)] + [f'd{i}' for i in range(8, 16)],
    pushed=0, saved_link=-8, saved_frame=-16,
    saved_area=-24, saved_there={'descriptor': -32, 'slots': -40}, saved=-48, host_frame=-32,
    ours=(0, 0), arguments=0, space=0, alignment=16, big_endian=False, word=8, float_bytes=16, x87=False, vectors=True,
    narrow=None, jumps=['bare', 'short_cut'], lost={}, saved_registers={}, backchain=False, own_vectors=[], short_cut=(8, 8), seldom=None,
    roles=lambda c, slots: {'x3': slots, 'x4': c.descriptor, 'x16': c.target}, pages_left='x9', pages_more={}, page=PAGE, words_return=None,
    landing='x5', ways=2, leaves='x0 x1 q0 q1 q2 q3'.split(), control={'fpcr': (0, 32)}, shadow=True, clear={},
    pops_first=False, pops=lambda c, left: {'x10': c.ssp},
    words_at_once=4, words_left=lambda c, state: z3.LShR(state['x13'] - c.descriptor, 1),
    words=lambda c, left: {'x13': c.descriptor + 2 * left},
    spills_left='x9', spills=lambda c, left, lists, slots: {
        'x9': left, 'x10': slots, 'x11': lists, 'x12': c.return_pointer(), 'x13': c.stride},
    spills_stored=lambda c: [], returned=lambda c: {},
    host=X86_64.host, plain_context='x16', host_contexts=False, host_hidden='x8', host_ways=['PAIR'],
    host_saved_first={}, host_saved={'context': -24}, host_roles=lambda c: {}, host_returned=lambda c: {}, host_pages_left='x9', host_pages_more={},
    host_ordered=False, host_masks=False, host_words_at_once=2, host_last_first=False, host_words_left='x9',
    host_words=lambda c, left: {'x0': c.context, 'x1': c.caller, 'x10': c.lists + 2 * (c.words - left),
                                'x11': c.entry + c.unit * (c.words - left)},
    host_spills_left='x11', host_spills=lambda c, lists, slots: {
        'x9': c.context, 'x10': lists, 'x12': c.area, 'x13': slots},
    thunks={
        'pointer_thunks': ('pointer_table', 0, 'x4', 'x16', -H['CALL_BEFORE'], H['POINTERS'], H['THUNK_SIZE_AARCH64']),
        'callback_thunks': ('callback_table', 0, 'x16', 'x17', H['H_CODE'], H['CALLBACKS'], H['CALLBACK_SIZE_AARCH64']),
        'callback_block': ('callback_block', H['BLOCK_SIZE'], 'x16', 'x17', H['H_CODE'], H['BLOCK_SIZE'] // H['CALLBACK_SIZE_AARCH64'], H['CALLBACK_SIZE_AARCH64'])},
)

RISCV64 = SimpleNamespace(
    file='asm/riscv64.S', flags='', directives=True, triple='riscv64gc-unknown-linux-gnu', cc='riscv64-linux-gnu-gcc',
    arch=archinfo.ArchRISCV64(), callee='a0', caller='a1', target='a2', slots='a3', descriptor='a4',
    integers=[f'a{i}' for i in range(8)], floats=[f'fa{i}' for i in range(8)], result='a0', float_result='fa0',
    more_results=['a1'], more_float_results=['fa1'],
    functions='bare short_cut fixed variable storing'.split(), variable_stores=False, storing_descriptor=None, storing_short_cut=False, first_vector=0, hidden=None,
    # A target may lose fs1, which is saved there.
    sp='sp', frame='s0', link='ra', lost={'fs1': -24}, saved_registers={}, backchain=False, own_vectors=[], jumps=[], short_cut=(4, 2), seldom=4,
    kept=[f's{i}' for i in range(12)] + [f'fs{i}' for i in range(12)],
    pushed=0, saved_link=-8, saved_frame=-16,
    saved_area=-32, saved_there={'descriptor': -40, 'slots': -48}, saved=-48, saved_fixed=-32, host_frame=-48,
    ours=(0, 0), arguments=0, space=0, alignment=16, big_endian=False, word=8, float_bytes=8, x87=False, vectors=False,
    narrow=lambda value: value | bits(0xffffffff << 32),
    roles=lambda c, slots: {'t5': slots, 't6': c.descriptor, 't4': c.target},
    pages_left='t1', pages_more={'t2': bits(PAGE)}, page=PAGE, words_return='t0',
    landing='a5', ways=1, leaves='a0 a1 fa0 fa1'.split(), control={'fcsr': (5, 3)}, shadow=False, clear={},
    words_at_once=4, words_left=lambda c, state: z3.LShR(state['t3'] - c.descriptor, 1),
    words=lambda c, left: {'t3': c.descriptor + 2 * left, 'a7': c.floats},
    spills_left='t0', spills=lambda c, left, lists, slots: {
        't0': left, 't1': c.return_pointer(), 't2': c.stride, 't5': slots, 't6': lists},
    spills_stored=lambda c: [], returned=lambda c: {},
    host={'host': (False, False), 'c_host': (False, True)}, plain_context='t6', host_contexts=True, host_hidden=None,
    host_ways=['PAIR', 'BOTH'], host_saved_first={}, host_saved={'context': -40},
    host_roles=lambda c: {'t6': c.context, 't5': c.caller}, host_returned=lambda c: {}, host_pages_left='t0', host_pages_more={'t1': bits(PAGE)},
    host_ordered=False, host_masks=False, host_words_at_once=1, host_last_first=False, host_words_left='t0',
    host_words=lambda c, left: {'t1': c.lists + 2 * (c.words - left), 't2': c.entry + 8 * (c.words - left)},
    host_spills_left='t1', host_spills=lambda c, lists, slots: {'t2': lists, 't0': c.area, 't5': slots},
    thunks={
        'pointer_thunks': ('pointer_table', 0, 'a4', 't1', -H['CALL_BEFORE'], H['POINTERS'], H['THUNK_SIZE_RISCV64']),
        'callback_thunks': ('callback_table', 0, 't6', 't1', H['H_CODE'], H['CALLBACKS'], H['CALLBACK_SIZE_RISCV64']),
        'callback_block': ('callback_block', H['BLOCK_SIZE'], 't6', 't1', H['H_CODE'], H['BLOCK_SIZE'] // H['CALLBACK_SIZE_RISCV64'], H['CALLBACK_SIZE_RISCV64'])},
)

S390X = SimpleNamespace(
    file='asm/s390x.S', flags='', directives=True, triple='s390x-unknown-linux-gnu', cc='s390x-linux-gnu-gcc',
    arch=archinfo.ArchS390X(), callee='r2', caller='r3', target='r4', slots='r5', descriptor='r6', landing=160,
    integers=[f'r{i}' for i in range(2, 7)], floats=['f0', 'f2', 'f4', 'f6'], result='r2', float_result='f0',
    more_results=[], more_float_results=[],
    functions='bare short_cut fixed variable storing'.split(), variable_stores=False, storing_descriptor='r1', storing_short_cut=True, first_vector=0, hidden=None,
    # Our caller has room for what we save.
    sp='r15', frame='r11', link='r14', lost={}, jumps=['bare'], backchain=True, own_vectors=[f'v{i}' for i in range(24, 32)], short_cut=(4, 2), seldom=None,
    saved_registers={f'r{i}': 8 * i for i in range(6, 14)},
    kept=[f'r{i}' for i in range(6, 14)] + [f'f{i}' for i in range(8, 16)],
    pushed=0, saved_link=112, saved_sp=120, saved_frame=0, saved_area=None, saved_there={}, saved=0, saved_fixed=0,
    ours=(48, 128), arguments=160, space=160, alignment=8, big_endian=True, word=8, float_bytes=8, x87=False, vectors=True,
    narrow=lambda value: value << 32,
    roles=lambda c, slots: {'r12': slots, 'r13': c.descriptor, 'r10': c.target},
    words_return='r8', words_at_once=4, words_left=lambda c, state: z3.LShR(state['r5'] - c.descriptor, 1),
    words=lambda c, left: {'r5': c.descriptor + 2 * left, **({'r9': c.return_pointer()} if c.returned else {})},
    pages_left='r1', pages_more={}, page=PAGE - 160,
    spills_left='r5', spills=lambda c, left, lists, slots: {'r5': left, 'r4': c.stride, 'r13': lists, 'r12': slots},
    spills_stored=lambda c: [],
    returned=lambda c: {'r9': c.return_pointer(), 'r12': c.slots_or_descriptor, 'r13': c.descriptor},
    ways=1, leaves='r2 f0'.split(), control={'fpc': (32, 32)}, shadow=False, clear={},
    host={'host': (False, False), 'c_host': (False, True)}, plain_context='r0', host_frame=-16, host_contexts=True, host_hidden=None,
    host_ways=[], host_saved_first={}, host_saved={}, host_pages_left='r1', host_pages_more={},
    host_roles=lambda c: {'r13': c.context, 'r10': c.caller}, host_returned=lambda c: {'r13': c.context, 'r12': c.top},
    host_ordered=False, host_masks=False, host_words_at_once=1, host_last_first=False, host_words_left='r9',
    host_vector_words=lambda c, done: {'r7': c.lists + 2 * done, 'r4': c.bottom + 8 * done, 'r8': c.stack_words, 'r12': c.top},
    host_words=lambda c, left: {'r7': c.lists + 2 * (c.words - left), 'r4': c.entry + 160 + 8 * (c.stack_words - left), 'r12': c.top},
    host_spills_left='r5', host_spills=lambda c, lists, slots: {'r7': lists, 'r9': c.area, 'r12': slots},
    thunks={
        'pointer_thunks': ('pointer_table', 0, 'r1', 'r1', 'storing', H['POINTERS'], H['THUNK_SIZE_S390X']),
        'callback_thunks': ('callback_table', 0, 'r0', 'r1', H['H_CODE'], H['CALLBACKS'], H['CALLBACK_SIZE_S390X']),
        'callback_block': ('callback_block', H['BLOCK_SIZE'], 'r0', 'r1', H['H_CODE'], H['BLOCK_SIZE'] // H['CALLBACK_SIZE_S390X'], H['CALLBACK_SIZE_S390X'])},
)

# Windows x64: what is on the stack is so far above the stack pointer at the call.
WINDOWS = SimpleNamespace(**{
    **vars(X86_64), 'file': 'asm/x86_64_windows.S', 'functions': 'bare short_cut fixed variable storing'.split(), 'variable_stores': False,
    'callee': 'rcx', 'caller': 'rdx', 'target': 'r8', 'slots': 'r9', 'descriptor': 32, 'landing': 40,
    'integers': 'rcx rdx r8 r9'.split(), 'floats': [f'xmm{i}' for i in range(4)], 'first_vector': 2,
    'more_results': [], 'more_float_results': [], 'plain_context': 'rax', 'storing_descriptor': 'rax', 'hidden': None,
    'leaves': 'rax xmm0 ftop fpu_tags'.split(), 'x87': False,
    'kept': 'rbx rbp rsi rdi r12 r13 r14 r15 d'.split() + [f'xmm{i}' for i in range(6, 16)],
    'saved_area': 16, 'saved_there': {'slots': -16}, 'saved': -24, 'host_frame': -24,
    'ours': (8, 40), 'arguments': 40, 'space': 32,
    'roles': lambda c, slots: {'r11': slots, 'r10': c.descriptor, 'rax': c.target},
    'spills': lambda c, left, lists, slots: {
        'rcx': left, 'r9': c.return_pointer(), 'r10': slots, 'r11': lists + H['D_LISTS']},
    'spills_stored': lambda c: [('stack', bits(8), c.stride, True)],
    'host': {'host': (False, False), 'c_host': (False, True)}, 'host_contexts': True, 'host_ways': [],
    'host_saved_first': {'context': -16, 'caller': 16}, 'host_saved': {'context': -16, 'caller': 16},
    'host_roles': lambda c: {'r10': c.context}, 'host_ordered': False, 'host_masks': False, 'host_words_at_once': 1,
    'host_words': lambda c, left: {'r8': c.lists},
    'thunks': {
        'pointer_thunks': ('pointer_table', 0, 'rax', 'rax', 'storing', H['POINTERS'], H['THUNK_SIZE_X86_64']),
        'callback_thunks': ('callback_table', 0, 'rax', 'rax', 'c_host', H['CALLBACKS'], H['CALLBACK_SIZE_X86_64'])},
})

# Stack words have four bytes.
APPLE = SimpleNamespace(**{**vars(AARCH64), 'flags': '-DVMTRAMPOLINE_APPLE', 'directives': False, 'word': 4})

PORTS = {'x86_64': X86_64, 'aarch64': AARCH64, 'aarch64-apple': APPLE, 'x86_64-windows': WINDOWS, 'riscv64': RISCV64, 's390x': S390X}
