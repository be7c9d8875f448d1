"""The functions by which native code calls the host: E8 to E10 of the header of
asm/x86_64_sysv.S, and E4 and E5.

The scatter is symbolic, as the descriptor is in enter.py: of it only that is assumed
which `Scatter::encode` makes true of every one, by the names B1 to B6.

What is claimed of slots, and of the places for Rust behind them, is claimed of any one of
their words that something goes to: of eight bytes, or of four where stack words have so many.
That each such place has one source, a register or a stack word, or several of which the last is
meant, is B4.
"""
import z3

from contract import H, PAGE, UNTOUCHED, ZERO, Contract, Cut, Fields
from enter import LIMIT, SPILLS
from memory import Bytes, Memory, Unproved, bits, fresh, inside, low, number, shortened, sign_extended, wide

SLOT = 16
MAX_BYTES = 65520
MASKS = 6
SCATTER_END = H['H_MASKS'] + 8 * MASKS
# No x87 register is in use.
EMPTY_X87 = {'ftop': bits(0, 32), 'fpu_tags': ZERO}


class Place:
    """A word of the frame that a register, a part of one or a stack word goes to."""

    def __init__(self, name, offset, value):
        self.offset, self.value = offset, value
        self.word = z3.BitVec(f'word_of_{name}', 64)


class Host(Contract):
    """With `small` in a frame of constant size, with `plain` for plain C."""
    keeps, access = False, 'E10'

    def __init__(self, port, small, plain):
        super().__init__(port)
        self.small, self.plain, self.unit = small, plain, port.word
        self.context, self.lists, self.area = self.base('context'), self.base('lists'), self.base('area')
        self.function = z3.BitVec('function', 64)
        self.scatter = field = Fields('scatter_', H['H_SCATTER'], SCATTER_END, self.native)
        self.slots, self.frame, self.words = field('H_SLOTS'), field('H_FRAME'), field('H_STACK_WORDS')
        self.spills, self.more, self.floats = field('H_SPILLS'), field('H_MORE'), field('H_FLOATS')
        self.way = self.more & ~H['MORE_NARROW'] if port.narrow else self.more
        # Words of the list that are of vector registers, where these have their own; they come first.
        self.vectors, self.vector_words = z3.BoolVal(False), ZERO
        if port.own_vectors:
            self.vectors, self.way = self.more & H['MORE_VECTORS'] != 0, self.way & ~H['MORE_VECTORS']
            self.vector_words = z3.If(self.vectors, bits(H['VECTOR_WORDS']), ZERO)
        self.stack_words = z3.simplify(self.words - self.vector_words)
        self.list, self.argument, self.filled = Bytes('list'), Bytes('argument'), Bytes('filled', self.unit)
        self.spill = z3.BitVec('any_spill', 64)
        self.any_spill = inside(self.spill, 1, ZERO, self.spills)
        self.integers = [i for i in range(len(port.integers)) if plain or port.host_contexts or i > 1]
        self.place = Place('place', z3.BitVec('any_place', 64), z3.BitVec('any_value', 8 * self.unit))
        parts = range(0, 8, self.unit)
        self.pointer = [Place(f'pointer_{at}', self.frame + at, self.part(self.area, at)) for at in parts]
        self.places = [self.place, *self.pointer]
        # The frame is aligned.
        self.start = z3.simplify(self.entry + port.host_frame - (self.entry & 16 - port.alignment))
        self.top = self.start - self.frame
        self.bottom = z3.simplify(self.top - 8 * self.vector_words)
        self.vector_left = z3.BitVec('vector_left', 128)
        self.scratch = self.frame - H['SCRATCH_SIZE']
        pages = [] if small else [Pages(self)]
        self.returned = Returned(self)
        vectors = [VectorWords(self)] if port.own_vectors else []
        self.cuts = [*pages, *vectors, Words(self), self.returned, Spills(self)]

    def part(self, term, at):
        """A word of a register."""
        return z3.Extract(8 * (at + self.unit) - 1, 8 * at, term)

    # ---- R6: what Scatter::encode makes true of every scatter

    def goes_somewhere(self, entry, width):
        """B3: to a slot or a place behind the slots, to the scratch bytes, or to where the return pointer is kept, unless it has a
        register of its own.
        """
        if width == 16 and self.port.host_ordered:
            return z3.And(entry & 7 == 0, inside(entry, width, ZERO, self.frame))
        places = [inside(entry, width, ZERO, self.scratch), entry == self.scratch]
        if width <= 8 and not (self.plain and self.port.host_hidden):
            places += [inside(entry, width, self.frame, self.frame + 8)]
        return z3.And(entry & width - 1 == 0, z3.Or(*places))

    def integer(self, index):
        return self.scatter('H_INTEGER', 2, index)

    def mask(self, index):
        return self.scatter('H_MASKS', 8, index)

    def value(self, index):
        """What an integer register is stored as."""
        value = self.given[self.port.integers[index]]
        return value & self.mask(index) if self.plain and self.port.host_masks else value

    def float(self, index):
        entry = self.scatter('H_FLOAT', 2, index)
        return entry & ~H['NARROW'] if self.port.big_endian else entry

    def float_value(self, index):
        """What a float register is stored as: where its entry says so, its upper half."""
        value = self.given[self.port.floats[index]]
        narrow = self.scatter('H_FLOAT', 2, index) & H['NARROW'] != 0
        return z3.If(narrow, z3.LShR(value, 32), value) if self.port.big_endian else value

    def vector_word(self, index):
        """One of vector registers, the upper half of each first."""
        value = self.given[self.port.own_vectors[index // 2]]
        return low(value) if index % 2 else z3.Extract(127, 64, value)

    def listing(self, offset):
        return wide(self.native(self.list(offset, 2)))

    def parts(self):
        """Words of registers: where each goes, and its value; those of the contexts, floats, all others."""
        integers = [(self.integer(i), self.value(i), 8) for i in self.integers]
        floats = [(self.float(i), self.float_value(i), self.port.float_bytes) for i in range(len(self.port.floats))]
        contexts = self.integers.index(2)
        for to, value, width in [*integers[:contexts], *floats, *integers[contexts:]]:
            for at in range(0, width, self.unit):
                yield to + at, self.part(value, at)

    def in_register(self, place):
        return z3.Or(*(to == place.offset for to, _ in self.parts()))

    def register_has(self, place):
        """B4, of registers: if one goes to this place, the value is its; of several, if they are stored in order, the last one's."""
        facts, later = [], False
        for to, value in reversed([*self.parts()]):
            here = to == place.offset
            facts.append(z3.Implies(z3.And(here, z3.Not(later)), place.value == value))
            later = z3.Or(later, here) if self.port.host_ordered else False
        return facts

    def word_has(self, offset):
        """B3, and B4 of a stack word, by the offset of its entry."""
        entry = self.listing(offset)
        facts = [self.goes_somewhere(entry, self.unit)]
        for place in self.places:
            this = z3.And(offset == 2 * place.word, inside(place.word, 1, ZERO, self.words), z3.Not(self.in_register(place)))
            value = self.native(self.argument(z3.simplify(self.unit // 2 * offset - self.unit * self.vector_words), self.unit))
            if self.port.own_vectors:
                for i in range(H['VECTOR_WORDS']):
                    value = z3.If(z3.And(self.vectors, offset == 2 * i), self.vector_word(i), value)
            facts += [z3.Implies(entry == place.offset, z3.And(this, place.value == value))]
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
                          z3.And(entry & 3 != 3, z3.Or(self.port.vectors, entry & 3 != H['SPILL_16']), ZERO <= start, end <= SLOT * LIMIT, apart))

    def narrow_result(self, extended):
        value = self.filled(ZERO, 8)
        return z3.If(self.more & H['MORE_NARROW'] != 0, extended(value), value) if self.port.narrow else value

    def assumed(self):
        size = lambda slots: SLOT * slots + H['SCRATCH_SIZE']
        small = size(H['SMALL_SLOTS'])
        ways = [H[f'MORE_{name}'] for name in ('RESULTS', *self.port.host_ways)]
        count, more = len(self.port.floats), self.way
        return super().assumed() + [
            # B1: the frame.
            z3.And(self.frame & 15 == 0, inside(self.frame, 0, size(self.slots), small if self.small else MAX_BYTES)),
            self.frame == small if self.small else True,
            # B2: counts.
            z3.And(self.words & H['H_GROUP'] - 1 == 0, self.vector_words <= self.words,
                   self.unit * self.stack_words <= MAX_BYTES + 8 * H['H_GROUP']),
            z3.And(self.floats <= count, self.slots <= MAX_BYTES // SLOT),
            z3.Or(*(more == way for way in (0, *ways))),
            z3.Or(self.spills == 0,
                  z3.And(self.spills < self.slots, self.spills <= LIMIT, more == H['MORE_RESULTS'])),
            # There are slots for what is loaded from them.
            z3.Or(more == 0, self.slots > z3.If(more == H['MORE_X87_PAIR'], bits(1), ZERO)),
            # B3
            *(self.goes_somewhere(self.integer(i), 8) for i in range(8)),
            *(self.goes_somewhere(self.float(i), 16) for i in range(count)),
            *(z3.Or(self.floats > i, self.float(i) == self.scratch) for i in range(count)),
            # B4
            *(fact for place in self.places for fact in self.register_has(place)),
            *(self.word_has(2 * place.word) for place in self.places),
            # B6: masks.
            z3.Or(self.scatter('H_MASKED') == 1,
                  z3.And(self.scatter('H_MASKED') == 0, *(self.mask(i) == bits(-1) for i in range(MASKS)))),
            # Any place is one.
            self.place.offset & self.unit - 1 == 0, inside(self.place.offset, self.unit, ZERO, self.scratch),
            self.has_source(self.place),
            z3.Or(self.spills == 0, z3.And(*map(self.has_source, self.pointer))),
            # B5
            self.spill_fits(self.spill),
        ]

    # ---- accesses

    def load(self, state, address, width):
        """By a stack pointer that has been aligned."""
        if self.port.alignment < 16 and address.eq(z3.simplify(state[self.sp])) and state.holds(address == self.start):
            state[self.sp] = address = self.start
        return super().load(state, address, width)

    def load_context(self, state, offset, width):
        """E10."""
        at = number(offset)
        addresses = {H['H_FUNCTION']: self.function, H['H_LISTS']: self.lists}
        if width == 8 and at in addresses:
            return self.native(addresses[at])
        if at is None or not H['H_SCATTER'] <= at <= SCATTER_END - width:
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
        arguments = self.port.arguments
        if width == 1:      # of a word whose bytes VEX reverses one by one
            at = next((at for at in range(8) if state.holds(offset - self.offset(self.top) & 7 == at)), 0)
            return z3.Extract(8 * at + 7, 8 * at, self.load_stack(state, z3.simplify(offset - at), 8))
        if state.holds(offset < arguments):
            return super().load_stack(state, offset, width)
        end = arguments + self.unit * self.stack_words
        state.claim(inside(offset, width, bits(arguments), end), 'E10: outside the arguments')
        return self.argument(offset - arguments, width)

    def store_stack(self, state, offset, value):
        """Bytes that VEX stores one by one are a word again."""
        super().store_stack(state, offset, value)
        log = state.memory['stack'].log
        if value.size() == 8 and len(log) > 1:
            (at, size, first, guard), (_, _, last, _) = log[-2:]
            if guard is True and number(offset - at) == size < self.unit:
                log[-2:] = [(at, size + 1, z3.simplify(z3.Concat(last, first)), True)]

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
        memory['stack'].grain = self.unit
        if called:
            memory['stack'].before = self.from_slots
        return memory

    def from_slots(self, offset, width):
        """After the call. A part of slot 0 is one of its first word."""
        at = z3.simplify(offset - self.offset(self.top))
        return low(self.filled(at, self.unit), 8 * width) if width < self.unit and number(at) == 0 else self.filled(at, width)

    def begin(self, state):
        super().begin(state)
        port = self.port
        register = port.plain_context if self.plain else port.callee
        state[register] = self.context
        names = [*port.integers, *port.floats, *port.own_vectors, *filter(None, [port.host_hidden])]
        self.given = {name: state[name] for name in names}
        self.caller = ZERO if self.plain else state[port.caller]
        elsewhere = any(term.eq(self.context) for term in port.host_roles(self).values())
        self.loaded = self.given if elsewhere else {**self.given, register: self.context}

    def call(self, state, target):
        """E8."""
        port, sp, claim = self.port, z3.simplify(state[self.sp] + self.port.pushed), state.claim
        claim(not state.called, 'E8: another call')
        claim(target == self.function, 'E8: FUNCTION')
        claim(sp == self.bottom - port.space, 'E8: slots')
        claim(self.top & 15 == 0, 'E8: alignment')
        if 'd' in self.kept:
            claim(state['d'] == self.kept['d'], 'E8: direction flag')
        self.frame_record(state, sp)
        for i, value in enumerate((self.context, self.caller, self.top, self.slots)):
            claim(state[port.integers[i]] == value, f'E8: argument {i}')
        state.claim_stored(self.stored(self.place, ZERO), 'E8: a parameter')
        if port.host_hidden:
            state.claim_stored(self.hidden(), f'E8: {port.host_hidden}')
        self.after_call(state, sp)
        # `planned` writes to the places, too.
        state.memory['stack'].forget(self.offset(self.top + self.scratch), self.from_slots)
        for name, value in self.unused().items():
            state[name] = value

    def float_result(self):
        """Where there are more results."""
        return self.filled(ZERO, 16) if self.port.float_bytes == 16 else self.narrow_result(self.port.narrow)

    def vector_result(self):
        """In the first vector register of their own: slot 0 if any of them carries something, if result 0 is not narrow."""
        there = z3.Concat(self.filled(bits(8), 8), self.narrow_result(sign_extended))
        return z3.If(self.vectors, there, self.vector_left)

    def image(self):
        """Vector registers of their own are stored below the slots, and read as stack words are."""
        return [('stack', self.offset(self.top + 8 * (i - H['VECTOR_WORDS'])), self.native(self.vector_word(i)), self.vectors)
                for i in range(H['VECTOR_WORDS'] if self.port.own_vectors else 0)]

    def unused(self):
        if self.port.own_vectors:
            return {self.port.own_vectors[0]: self.vector_left}
        return EMPTY_X87 if self.port.x87 else {}

    def stored(self, place, count):
        """A place whose register or word is done, if it is one that has a source."""
        done = count <= place.word if self.port.host_last_first else place.word < self.words - count
        done = z3.And(self.has_source(place), z3.Or(self.in_register(place), done))
        return [('stack', self.offset(self.top + place.offset), place.value, done)]

    def hidden(self):
        """The register that has C's return pointer, unless the place is for the VM convention's."""
        value = self.given[self.port.host_hidden]
        return [('stack', self.offset(self.top + place.offset), self.part(value, at), z3.Not(self.has_source(place)))
                for at, place in zip(range(0, 8, self.unit), self.pointer)]

    def saved(self):
        """What is kept through the call."""
        return [*self.kept_there(self.port.host_saved),
                *(cell for place in self.pointer for cell in self.stored(place, ZERO))]

    def kept_there(self, saved):
        return [('stack', bits(offset), getattr(self, name), True) for name, offset in saved.items()]

    def stored_results(self, done):
        entry, start, _ = self.result(self.spill)
        done, at = z3.And(self.any_spill, done), SLOT * (self.spill + 1)
        is_4, is_16 = (entry & 3 == H[name] for name in ('SPILL_4', 'SPILL_16'))
        halves = [self.filled(at, 8), self.filled(at + 8, 8)]
        first, second = halves[::-1] if self.port.big_endian else halves
        return [('area', entry - H['SPILL_4'], self.native(low(halves[0], 32)), z3.And(done, is_4)),
                ('area', entry - H['SPILL_8'], self.native(halves[0]), z3.And(done, entry & 3 == H['SPILL_8'])),
                ('area', entry - H['SPILL_16'], self.native(first), z3.And(done, is_16)),
                ('area', entry - H['SPILL_16'] + 8, self.native(second), z3.And(done, is_16))]

    def always(self):
        registers, stored = super().always()
        port = self.port
        frame = [] if port.backchain else [('stack', bits(port.saved_frame), self.kept[port.frame], True)]
        return {**registers, port.frame: self.entry + port.saved_frame}, stored + frame

    def exit(self, state, following):
        """E9."""
        port, claim = self.port, state.claim
        claim(state.called, 'E8: FUNCTION is called')
        claim(following == self.returns, 'returns to the caller')
        self.left(state, port.pushed)
        claim(state[port.result] == self.narrow_result(sign_extended), 'E9: integer result')
        way = {name: self.way == H[f'MORE_{name}'] for name in ('RESULTS', 'PAIR', 'BOTH', 'X87', 'X87_PAIR')}
        first, second = self.narrow_result(port.narrow), self.filled(bits(8), 8)
        claim(low(state[port.float_result]) == z3.If(way['BOTH'], second, first), 'E9: float result')
        several = z3.Or(way['PAIR'], way['BOTH'])
        for name in port.more_results:
            claim(z3.Implies(several, state[name] == second), f'E9: {name}')
        floats = [port.float_result, *port.more_float_results]
        if len(floats) == 2:
            claim(z3.Implies(way['PAIR'], low(state[floats[1]]) == second), f'E9: {floats[1]}')
        elif len(floats) > 2:
            for i, name in enumerate(floats):
                there = z3.And(way['PAIR'], 16 * i + 16 <= self.scratch)
                claim(z3.Implies(there, state[name] == self.filled(bits(16 * i), 16)), f'E9: {name}')
        if port.own_vectors:
            claim(state[port.own_vectors[0]] == self.vector_result(), 'E9: vector result')
        if port.float_bytes == 16:
            vector = state[port.float_result] == self.filled(ZERO, 16)
            claim(z3.Implies(way['RESULTS'], vector), 'E9: vector result')
        if port.x87:
            self.x87_results(state, way['X87'], way['X87_PAIR'])
        state.claim_stored(self.stored_results(True), 'E9: a result')

    def x87_results(self, state, one, pair):
        values, tags = (state.machine.place(name)[0] for name in ('fpu_regs', 'fpu_tags'))
        number_of = z3.If(one, bits(1, 32), z3.If(pair, bits(2, 32), bits(0, 32)))
        state.claim(state['ftop'] & 7 == -number_of & 7, 'E9: x87 registers')
        for guard, results in ((one, [0]), (pair, [0, SLOT])):
            for i, at in enumerate(results):
                register = 8 - len(results) + i
                value = shortened(z3.Concat(self.filled(bits(at + 8), 2), self.filled(bits(at), 8)))
                is_there = z3.And(state.get(values + 8 * register, 8) == value, state.get(tags + register, 1) == 1)
                state.claim(z3.Implies(guard, is_there), f'E9: st{i}')


class Pages(Cut):
    """The frame, page by page: as many bytes as are left."""
    name, ahead = 'pages', PAGE

    def left(self, state):
        return state[self.port.host_pages_left]

    def facts(self, count):
        return [z3.ULE(count, self.contract.frame), count & 15 == 0]

    def registers(self, count):
        contract, port = self.contract, self.port
        return {**contract.loaded, **port.host_roles(contract), **port.host_pages_more, port.host_pages_left: count,
                port.sp: contract.top + count}

    def stored(self, count):
        return self.contract.kept_there(self.port.host_saved_first)


class Words(Cut):
    """Stack words: as many as are left."""
    name = 'words'

    def __init__(self, contract):
        super().__init__(contract)
        self.ahead = self.port.space + (self.port.pushed or PAGE - UNTOUCHED + 16)

    def left(self, state):
        return state[self.port.host_words_left]

    def facts(self, count):
        at_once = self.port.host_words_at_once
        return [z3.ULE(count, self.contract.stack_words), count != 0, count & at_once - 1 == 0]

    def registers(self, count):
        contract, port = self.contract, self.port
        return {**port.host_roles(contract), **port.host_words(contract, count), port.host_words_left: count,
                port.sp: contract.bottom}

    def stored(self, count):
        contract, port = self.contract, self.port
        hidden = contract.hidden() if port.host_hidden else []
        places = [cell for place in contract.places for cell in contract.stored(place, count)]
        return [*contract.kept_there(port.host_saved), *hidden, *places]


class VectorWords(Words):
    """Words of vector registers of their own: as many as are left."""
    name = 'vector words'

    def facts(self, count):
        return [z3.ULE(count, H['VECTOR_WORDS']), count != 0, self.contract.vectors]

    def registers(self, count):
        contract, port = self.contract, self.port
        return {**port.host_roles(contract), **port.host_vector_words(contract, H['VECTOR_WORDS'] - count),
                port.host_words_left: count, port.sp: contract.bottom}

    def stored(self, count):
        contract = self.contract
        left = contract.words - H['VECTOR_WORDS'] + count
        return contract.image() + [cell for place in contract.places for cell in contract.stored(place, left)]


class Returned(Cut):
    """After the call."""
    name, called = 'returned', True

    def registers(self, count):
        contract, port = self.contract, self.port
        return {**port.host_returned(contract), port.sp: contract.bottom - port.space, **contract.unused()}

    def stored(self, count):
        return self.contract.saved()


class Spills(Cut):
    """Results for the return area, in order: as many as are left."""
    name, called = 'results', True

    def left(self, state):
        return state[self.port.host_spills_left]

    def facts(self, count):
        contract = self.contract
        return [z3.ULE(count, contract.spills), count != 0, contract.way == H['MORE_RESULTS']]

    def registers(self, count):
        contract, port = self.contract, self.port
        done = contract.spills - count
        lists, slots = contract.lists + 2 * (contract.words + done), contract.top + SLOT * done
        vector = {port.own_vectors[0]: contract.vector_result()} if port.own_vectors else {}
        return {**port.host_spills(contract, lists, slots), port.host_spills_left: count,
                port.sp: contract.bottom - port.space, port.result: contract.narrow_result(sign_extended),
                port.float_result: contract.float_result(), **contract.unused(), **vector}

    def stored(self, count):
        contract = self.contract
        return contract.stored_results(z3.ULT(contract.spill, contract.spills - count))
