"""Thunks of function pointers and of callbacks: each finds its own entry of the table, leaves
it in a register, and jumps to the address that is there; see R5 and R6. The table of
`callback_block` is behind it, wherever it is mapped.
"""
import z3

from contract import Contract
from memory import Unproved, bits, number


class Thunk(Contract):
    """Any thunk of so many bytes each. Of the table that is so far behind a symbol, it leaves what it finds in a
    register; the address is so far from there, and may go through another register. Or it is that of a function.
    """

    tail = True

    def __init__(self, port, name, symbol, behind, register, scratch, code, size):
        super().__init__(port)
        self.symbol, self.behind, self.register, self.scratch = symbol, behind, register, scratch
        self.name, self.to, self.size = name, code, size
        self.found, self.code = self.base('found'), z3.BitVec('code', 64)
        self.ends = [code] if isinstance(code, str) else []

    def begin(self, state):
        super().begin(state)
        self.given = dict(state.registers)
        self.index = (state.pc - state.machine.code.symbols[self.name]) // self.size
        if self.ends:
            self.code = bits(state.machine.code.symbols[self.to])

    def load(self, state, address, width):
        table = state.machine.code.symbols[self.symbol] + self.behind
        if width == 8 and number(address) == table + 8 * self.index:
            return self.native(self.found)
        if width == 8 and not self.ends and number(address - self.found) == self.to:
            return self.native(self.code)
        raise Unproved(f'a load from {address}, at {state.pc:#x}')

    def store(self, state, address, value):
        raise Unproved(f'a store, at {state.pc:#x}')

    def call(self, state, target):
        raise Unproved(f'a call, at {state.pc:#x}')

    def exit(self, state, following):
        state.claim(following == self.code, 'the jump')
        state.claim(state[self.register] == self.found, self.register)
        self.others_kept(state, self.given, (self.register, self.scratch))
        self.left(state, 0)
