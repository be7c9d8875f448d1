"""Thunks of function pointers and of callbacks: each finds its own entry of the table, leaves
it in a register, and jumps to the address that is there; see R5 and R6.
"""
import z3

from contract import H, Contract
from memory import Unproved, number


class Thunk(Contract):
    def __init__(self, port, table, register, distance, index):
        super().__init__(port)
        self.table, self.register, self.distance, self.index = table, register, distance, index
        self.found, self.code = self.base('found'), z3.BitVec('code', 64)

    def load(self, state, address, width):
        if width == 8 and number(address) == state.machine.code.symbols[self.table] + 8 * self.index:
            return self.found
        if width == 8 and number(address - self.found) == self.distance:
            return self.code
        raise Unproved(f'a load from {address}, at {state.pc:#x}')

    def store(self, state, address, value):
        raise Unproved(f'a store, at {state.pc:#x}')

    def call(self, state, target):
        raise Unproved(f'a call, at {state.pc:#x}')

    def exit(self, state, following):
        state.claim(following == self.code, 'the jump')
        state.claim(state[self.register] == self.found, self.register)
        changed = {state.machine.place(name)[0] for name in (self.register, self.sp, 'ip')}
        for offset in state.registers.keys() - changed:
            state.claim(state.get(offset, 8) == z3.BitVec(f'entry_{offset}', 64), 'another register')
        self.left(state, 0)


# The table, where what is found goes, how far from it the address is, how many there are
# and how many bytes each has.
THUNKS = {
    'pointer_thunks': ('pointer_table', 'r8', -H['CALL_BEFORE'], H['POINTERS'], H['THUNK_SIZE_X86_64']),
    'callback_thunks': ('callback_table', 'r10', H['H_CODE'], H['CALLBACKS'], H['CALLBACK_SIZE_X86_64']),
}
