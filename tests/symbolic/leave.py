"""Calls that can be left: E12 of what makes them, and E13 of where they are left to; see the
header of that part of asm/x86_64_sysv.S.

What is proved of a call that is left begins at the call of the body, with the frame as it was
then: all other registers may be anything, and so may what is below the frame. The shadow
stack, if there is one, is deeper by any number of words. There may be several ways to the
call; each has a proof of its own.
"""
import z3

from contract import H, ZERO, Contract, Cut
from machine import Machine
from memory import Memory, Unproved, bits, fresh, low, number, wide

DEEPER = 48     # bits of how much deeper the shadow stack is


class Leavable(Contract):
    """E12: `leavable`, of a body that returns."""
    begins = 'leavable'

    def __init__(self, port):
        super().__init__(port)
        self.landing, self.body = self.base('landing'), z3.BitVec('body', 64)
        self.shadow, self.ssp = z3.Bool('shadow'), z3.BitVec('shadow_stack', 64)
        self.calls = []

    def begin(self, state):
        super().begin(state)
        names = ('callee', 'caller', 'target', 'slots', 'descriptor')
        self.given = {name: z3.BitVec(name, 64) for name in names}
        for name, term in {**self.given, 'landing': self.landing}.items():
            self.give(state, name, term)
        state['ssp'] = self.ssp
        self.words = {name: self.control(state, name) for name in self.port.control}

    def memory(self, called):
        return {**super().memory(called), 'landing': Memory(lambda offset, width: fresh('before', 8 * width))}

    def load_landing(self, state, offset, width):
        if number(offset) == H['L_BODY'] and width == 8:
            return self.native(self.body)
        raise Unproved(f'a load from the landing place, at {state.pc:#x}')

    def store_landing(self, state, offset, value):
        state.claim(z3.And(offset == H['L_SP'], value.size() == 64), 'R10: outside L_SP')
        state.memory['landing'].store(offset, value)

    def control(self, state, name):
        """Bits of a control word that are kept."""
        first, size = self.port.control[name]
        return z3.Extract(first + size - 1, first, state[name])

    def place(self, state):
        return self.native(state.memory['landing'].load(state, bits(H['L_SP']), 8))

    def call(self, state, target):
        """R1 to R4 of the body, and what is needed to leave."""
        port, sp = self.port, z3.simplify(state[self.sp] + self.port.pushed)
        state.claim(not state.called, 'E1: another call')
        state.claim(target == self.body, 'R10: the body')
        state.claim(sp & port.alignment - 1 == 0, 'E1: alignment of the stack')
        self.frame_record(state, sp)
        for name, term in self.given.items():
            state.claim(self.passed(state, name, self.offset(sp)) == term, f'R1 to R3: {name}')
        if 'd' in self.kept:
            state.claim(state['d'] == self.kept['d'], 'E1: direction flag')
        state.claim(state['ssp'] == self.ssp, 'the shadow stack')
        state.claim(self.place(state) == sp, 'E12: the stack pointer')
        self.after_call(state, sp)
        state['ssp'] = self.ssp
        self.set_words(state)
        state.memory['stack'].forget(self.offset(sp) + port.space, lambda offset, width: fresh('forgotten', 8 * width))
        self.calls.append(state.copy())

    def set_words(self, state):
        """The function that is called leaves them as they were."""
        for name, term in self.words.items():
            first, size = self.port.control[name]
            word = state[name]
            parts = [z3.Extract(word.size() - 1, first + size, word)] if first + size < word.size() else []
            parts += [term] + ([z3.Extract(first - 1, 0, word)] if first else [])
            state[name] = z3.Concat(*parts) if len(parts) > 1 else term

    def exit(self, state, following):
        state.claim(state.called, 'E1: the body is called')
        self.returned_to(state, following)
        self.left(state, self.port.pushed)
        for name in self.port.leaves:
            state.claim(state[name] == self.calls[-1][name], f'E12: {name}, as the body left it')
        state.claim(self.place(state) == 0, 'E12: L_SP is null')

    def returned_to(self, state, following):
        """The caller of `leavable`, with its control words."""
        state.claim(following == self.returns, 'returns to the caller')
        if self.port.shadow:
            state.claim(z3.Or(z3.Not(self.shadow), state['ssp'] == self.ssp), 'E13: the shadow stack')
        for name, term in self.words.items():
            state.claim(self.control(state, name) == term, f'E4: {name}')


class Left(Leavable):
    """E13: from `leave` or `landed` on, with the stack pointer of the landing place in this register."""

    def __init__(self, port, begins, register, way):
        super().__init__(port)
        self.begins, self.register, self.way = begins, register, way
        self.interrupted = begins == 'landed'
        self.deeper = z3.ZeroExt(64 - DEEPER, z3.BitVec('deeper', DEEPER))
        self.cuts = [ShadowWords(self)] if port.shadow else []

    def begin(self, state):
        call = Leavable(self.port)
        Machine(state.machine.code, call).run(call.begins)
        state.claim(len(call.calls) == self.port.ways, 'as many ways to the call')
        before = call.calls[self.way]
        self.kept, self.words, self.frame, self.known = call.kept, call.words, before.memory, before.path
        self.top = before[self.sp]
        state.path += self.known
        state.memory, state.unknown = self.memory(True), 'abandoned'
        state.called, state.touched = True, ZERO
        state[self.register], state['ssp'] = self.top, self.ssp - 8 * self.deeper
        # `leave` itself, before it changes the stack pointer, has a caller that it does not return to.
        self.below, registers = state[self.sp], {name: state[name] for name in self.port.kept}
        to = fresh('abandons') if self.port.pushed else state[self.port.link]
        self.abandoned = self.below, to, registers, Memory(lambda offset, width: to if number(offset) == 0 else fresh('there'))

    def activation(self, state):
        return self.abandoned if state[self.sp].eq(self.below) and self.begins == 'leave' else super().activation(state)

    def memory(self, called):
        """Nothing is written any more."""
        return {name: memory.copy() for name, memory in self.frame.items()}

    def store_landing(self, state, offset, value):
        raise Unproved(f'E13: the landing place is written, at {state.pc:#x}')

    def call(self, state, target):
        raise Unproved(f'a call, at {state.pc:#x}')

    def always(self):
        """What is restored before the loop."""
        port = self.port
        return {port.frame: self.entry + port.saved_frame, self.sp: self.top, **self.restored()}, []

    def restored(self):
        return {**self.words_alone(), **self.port.clear}

    def words_alone(self):
        return {name: wide(term, 8 * self.port.arch.registers[name][1]) for name, term in self.words.items()
                if self.port.control[name][0] == 0}

    def exit(self, state, following):
        self.returned_to(state, following)
        self.kept = {name: term for name, term in self.kept.items() if name not in self.port.clear}
        self.left(state, self.port.pushed)
        for name, term in self.restored().items():
            state.claim(state[name] == term, f'E13: {name}')
        state.claim(self.place(state) == self.top, 'E13: L_SP as it was')


class ShadowWords(Cut):
    """Words of the shadow stack: as many as are left to pop."""
    name, called, size = 'shadow words', True, DEEPER

    def left(self, state):
        return z3.LShR(self.contract.ssp - state['ssp'], 3)

    def facts(self, count):
        return [*self.contract.known, self.contract.shadow] + [count != 0] * self.port.pops_first

    def registers(self, count):
        return {**self.port.pops(self.contract, count), 'ssp': self.contract.ssp - 8 * count}
