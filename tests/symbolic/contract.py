"""What the functions' contracts have in common: the own frame, what is kept, and cuts."""
import re
from pathlib import Path

import z3

from machine import State
from memory import Memory, Unproved, bits, fresh, inside, number, same, swapped, wide

ROOT = Path(__file__).resolve().parent.parent.parent
H = {name: int(value, 0) for name, value in
     re.findall(r'^#define (\w+) (\w+)$', (ROOT / 'asm/descriptor.h').read_text(), re.M)}
ZERO = bits(0)
PAGE = 4096
STACK = 1 << 20     # bytes that there are at least below the stack pointer
# Where a call pushes nothing, a function may call another with so many bytes above the stack
# pointer untouched: compilers that touch page by page leave as many.
UNTOUCHED = 1024

COUNT = 16          # bits of a count, as of the fields that counts begin with


class Fields:
    """A structure whose bytes are unknown: fields by name, loads at any offset."""

    def __init__(self, prefix, start, end, native):
        self.start, self.end, self.native = start, end, native
        self.bytes = [z3.BitVec(f'{prefix}{i:x}', 8) for i in range(start, end)]

    def load(self, offset, width):
        part = self.bytes[offset - self.start:offset - self.start + width]
        return z3.Concat(*reversed(part)) if width > 1 else part[0]

    def __call__(self, name, width=2, index=0):
        """A field as a number of 64 bits."""
        return wide(self.native(self.load(H[name] + width * index, width)))


class Cut:
    """A place where paths meet, and what holds whenever one comes by. If it is the head
    of a loop, `left` of a state is a count that falls to the end.
    """
    left, called = None, False
    size = COUNT    # bits of the count
    ahead = 0       # so many bytes below the stack pointer may be touched next

    def __init__(self, contract):
        self.contract, self.port = contract, contract.port

    def facts(self, count):
        return []

    def stored(self, count):
        return []

    def everything(self, count):
        """Registers, and what is stored: memory, offset, value and condition."""
        registers, stored = self.contract.always()
        return {**registers, **self.registers(count)}, stored + self.stored(count)

    def check(self, state):
        """Claims it of a state; the count."""
        def claim(condition, what):
            state.claim(condition, f'{self.name}: {what}')

        count = self.left(state) if self.left else ZERO
        registers, stored = self.everything(count)
        claim(state.called == self.called, 'the call')
        claim(z3.And(z3.ULT(count, 1 << self.size), *self.facts(count)), 'count')
        for register, term in registers.items():
            claim(state[register] == term, register)
        claim(self.called or self.contract.near(state, self.ahead), 'E5')
        state.claim_stored(stored, self.name)
        return count

    def state(self, machine, pc):
        """Any state of which it holds."""
        count = wide(z3.BitVec(f'{self.name}_count', self.size))
        state = State(machine, pc, (self, count))
        registers, stored = self.everything(count)
        state.unknown, state.called, state.touched = self.name, self.called, fresh('touched')
        for register, term in registers.items():
            state[register] = term
        state.path += [*self.facts(count), self.contract.near(state, self.ahead)]
        state.memory = self.contract.memory(self.called)
        for memory, offset, value, guard in stored:
            state.memory[memory].store(offset, value, guard)
        return state


class Contract:
    """Accesses to the own frame, and the registers that are kept."""
    cuts, returned = (), None
    any = ()        # numbers that stand for any
    begins = None   # where it begins, if not at the one that is proved
    interrupted = False     # whether a signal handler goes on there
    tail = False    # whether it ends with a jump
    access = 'E3'   # which promise each access is about
    record = True   # whether the frame of what calls has a frame record
    ends = ()       # functions that are not followed
    keeps = True    # whether the solver keeps what it has been told of a path

    def __init__(self, port):
        self.port, self.sp = port, port.sp
        # Memory is of little-endian terms. What the machine has in its own order is in this one.
        self.native = swapped if port.big_endian else lambda term: term
        self.entry, self.returns = z3.BitVecs('stack return_address', 64)
        self.passed_words = {}  # arguments on the stack
        self.bases = {self.entry.get_id(): 'stack'}
        # E5: the lowest byte that our caller has touched.
        self.above = ZERO if port.pushed else z3.BitVec('touched_above', 64)

    def base(self, name):
        term = z3.BitVec(name, 64)
        self.bases[term.get_id()] = name
        return term

    def loops(self):
        """Heads of loops, in the order of addresses."""
        return [cut for cut in self.cuts if cut.left]

    def split(self, state, address):
        """Base and offset."""
        terms = address.children() if z3.is_app_of(address, z3.Z3_OP_BADD) else [address]
        for term in terms:
            if z3.is_app_of(term, z3.Z3_OP_ITE):
                condition, a, b = term.children()
                chosen = a if state.decide(condition) else b
                return self.split(state, z3.simplify(z3.substitute(address, (term, chosen))))
        bases = [term for term in terms if term.get_id() in self.bases]
        if len(bases) != 1:
            raise Unproved(f'address {address}, at {state.pc:#x}')
        return self.bases[bases[0].get_id()], z3.simplify(address - bases[0])

    def assumed(self):
        """Of the stack: aligned, and not at an end of the address space."""
        aligned = self.entry + self.port.pushed & self.port.alignment - 1 == 0
        return [aligned, z3.ULT(STACK, self.entry), z3.ULT(self.entry, 1 << 63),
                inside(self.above, 0, ZERO, bits(UNTOUCHED))]

    def begin(self, state):
        state.memory = self.memory(False)
        state[self.sp], state.touched = self.entry, self.above
        if self.port.pushed:
            state.memory['stack'].store(ZERO, self.returns)
        else:
            state[self.port.link] = self.returns
        self.kept = {name: state[name] for name in self.port.kept}

    def give(self, state, name, term):
        """Passes an argument in its register, or so far above the stack pointer at the call."""
        where = getattr(self.port, name)
        if isinstance(where, str):
            state[where] = term
            if where in self.kept:
                self.kept[where] = term
        else:
            self.passed_words[self.port.pushed + where] = self.native(term)
            state.memory['stack'].store(bits(self.port.pushed + where), self.native(term))

    def passed(self, state, name, top):
        """The same argument of another function, where the stack pointer at its call has this offset."""
        where = getattr(self.port, name)
        if isinstance(where, str):
            return state[where]
        return self.native(state.memory['stack'].load(state, z3.simplify(top + where), 8))

    def memory(self, called):
        return {'stack': Memory(lambda offset, width: fresh('unwritten', 8 * width))}

    def always(self):
        """Registers and what is stored, at every cut."""
        words = {self.port.saved_link: self.native(self.returns), **self.passed_words}
        saved = {**self.port.lost, **self.port.saved_registers}
        words |= {offset: self.native(self.kept[name]) for name, offset in saved.items()}
        if self.port.backchain:
            words[self.port.saved_sp] = self.native(self.entry)
        kept = {name: term for name, term in self.kept.items() if name not in saved}
        return kept, [('stack', bits(offset), value, True) for offset, value in words.items()]

    def offset(self, sp):
        return z3.simplify(sp - self.entry)

    def line(self, offset):
        """The 16 bytes of the stack that this offset is in, all in one page, begin here."""
        return offset - (offset - self.port.pushed & 15)

    def touch(self, state, offset):
        """E5: a page after the other. What is called touches those below."""
        if state.called or state.holds(state.touched <= offset):
            return
        state.claim(self.line(state.touched) - offset <= PAGE, 'E5: a page is skipped')
        if state.holds(offset <= state.touched):
            state.touched = offset
        elif state.touched is self.above:   # in what our caller left to us
            state.touched = z3.If(offset <= self.above, offset, self.above)

    def near(self, state, ahead):
        """E5: so many bytes below the stack pointer may be touched next."""
        sp, saved = self.offset(state[self.sp]), 0 if self.port.pushed else self.port.ours[0]
        return z3.And(sp <= state.touched, state.touched <= saved, self.line(state.touched) - (sp - ahead) <= PAGE)

    def leads_on(self, state, sp):
        """E5: what goes on with this stack pointer is where it takes itself to be."""
        reach = 0 if self.port.pushed else UNTOUCHED
        state.claim(state.touched <= self.offset(sp) - self.port.pushed + reach, 'E5: not touched above a call')

    def in_frame(self, state, offset, width, end):
        """E3: from the stack pointer on, before the instruction or after, or in the bytes that a
        caller leaves to whom it calls.
        """
        sps = [self.offset(state.lowest), self.offset(state[self.sp])]
        frame = [inside(offset, width, sp, bits(end)) for sp in sps]
        state.claim(z3.Or(self.ours(offset, width), *frame), 'E3: outside the frame')
        self.touch(state, offset)

    def ours(self, offset, width):
        first, last = self.port.ours
        return inside(offset, width, bits(first), bits(last))

    def load(self, state, address, width):
        name, offset = self.split(state, address)
        state.machine.claims[self.access] += 1
        return getattr(self, f'load_{name}')(state, offset, width)

    def store(self, state, address, value):
        name, offset = self.split(state, address)
        state.machine.claims[self.access] += 1
        getattr(self, f'store_{name}')(state, offset, value)

    def load_stack(self, state, offset, width):
        if width != 8 or number(offset) not in self.passed_words:
            # Up to the return address, or the backchain of our caller.
            self.in_frame(state, offset, width, 8 if self.port.backchain else self.port.pushed)
        return state.memory['stack'].load(state, offset, width)

    def store_stack(self, state, offset, value):
        written = z3.Or(not state.called, self.ours(offset, value.size() // 8))
        state.claim(written, 'the frame is written after the call')
        self.in_frame(state, offset, value.size() // 8, 0)
        state.memory['stack'].store(offset, value)

    def frame_record(self, state, sp):
        """E6, for a walker of the stack without the rules."""
        frame = self.entry + self.port.saved_frame if self.record else self.kept[self.port.frame]
        state.claim(state[self.port.frame] == frame, 'E6: frame record')
        if self.port.backchain:
            state.claim_stored([('stack', self.offset(sp), self.native(self.entry), True)], 'E6: backchain')

    def after_call(self, state, sp):
        """The callee may have changed all registers but those that are kept."""
        self.leads_on(state, sp)
        kept = {name: state[name] for name in self.port.kept if name not in self.port.lost}
        state.registers, state.unknown, state.called = {}, 'called', True
        for name, term in kept.items():
            state[name] = term
        state[self.sp] = sp

    def activation(self, state):
        """What E6 is about: the stack pointer at entry, where it returns to, with which registers, and memory by its
        distance from the former.
        """
        return self.entry, self.returns, self.kept, state.memory['stack']

    def left(self, state, pushed):
        """E4, at the end."""
        for name, term in self.kept.items():
            state.claim(same(state[name], term), f'E4: {name}')
        state.claim(state[self.sp] == self.entry + pushed, f'E4: {self.sp}')

    def others_kept(self, state, given, changed):
        """That all registers but those are as they came, if what has been asked for until then is given."""
        changed = {state.machine.place(name)[0] for name in (*changed, self.sp, 'ip')}
        for offset in state.registers.keys() - changed:
            value = given.get(offset, z3.BitVec(f'entry_{offset}', 64))
            state.claim(same(state.get(offset, 8), value), f'another register, {offset}')
