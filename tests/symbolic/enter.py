"""What the bodies that enter native code have to do: R1 to R5 are assumed, E1 to E5 and
E7 are claimed, by the names in asm/x86_64_sysv.S. Offsets are those of asm/descriptor.h.
"""
from z3 import (And, BitVec, BitVecSort, Concat, Extract, Function, If, Implies, LShR, Not, Or, Solver, UGE, UGT, ULE,
                ULT, is_bv_value, sat, simplify)
from machine import KEPT, Frame, Refuted, Unknown, fresh, wide, word

LIMIT = 1000  # Signature::MAX_PARAMS and MAX_RESULTS
INTEGERS = {2: 'rdx', 3: 'rcx', 4: 'r8', 5: 'r9'}


class Descriptor:
    """Header and lists, and the two addresses before it that thunks need."""

    def __init__(self, spec):
        self.spec = spec

    def read(self, state, offset, size):
        spec, header = self.spec, self.spec.names['D_LISTS']
        if not is_bv_value(offset):  # in the header if it can be but one offset
            solver = Solver()
            solver.add(*state.assumed)
            if solver.check() == sat:
                value = solver.model().eval(offset, model_completion=True)
                if value.as_signed_long() < header and state.certain(offset == value):
                    offset = value
        if is_bv_value(offset):
            at = offset.as_signed_long()
            for before, value in spec.before.items():
                if (at, size) == (-before, 8):
                    return value
            if 0 <= at and at + size <= header:
                return Extract(8 * (at + size) - 1, 8 * at, spec.header)
        index = simplify(LShR(offset - header, 1))
        state.claim('E3: a read outside the descriptor', And(
            size == 2, UGE(offset, header), Extract(0, 0, offset) == 0, ULT(index, spec.words + spec.spills)))
        if size != 2:
            raise Refuted('E3: a list is read otherwise')
        state.assumed += spec.entry(index)
        return spec.list(index)

    def write(self, state, offset, size, value):
        raise Refuted('E3: the descriptor is written')


class Slots:
    """The value slots, which one may read; slots of results, which one may write."""

    def __init__(self, spec):
        self.spec = spec

    def inside(self, offset, size, count):
        end = count * self.spec.stride
        return And(ULT(offset, end), ULE(offset + size, end))

    def read(self, state, offset, size):
        spec = self.spec
        state.claim('E3: a read outside the slots', self.inside(offset, size, spec.slots))
        if state.writes:
            raise Unknown('a slot is read after one was written')
        parts = [spec.slot(offset + 8 * i) for i in range((size + 7) // 8)]
        return Extract(8 * size - 1, 0, Concat(*reversed(parts)) if len(parts) > 1 else parts[0])

    def write(self, state, offset, size, value):
        state.claim('E3: a write outside the result slots', self.inside(offset, size, self.spec.results))
        state.writes.append((offset, size, value))


class Enter:
    """A body, slots `stride` bytes apart."""
    heads = {}

    def __init__(self, name, stride, names):
        self.name, self.stride, self.names, self.queries, self.proved = name, word(stride), names, 0, 0
        self.header = BitVec('header', 8 * names['D_LISTS'])
        self.list = Function('list', BitVecSort(64), BitVecSort(16))
        self.slot = Function('slot', BitVecSort(64), BitVecSort(64))
        self.back = BitVec('back', 64)
        self.target, self.slots_at, self.descriptor = (BitVec(name, 64) for name in ('rdx', 'rcx', 'r8'))
        self.before = {}
        field = lambda name, size, index=0: Extract(
            8 * (names[name] + size * (index + 1)) - 1, 8 * (names[name] + size * index), self.header)
        wide_field = lambda *which: wide(field(*which))
        self.integer = [wide_field('D_INTEGER', 2, i) for i in range(8)]
        self.float = [wide_field('D_FLOAT', 2, i) for i in range(8)]
        self.mask = field('D_RESULT_MASK', 8)
        self.words, self.spills, self.area, self.word, self.params = (
            wide_field('D_' + name, 2) for name in 'STACK_WORDS SPILLS RETURN_AREA RETURN_WORD PARAMS'.split())
        self.register, self.floats, self.result = (
            field('D_' + name, 1) for name in 'RETURN_REGISTER FLOATS RESULT'.split())
        self.stride_field = field('D_STRIDE', 1)
        self.results = self.spills + If(self.result != names['RESULT_NONE'], word(1), word(0))
        self.slots = If(UGT(self.params, self.results), self.params, self.results)
        self.scalar = Or(self.result == names['RESULT_INTEGER'], self.result == names['RESULT_FLOAT'])
        self.vector = self.result == names['RESULT_VECTOR']
        self.regions = {'rsp': Frame(8), 'r8': Descriptor(self), 'rcx': Slots(self)}
        self.facts = self.encoded() + self.shape()

    def offset(self, value):
        """An entry that says where a value of eight bytes lies: in a parameter's slot, or 0."""
        return Or(value == 0, And(value & 7 == 0, ULE(value + 8, self.params * self.stride)))

    def encoded(self):
        """R1: what Source::encode makes, R2: which slots there are."""
        names, stride, none = self.names, self.stride, self.spills == 0
        some, all_, vectors = (names['FLOATS_' + name] for name in ('SOME', 'ALL', 'VECTORS'))
        wide_slots = stride == 16
        return [
            BitVec('rsp', 64) & 15 == 8,
            self.stride_field == Extract(7, 0, stride),
            ULE(self.params, LIMIT), ULE(self.results, LIMIT),
            Or(self.result == names['RESULT_NONE'], self.scalar, And(self.vector, wide_slots)),
            Implies(self.result == names['RESULT_NONE'], And(none, self.mask == 0)),
            Or(self.floats == 0, self.floats == some, self.floats == all_, And(self.floats == vectors, wide_slots)),
            *(self.offset(value) for value in self.integer),
            *(And(self.offset(value), value & (stride - 1) == 0) for value in self.float),
            Implies(self.params == 0, And(self.words == 0, self.floats == 0)),
            self.words & (names['GROUP'] - 1) == 0, ULE(self.words, 2 * LIMIT + names['GROUP']),
            # The return area and the pointer to it.
            self.area & 15 == 0, (self.area == 0) == none,
            Or(self.register == 0, *(self.register == 1 << i for i in INTEGERS)),
            Implies(none, self.register == 0),
            self.word & 7 == 0, ULE(self.word, 8 * self.words),
            Implies(And(Not(none), self.register == 0), ULT(self.word, 8 * self.words)),
        ]

    def shape(self):
        """R4: what the body serves."""
        simple = And(self.spills == 0, Not(self.vector))
        return {'bare': [self.params == 0, self.results == 0],
                'short_cut': [simple, self.words == 0, self.slots != 0],
                'storing_short_cut': [simple, self.words == 0, self.scalar],
                'storing': [self.scalar],
                'fixed': [simple, ULE(self.words, self.names['FIXED_WORDS']), self.slots != 0],
                'variable': []}[self.name]

    def entry(self, index):
        """R1: what an entry of the lists is."""
        value = wide(self.list(index))
        width = value & 3
        start = value - width
        size = If(width == self.names['SPILL_8'], word(8), If(width == self.names['SPILL_4'], word(4), word(16)))
        spill = And(width != 3, start & (size - 1) == 0, ULE(start + size, self.area),
                    Implies(size == 16, self.stride == 16))
        return [Implies(ULT(index, self.words), self.offset(value)),
                Implies(And(UGE(index, self.words), ULT(index, self.words + self.spills)), spill)]

    def read_fixed(self, state, address, size):
        raise Refuted('E3: a fixed address is read')

    # ---- at the call

    def leaves(self, state, value, call):
        """The target is called, or jumped to."""
        state.same('E1: target', value, self.target)
        state.claim('E1: target is called once', state.calls == 0 and 'rax' not in state.ghost)
        state.claim('E1: a slot is written before the call', len(state.writes) == 0)
        self.arguments(state)
        if call:
            state.claim('E1: rsp is a multiple of 16', Extract(3, 0, state.registers['rsp']) == 0)
            state.same('E6: frame record', state.registers['rbp'], BitVec('rsp', 64) - 8)
        else:
            self.unchanged(state, 0)
            state.same('E1: stack words', self.words, word(0))

    def arguments(self, state):
        names, register = self.names, state.registers
        for name in ('rdi', 'rsi'):
            state.same(f'E1: {name}', register[name], BitVec(name, 64))
        area = simplify(register['rsp'] + 8 * self.words)
        some = self.params != 0
        for i, name in INTEGERS.items():
            pointer = self.register == 1 << i
            state.claim(f'E1: {name}', If(pointer, register[name] == area,
                                          Implies(some, register[name] == self.slot(self.integer[i]))))
        for i, (low, high) in enumerate(state.vectors[:8]):
            least = names['FLOATS_SOME'] if i < names['FLOATS_SOME'] else names['FLOATS_ALL']
            state.claim(f'E1: xmm{i}', Implies(UGE(self.floats, least), low == self.slot(self.float[i])))
            state.claim(f'E1: upper xmm{i}', Implies(self.floats == names['FLOATS_VECTORS'],
                                                     high == self.slot(self.float[i] + 8)))
        self.stack(state)

    def stack(self, state):
        """Any stack word, and the return pointer."""
        if self.name not in ('fixed', 'variable'):
            return
        frame, bottom = self.regions['rsp'], self.regions['rsp'].bottom(state)
        state.claim('the areas end below what is saved', bottom + 8 * self.words + self.area <= self.end_of_areas)
        carries = lambda index: And(ULT(index, self.words), 8 * index != self.word)
        if self.name == 'fixed':
            for index in map(word, range(self.names['FIXED_WORDS'])):
                found = frame.find(state, simplify(bottom + 8 * index), 8, len(state.log))
                state.claim('E1: stack words', Implies(carries(index), found == self.slot(wide(self.list(index)))))
            return
        for condition, offset, value in self.checked(bottom, carries):
            other = state.copy()
            other.assumed.append(condition)
            other.claims = []
            if other.check(True):
                found = frame.find(other, simplify(offset), 8, len(other.log))
                other.same('E1: stack words', found, value)
                other.prove()

    def checked(self, bottom, carries):
        index = fresh('any')
        yield carries(index), bottom + 8 * index, self.slot(wide(self.list(index)))
        pointer = And(self.spills != 0, self.register == 0)
        yield pointer, bottom + self.word, BitVec('rsp', 64) + bottom + 8 * self.words

    end_of_areas = word(-8)

    def after_call(self, state):
        """R3: target may have written to its argument area, to the return area, and below."""
        bottom = self.regions['rsp'].bottom(state)
        end = simplify(bottom + 8 * self.words + self.area)
        state.log = [write for write in state.log if state.certain(write[0] >= end)]
        start = simplify(bottom + 8 * self.words)
        self.returned = Function('returned', BitVecSort(64), BitVecSort(64))
        state.ranges = [(start, end, lambda state, offset, size: self.from_area(offset - start, size))]
        state.ghost.update(rax=state.registers['rax'], xmm0=state.vectors[0], stored=word(0))

    def from_area(self, offset, size):
        parts = [self.returned(simplify(offset + 8 * i)) for i in range((size + 7) // 8)]
        return Extract(8 * size - 1, 0, Concat(*reversed(parts)) if len(parts) > 1 else parts[0])

    # ---- at the end

    def unchanged(self, state, popped):
        for name in KEPT:
            state.same(f'E4: {name}', state.registers[name], BitVec(name, 64))
        state.same('E4: rsp', state.registers['rsp'], BitVec('rsp', 64) + popped)

    def returns(self, state):
        self.unchanged(state, 8)
        state.claim('E1: target is called once', state.calls == 1 or 'rax' in state.ghost)
        if 'rax' not in state.ghost:
            raise Refuted('E1: target is not called')
        self.done(state)

    def done(self, state):
        self.in_registers(state)
        state.claim('E2: slots', len(state.writes) == 0)

    def in_registers(self, state):
        (low, _), (before, _) = state.vectors[0], state.ghost['xmm0']
        state.claim('E2: rax', Implies(self.scalar, state.registers['rax'] == state.ghost['rax']))
        state.claim('E2: xmm0', Implies(self.scalar, low == before))


class Storing(Enter):
    """The two functions behind thunks that store result 0."""

    def __init__(self, name, stride, names):
        super().__init__(name, stride, names)
        if name == 'storing':
            self.before = {names['BODY_BEFORE']: BitVec('body', 64)}
            self.target = BitVec('body', 64)

    def arguments(self, state):
        if self.name != 'storing':
            return super().arguments(state)
        for name in ('rdi', 'rsi', 'rdx', 'rcx', 'r8'):
            state.same(f'{name} for the body', state.registers[name], BitVec(name, 64))

    def after_call(self, state):
        if self.name == 'storing':  # the body returns, with nothing of ours changed
            words, area = self.words, self.area
            self.words = self.area = word(0)
            super().after_call(state)
            self.words, self.area = words, area
        else:
            super().after_call(state)

    def done(self, state):
        low, _ = state.ghost['xmm0']
        value = If(self.result == self.names['RESULT_FLOAT'], low, state.ghost['rax']) & self.mask
        self.exactly(state, [(word(0), 8, value)])

    def exactly(self, state, expected):
        state.claim('E7: slots', len(state.writes) == len(expected))
        for (at, size, value), (offset, length, should) in zip(state.writes, expected):
            state.claim('E7: slots', And(at == offset, size == length) if size == length else False)
            if size == length:
                state.same('E7: value', value, should)


BODIES = {'bare': Enter, 'short_cut': Enter, 'fixed': Enter, 'storing_short_cut': Storing, 'storing': Storing}
