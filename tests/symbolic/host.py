"""The functions by which native code calls the host: E8 to E10 of the header of
asm/x86_64_sysv.S, and E4 and E5.

The scatter is symbolic, as the descriptor is in enter.py: of it only that is assumed
which `Scatter::encode` makes true of every one, by the names B1 to B5.

What is claimed of slots, and of the places for Rust behind them, is claimed of any one of
their eight bytes that something goes to. That each such place has one source, a register or
a stack word, is B4.
"""
import z3

from contract import H, PAGE, ZERO, Contract, Cut, Fields
from enter import LIMIT, SPILLS
from memory import Bytes, Memory, Unproved, bits, fresh, inside, low, number, shortened, wide

SLOT = 16
MAX_BYTES = 65520
# No x87 register is in use.
EMPTY_X87 = {'ftop': bits(0, 32), 'fpu_tags': ZERO}


class Place:
    """Eight bytes of the frame that one register or word goes to."""

    def __init__(self, name, offset, value):
        self.offset, self.value = offset, value
        self.word = z3.BitVec(f'word_of_{name}', 64)


class Host(Contract):
    """One of x86-64: with `small` in a frame of constant size, with `plain` for plain C."""
    ways = [H[f'MORE_{name}'] for name in ('PAIR', 'BOTH', 'X87', 'X87_PAIR')]

    def __init__(self, port, small, plain):
        super().__init__(port)
        self.small, self.plain = small, plain
        self.context, self.lists, self.area = self.base('context'), self.base('lists'), self.base('area')
        self.function = z3.BitVec('function', 64)
        self.scatter = field = Fields('scatter_', H['H_SCATTER'], H['H_FLOATS'] + 2)
        self.slots, self.frame, self.words = field('H_SLOTS'), field('H_FRAME'), field('H_STACK_WORDS')
        self.spills, self.more, self.floats = field('H_SPILLS'), field('H_MORE'), field('H_FLOATS')
        self.list, self.argument, self.filled = Bytes('list'), Bytes('argument'), Bytes('filled')
        self.spill = z3.BitVec('any_spill', 64)
        self.any_spill = inside(self.spill, 1, ZERO, self.spills)
        self.integers = [i for i in range(len(port.integers)) if plain or i > 1]
        self.places = [Place('place', z3.BitVec('any_place', 64), z3.BitVec('any_value', 64)),
                       Place('pointer', self.frame, self.area)]
        self.top = self.entry + port.host_frame - self.frame
        self.scratch = self.frame - H['SCRATCH_SIZE']
        pages = [] if small else [Pages(self)]
        self.returned = Returned(self)
        self.cuts = [*pages, Words(self), self.returned, Spills(self)]

    # ---- R6: what Scatter::encode makes true of every scatter

    def goes_somewhere(self, entry, width):
        """B3: to a slot or a place behind the slots, to the scratch bytes, or to where the return pointer is kept."""
        slot = inside(entry, width, ZERO, self.scratch)
        scratch, pointer = entry == self.scratch, z3.And(entry == self.frame, width == 8)
        return z3.And(entry & width - 1 == 0, z3.Or(slot, scratch, pointer))

    def integer(self, index):
        return self.scatter('H_INTEGER', 2, index)

    def float(self, index):
        return self.scatter('H_FLOAT', 2, index)

    def listing(self, offset):
        return wide(self.list(offset, 2))

    def in_register(self, place):
        halves = [self.float(i) + half for i in range(8) for half in (0, 8)]
        return z3.Or(*(entry == place.offset for entry in [self.integer(i) for i in self.integers] + halves))

    def register_has(self, place):
        """B4, of registers: if one goes to this place, the value is its."""
        for i in self.integers:
            yield z3.Implies(self.integer(i) == place.offset, place.value == self.given[self.port.integers[i]])
        for i, name in enumerate(self.port.floats):
            for half in (0, 8):
                value = z3.Extract(8 * half + 63, 8 * half, self.given[name])
                yield z3.Implies(self.float(i) + half == place.offset, place.value == value)

    def word_has(self, offset):
        """B3, and B4 of a stack word, by the offset of its entry."""
        entry = self.listing(offset)
        facts = [self.goes_somewhere(entry, 8)]
        for place in self.places:
            this = z3.And(offset == 2 * place.word, z3.Not(self.in_register(place)))
            facts += [z3.Implies(entry == place.offset, z3.And(this, place.value == self.argument(4 * offset, 8)))]
        return z3.Implies(inside(offset, 2, ZERO, 2 * self.words), z3.And(*facts))

    def has_source(self, place):
        word = z3.And(inside(place.word, 1, ZERO, self.words), self.listing(2 * place.word) == place.offset)
        return z3.Or(self.in_register(place), word)

    def result(self, index):
        """The entry of a result in the return area, and where that is."""
        entry = self.listing(2 * (self.words + index))
        start, end = entry - H['SPILL_8'], entry - H['SPILL_8'] + 8
        for mark, width in SPILLS[1:]:
            start = z3.If(entry & 3 == mark, entry - mark, start)
            end = z3.If(entry & 3 == mark, entry - mark + width, end)
        return entry, start, end

    def spill_fits(self, index):
        """B5: of entries of the spills, as A8 of enter.py; no two share a byte."""
        entry, start, end = self.result(index)
        _, other, other_end = self.result(self.spill)
        apart = z3.Or(index == self.spill, z3.Not(self.any_spill), end <= other, other_end <= start)
        return z3.Implies(inside(index, 1, ZERO, self.spills),
                          z3.And(entry & 3 != 3, ZERO <= start, end <= SLOT * LIMIT, apart))

    def assumed(self):
        place, pointer = self.places
        size = lambda slots: SLOT * slots + H['SCRATCH_SIZE']
        small = size(H['SMALL_SLOTS'])
        return super().assumed() + [
            # B1: the frame.
            z3.And(self.frame & 15 == 0, inside(self.frame, 0, size(self.slots), small if self.small else MAX_BYTES)),
            self.frame == small if self.small else True,
            # B2: counts.
            z3.And(self.words & H['H_GROUP'] - 1 == 0, 8 * self.words <= MAX_BYTES + 8 * H['H_GROUP']),
            z3.And(self.floats <= 8, self.slots <= MAX_BYTES // SLOT),
            z3.Or(*(self.more == more for more in (0, H['MORE_RESULTS'], *self.ways))),
            z3.Or(self.spills == 0,
                  z3.And(self.spills < self.slots, self.spills <= LIMIT, self.more == H['MORE_RESULTS'])),
            # There are slots for what is loaded from them.
            z3.Or(self.more == 0, self.slots > z3.If(self.more == H['MORE_X87_PAIR'], bits(1), ZERO)),
            # B3
            *(self.goes_somewhere(self.integer(i), 8) for i in range(8)),
            *(self.goes_somewhere(self.float(i), 16) for i in range(8)),
            *(z3.Or(self.floats > i, self.float(i) == self.scratch) for i in range(8)),
            # B4
            *(fact for place in self.places for fact in self.register_has(place)),
            *(self.word_has(2 * place.word) for place in self.places),
            # Any place is one.
            z3.And(place.offset & 7 == 0, inside(place.offset, 8, ZERO, self.scratch)), self.has_source(place),
            z3.Or(self.spills == 0, self.has_source(pointer)),
            # B5
            self.spill_fits(self.spill),
        ]

    # ---- accesses

    def load_context(self, state, offset, width):
        """E10."""
        at = number(offset)
        addresses = {H['H_FUNCTION']: self.function, H['H_LISTS']: self.lists}
        if width == 8 and at in addresses:
            return addresses[at]
        if at is None or not H['H_SCATTER'] <= at <= H['H_FLOATS'] + 2 - width:
            raise Unproved(f'E10: outside the context, at {state.pc:#x}')
        return self.scatter.load(at, width)

    def load_lists(self, state, offset, width):
        state.claim(inside(offset, width, ZERO, 2 * (self.words + self.spills)), 'E10: outside the lists')
        state.claim(width == 2 and offset & 1 == 0, 'E10: a part of an entry')
        state.know(self.word_has(z3.simplify(offset)))
        if state.called:
            state.know(self.spill_fits(self.turn(state)))
        return self.list(offset, width)

    def load_stack(self, state, offset, width):
        arguments = self.port.pushed
        if state.holds(offset < arguments):
            return super().load_stack(state, offset, width)
        state.claim(inside(offset, width, bits(arguments), arguments + 8 * self.words), 'E10: outside the arguments')
        return self.argument(offset - arguments, width)

    def turn(self, state):
        """The result that this round of the last loop is for."""
        cut, count = state.origin
        state.claim(isinstance(cut, Spills), 'E10: the return area without results')
        return z3.simplify(self.spills - count)

    def store_area(self, state, offset, value):
        """E9, E10."""
        _, start, end = self.result(self.turn(state))
        state.claim(inside(offset, value.size() // 8, start, end), 'E9: bytes of another result')
        state.memory['area'].store(offset, value)

    def store_context(self, state, offset, value):
        raise Unproved(f'E10: a store to the context, at {state.pc:#x}')

    def store_lists(self, state, offset, value):
        raise Unproved(f'E10: a store to the lists, at {state.pc:#x}')

    # ---- begin, call, end

    def memory(self, called):
        memory = {**super().memory(called), 'area': Memory(lambda offset, width: fresh('before', 8 * width))}
        if called:
            memory['stack'].before = self.from_slots
        return memory

    def from_slots(self, offset, width):
        """After the call."""
        return self.filled(offset - self.offset(self.top), width)

    def begin(self, state):
        super().begin(state)
        port = self.port
        self.given = {name: state[name] for name in port.integers + port.floats}
        register = port.plain_context if self.plain else port.callee
        state[register] = self.context
        self.caller = ZERO if self.plain else state[port.caller]
        self.loaded = {**self.given, register: self.context}

    def call(self, state, target):
        """E8."""
        port, sp, claim = self.port, z3.simplify(state[self.sp] + self.port.pushed), state.claim
        claim(not state.called, 'E8: another call')
        claim(target == self.function, 'E8: FUNCTION')
        claim(sp == self.top, 'E8: slots')
        claim(z3.And(sp & 15 == 0, state['d'] == self.kept['d']), 'E8: alignment and direction')
        claim(state[port.frame] == self.entry + port.saved_frame, 'E6: frame record')
        for i, value in enumerate((self.context, self.caller, self.top, self.slots)):
            claim(state[port.integers[i]] == value, f'E8: argument {i}')
        state.claim_stored(self.stored(self.places[0], ZERO), 'E8: a parameter')
        self.after_call(state, sp)
        # `planned` writes to the places, too.
        state.memory['stack'].forget(self.offset(self.top + self.scratch), self.from_slots)
        for name, value in EMPTY_X87.items():
            state[name] = value

    def stored(self, place, count):
        """A place whose register or word is done, if it is one that has a source."""
        done = z3.And(self.has_source(place), z3.Or(self.in_register(place), count <= place.word))
        return [('stack', self.offset(self.top + place.offset), place.value, done)]

    def saved(self):
        """What is kept through the call."""
        return [('stack', bits(self.port.host_context), self.context, True)] + self.stored(self.places[1], ZERO)

    def stored_results(self, done):
        entry, start, _ = self.result(self.spill)
        done, at = z3.And(self.any_spill, done), SLOT * (self.spill + 1)
        is_4, is_16 = (entry & 3 == H[name] for name in ('SPILL_4', 'SPILL_16'))
        low_half, high_half = self.filled(at, 8), self.filled(at + 8, 8)
        return [('area', entry - H['SPILL_4'], low(low_half, 32), z3.And(done, is_4)),
                ('area', entry - H['SPILL_8'], low_half, z3.And(done, entry & 3 == H['SPILL_8'])),
                ('area', entry - H['SPILL_16'], low_half, z3.And(done, is_16)),
                ('area', entry - H['SPILL_16'] + 8, high_half, z3.And(done, is_16))]

    def always(self):
        registers, stored = super().always()
        port = self.port
        frame = ('stack', bits(port.saved_frame), self.kept[port.frame], True)
        return {**registers, port.frame: self.entry + port.saved_frame}, [*stored, frame]

    def exit(self, state, following):
        """E9."""
        port = self.port
        state.claim(state.called, 'E8: FUNCTION is called')
        state.claim(following == self.returns, 'returns to the caller')
        self.left(state, port.pushed)
        state.claim(state[port.result] == self.filled(ZERO, 8), 'E9: integer result')
        pair, both, x87, x87_pair = (self.more == more for more in self.ways)
        first, second = self.filled(ZERO, 8), self.filled(bits(8), 8)
        state.claim(low(state[port.float_result]) == z3.If(both, second, first), 'E9: float result')
        state.claim(z3.Or(z3.Not(pair), low(state[port.more_float_results[0]]) == second), 'E9: second float')
        state.claim(z3.Or(z3.Not(z3.Or(pair, both)), state[port.more_results[0]] == second), 'E9: second integer')
        values, tags = (state.machine.place(name)[0] for name in ('fpu_regs', 'fpu_tags'))
        number_of = z3.If(x87, bits(1, 32), z3.If(x87_pair, bits(2, 32), bits(0, 32)))
        state.claim(state['ftop'] & 7 == -number_of & 7, 'E9: x87 registers')
        for guard, results in ((x87, [0]), (x87_pair, [0, SLOT])):
            for i, at in enumerate(results):
                register = 8 - len(results) + i
                value = shortened(z3.Concat(self.filled(bits(at + 8), 2), self.filled(bits(at), 8)))
                is_there = z3.And(state.get(values + 8 * register, 8) == value, state.get(tags + register, 1) == 1)
                state.claim(z3.Implies(guard, is_there), f'E9: st{i}')
        wide = z3.Or(self.more != H['MORE_RESULTS'], state[port.float_result] == self.filled(ZERO, 16))
        state.claim(wide, 'E9: vector result')
        state.claim_stored(self.stored_results(True), 'E9: a result')


class Pages(Cut):
    """The frame, page by page: as many bytes as are left."""
    name, ahead = 'pages', PAGE

    def left(self, state):
        return state['rax']

    def facts(self, count):
        return [z3.ULE(count, self.contract.frame), count & 15 == 0]

    def registers(self, count):
        return {**self.contract.loaded, 'rax': count, 'rsp': self.contract.top + count}


class Words(Cut):
    """Stack words, two at a time, last ones first: as many as are left."""
    name, ahead = 'words', 8

    def left(self, state):
        return state['rcx']

    def facts(self, count):
        return [z3.ULE(count, self.contract.words), count != 0, count & H['H_GROUP'] - 1 == 0]

    def registers(self, count):
        contract = self.contract
        return {'rdi': contract.context, 'rsi': contract.caller, 'rcx': count, 'r8': contract.lists,
                'rsp': contract.top}

    def stored(self, count):
        contract = self.contract
        places = [cell for place in contract.places for cell in contract.stored(place, count)]
        return [('stack', bits(self.port.host_context), contract.context, True), *places]


class Returned(Cut):
    """After the call."""
    name, called = 'returned', True

    def registers(self, count):
        return {'rsp': self.contract.top, **EMPTY_X87}

    def stored(self, count):
        return self.contract.saved()


class Spills(Cut):
    """Results for the return area, in order: as many as are left."""
    name, called = 'results', True

    def left(self, state):
        return state['rcx']

    def facts(self, count):
        contract = self.contract
        return [z3.ULE(count, contract.spills), count != 0, contract.more == H['MORE_RESULTS']]

    def registers(self, count):
        contract = self.contract
        done = contract.spills - count
        return {'rcx': count, 'r8': contract.lists + 2 * (contract.words + done), 'r9': contract.area,
                'r10': contract.top + SLOT * done, 'rsp': contract.top,
                'rax': contract.filled(ZERO, 8), 'xmm0': contract.filled(ZERO, 16), **EMPTY_X87}

    def stored(self, count):
        contract = self.contract
        return contract.stored_results(z3.ULT(contract.spill, contract.spills - count))


HOST = {f'{"c_" * plain}host{"_small" * small}': (small, plain) for small in (True, False) for plain in (False, True)}
