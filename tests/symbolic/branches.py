"""Where control goes, as a processor judges it that enforces branch targets or has a shadow stack.

What is called by its address begins with a landing pad. On aarch64 a jump to one goes through
x16 or x17. Every return goes where the last call says that has not returned: so every path
leaves a shadow stack as it was.
"""
PADS = {'AMD64': [0xf30f1efa], 'AARCH64': [0xd503245f, 0xd50324df]}     # endbr64; bti c, bti jc
ANY = {'AMD64': 0xf30f1efa, 'AARCH64': 0xd50324df}      # those that let in whatever branch was last
ORDER = {'AMD64': 'big', 'AARCH64': 'little'}
BRANCH, THROUGH = 0xd61f0000, (16, 17)
JR_T0 = 0x8282      # a return to riscv64's other link register, for VEX a jump


def word(machine, pc):
    return int.from_bytes(machine.code.bytes(pc, 4), ORDER[machine.arch.name])


def jumps_to_t0(machine, pc):
    return int.from_bytes(machine.code.bytes(pc, 2), 'little') == JR_T0


def entered(state, interrupted):
    """At the first instruction; a signal handler goes on there if `interrupted`."""
    name = state.machine.arch.name
    if name in PADS:
        pads = [ANY[name]] if interrupted else PADS[name]
        state.claim(word(state.machine, state.pc) in pads, 'a landing pad')


def followed(before, state, going):
    """An instruction led from one state to the other, or out if not going."""
    machine, block = state.machine, state.machine.code.instruction(before.pc)
    if block.jumpkind == 'Ijk_Call':
        if state.pc != before.pc + block.size:      # of our own; what a contract calls returns
            state.calls += (before.pc + block.size,)
    elif block.jumpkind == 'Ijk_Ret' or machine.arch.name == 'RISCV64' and jumps_to_t0(machine, before.pc):
        to = state.calls[-1:] or ('our caller',)
        before.claim(to == ((state.pc,) if going else ('our caller',)), 'a return that meets its call')
        state.calls = state.calls[:-1]
    elif not going:
        before.claim(machine.contract.tail and not state.calls, 'a jump out')
        if machine.arch.name == 'AARCH64':
            before.claim(word(machine, before.pc) in [BRANCH | register << 5 for register in THROUGH],
                         'a jump through x16 or x17')


def met(state, calls):
    """Where paths meet, of which the first had these calls open."""
    state.claim(state.calls == calls, 'the calls that have not returned')
