"""The bodies that enter native code, what pointers call, and what enters a body with more
in registers: E1 to E5, E7 and E11 of the header of asm/x86_64_sysv.S.

The descriptor is symbolic: of it only that is assumed which `Source::encode` makes true
of every one, by the names A1 to A9. So a proof is for every signature.
"""
import z3

from contract import H, ZERO, Contract, Fields
from memory import Bytes, Memory, Unproved, bits, extended, fresh, inside, low, number, sign_extended, wide

LIMIT = 1024        # of parameters, and of results
MAX_BYTES = 65520   # of slots, and of stack words
HALF = (1 << 32) - 1
SPILLS = [(H['SPILL_8'], 8), (H['SPILL_4'], 4), (H['SPILL_16'], 16)]


class Enter(Contract):
    """A body that calls the target, or jumps there."""
    tail, stores = False, False
    most = 8, 8     # how many registers of each class it loads

    def __init__(self, port, stride):
        super().__init__(port)
        self.frame_end = port.saved
        self.callee, self.caller, self.target = z3.BitVecs('callee caller target', 64)
        self.slots, self.descriptor = self.base('slots'), self.base('descriptor')
        self.header = field = Fields('header_', 0, H['D_LISTS'], self.native)
        field.bytes[H['D_STRIDE']], self.distance = bits(stride, 8), stride
        self.list, self.slot, self.area = Bytes('list'), Bytes('slot'), Bytes('area')
        # Added to an entry of a value of four bytes that is extended, where the convention says how.
        self.mark = H['NARROW'] if port.narrow else 0
        self.result_in, self.float_in = z3.BitVec('result', 64), z3.BitVec('float_result', 8 * port.float_bytes)
        self.vector_in = z3.BitVec('vector_result', 128) if port.float_bytes < 16 else self.float_in
        self.words, self.spills, self.count = field('D_STACK_WORDS'), field('D_SPILLS'), field('D_SLOTS')
        self.return_area, self.return_word = field('D_RETURN_AREA'), field('D_RETURN_WORD')
        self.return_register, self.result = field('D_RETURN_REGISTER', 1), field('D_RESULT', 1)
        self.stride, floats = field('D_STRIDE', 1), field('D_FLOATS', 1)
        # That some entry has it is said beside the tier.
        self.unmarked = floats & H['SOME_NARROW'] == 0
        self.floats = floats & ~H['SOME_NARROW'] if port.narrow else floats
        # Where vectors have registers of their own, the first words are for these.
        self.vector_words = z3.If(self.floats == H['FLOATS_VECTORS'], bits(H['VECTOR_WORDS']), ZERO) if port.own_vectors else ZERO
        # Whether registers may carry vectors, and whether only the first ones carry anything.
        self.some_vectors = self.floats == H['FLOATS_SOME_VECTORS']
        self.vectors = z3.Or(self.some_vectors, self.floats == H['FLOATS_VECTORS'])
        self.scalar = z3.Or(self.result == H['RESULT_INTEGER'], self.result == H['RESULT_FLOAT'])
        self.vector, self.pair = self.result == H['RESULT_VECTOR'], self.result == H['RESULT_X87_PAIR']
        self.x87 = z3.Or(self.result == H['RESULT_X87'], self.pair)
        self.results = self.spills + z3.If(z3.Or(self.scalar, self.vector), bits(1), ZERO)
        # The bytes of results, as far as the assembly stores them, and of all slots.
        self.written = z3.If(z3.And(self.vector, self.spills == 0), bits(16), self.scale(self.results))
        self.array = self.scale(self.count)
        # Registers of a result after the first ones.
        self.more_results = {name: z3.BitVec(f'more_in_{name}', size)
                             for names, size in ((port.more_results, 64), (port.more_float_results, 8 * port.float_bytes))
                             for name in names}

    def scale(self, count):
        return self.distance * count

    # ---- R1: what Source::encode makes true of every descriptor

    def assumed(self):
        vectors, at_most = H['FLOATS_VECTORS'], MAX_BYTES // self.port.word + H['GROUP']
        registers = [0] + [1 << i for i in range(2, len(self.port.integers))]
        unit, end = self.port.word, self.port.space + self.port.word * (self.words - self.vector_words)
        return super().assumed() + [
            # A1: the counts, and kinds of what is counted.
            z3.And(self.results <= LIMIT, self.array <= MAX_BYTES, self.written <= self.array),
            z3.Implies(self.spills != 0, z3.Or(self.scalar, self.vector)),
            z3.Or(self.result == H['RESULT_NONE'], self.scalar, self.vector, self.x87),
            z3.Implies(self.result == H['RESULT_FLOAT'], z3.Or(*(self.header('D_RESULT_MASK', 8) == mask for mask in (HALF, -1)))),
            z3.Implies(self.x87, inside(ZERO, 16, ZERO, self.array)),
            z3.Implies(self.pair, inside(bits(16), 16, ZERO, self.array)),
            # A2: how many registers to load; where there are several results, a vector is in one slot.
            z3.Or(self.some_vectors, *(self.floats == tier for tier in (0, H['FLOATS_SOME'], H['FLOATS_ALL'], vectors))),
            z3.Implies(self.some_vectors, len(self.port.floats) > H['FLOATS_SOME'] and not self.port.own_vectors and self.port.vectors),
            z3.Implies(z3.And(self.vector, self.spills != 0), self.stride == 16),
            z3.Implies(self.count == 0, z3.And(self.floats == 0, self.words == 0)),
            z3.Or(self.port.vectors, z3.And(z3.Not(self.vector), self.floats != vectors)),
            self.words >= self.vector_words,
            # A3: stack words in groups.
            z3.And(self.words & H['GROUP'] - 1 == 0, self.words <= at_most),
            # A4: the return area.
            z3.And(self.return_area & self.port.alignment - 1 == 0, self.return_area <= 16 * LIMIT),
            z3.Or(self.spills == 0, self.return_area != 0),
            # A5: its pointer, in a register or a stack word, or in a word that is not read.
            z3.Or(*(self.return_register == register for register in registers)),
            z3.Implies(self.return_register != 0, self.spills != 0),
            z3.And(self.return_word & unit - 1 == 0, inside(self.return_word, 0, bits(self.port.space), end)),
            z3.Implies(z3.And(self.spills != 0, self.return_register == 0), self.return_word + 8 <= end),
        ] + self.shape()

    def from_slots(self, entry, width=8):
        """A6, A7: bytes of the slots; 0 if there are none. No mark, if there is said to be none."""
        offset = entry & ~self.mark
        there = z3.If(self.count == 0, offset == 0, inside(offset, width, ZERO, self.array))
        return z3.And(there, z3.Implies(self.unmarked, entry == offset))

    def value(self, entry, narrow):
        """Eight bytes of the slot that an entry names, or four that are extended so."""
        if not self.mark:
            return self.slot(entry, 8)
        value = self.slot(entry & ~self.mark, 8)
        return z3.If(entry & self.mark != 0, narrow(value), value)

    def register(self, state, name, index):
        """The entry of a register, with A6."""
        entry = self.header(name, 2, index)
        state.know(self.from_slots(entry))
        if name == 'D_FLOAT':
            state.know(z3.Implies(self.vectors, self.from_slots(entry, 16)))
        return entry

    def listing(self, offset):
        """An entry of the lists."""
        return wide(self.native(self.list(offset, 2)))

    def listed(self, offset):
        """A7 of an entry if it is of a stack word, A8 if it is of a spill."""
        entry, words = self.listing(offset), 2 * self.words
        spill = [entry & 3 != 3, z3.Or(self.port.vectors, entry & 3 != H['SPILL_16'])]
        for mark, width in SPILLS:
            start = entry - mark
            fits = inside(start, width, ZERO, self.return_area)
            fits = z3.And(start & min(width, 8) - 1 == 0, fits, self.stride >= width)
            spill.append(z3.Implies(entry & 3 == mark, fits))
        return z3.And(z3.Implies(inside(offset, 2, ZERO, words), self.from_slots(entry, self.port.word)),
                      z3.Implies(inside(offset, 2, words, words + 2 * self.spills), z3.And(*spill)))

    # ---- accesses

    def load_descriptor(self, state, offset, width):
        """E3: of a descriptor, header and lists."""
        constant, lists = number(offset), H['D_LISTS']
        if constant is not None and 0 <= constant <= lists - width:
            for name in ('D_INTEGER', 'D_FLOAT'):
                index = (constant - H[name]) // 2
                if 0 <= index < 8:
                    self.register(state, name, index)
            return self.header.load(constant, width)
        state.claim(inside(offset, width, ZERO, lists + 2 * (self.words + self.spills)), 'E3: outside the descriptor')
        if width == 2 and state.holds(z3.And(offset >= lists, offset & 1 == 0)):
            offset = z3.simplify(offset - lists)
            state.know(self.listed(offset))
            return self.list(offset, 2)
        return fresh('of_the_descriptor', 8 * width)

    def store_descriptor(self, state, offset, value):
        raise Unproved(f'E3: the descriptor is written, at {state.pc:#x}')

    def load_slots(self, state, offset, width):
        state.claim(inside(offset, width, ZERO, self.array), 'E3: outside the slots')
        state.claim(not state.called, 'E1: a slot is read after the call')
        return self.slot(offset, width)

    def store_slots(self, state, offset, value):
        """E3: of the slots, those of results."""
        state.claim(state.called, 'E1: a slot is written before the call')
        state.claim(inside(offset, value.size() // 8, ZERO, self.written), 'E3: outside the result slots')
        state.memory['slots'].store(offset, value)

    # ---- begin, call, end

    def memory(self, called):
        grain = 1 if self.port.big_endian else 8    # as bytes are reversed
        return {**super().memory(called), 'slots': Memory(lambda offset, width: fresh('before', 8 * width), grain=grain)}

    def begin(self, state):
        super().begin(state)
        for name in ('callee', 'caller', 'target', 'slots'):
            self.give(state, name, getattr(self, name))
        self.give_descriptor(state)
        self.hidden = state[self.port.hidden] if self.port.hidden else None

    def give_descriptor(self, state):
        self.give(state, 'descriptor', self.descriptor)

    def call(self, state, target):
        """E1, and what R3 leaves."""
        port, sp = self.port, z3.simplify(state[self.sp] + self.port.pushed)
        state.claim(not self.tail and not state.called, 'E1: another call')
        state.claim(target == self.target, 'E1: target')
        state.claim(sp & port.alignment - 1 == 0, 'E1: alignment of the stack')
        self.frame_record(state, sp)
        self.arguments(state, self.offset(sp))
        self.after_call(state, sp)
        for name, term in {**self.more_results, port.result: self.result_in, port.float_result: self.float_in}.items():
            state[name] = term
        if port.own_vectors:
            state[port.own_vectors[0]] = self.vector_in
        self.target_wrote(state, self.offset(sp))

    def exit(self, state, following):
        if self.tail:
            state.claim(following == self.target, 'E1: target')
            self.left(state, 0)
            on_stack = self.port.pushed and state.memory['stack'].load(state, ZERO, self.port.pushed)
            returns = on_stack if self.port.pushed else state[self.port.link]
            state.claim(returns == self.returns, 'the return address is there')
            return self.arguments(state, bits(self.port.pushed))
        state.claim(state.called, 'E1: target is called')
        state.claim(following == self.returns, 'returns to the caller')
        self.left(state, self.port.pushed)
        self.results_are_there(state)

    def arguments(self, state, top):
        """E1, with the argument area from this offset of the stack on."""
        port, claim, area = self.port, state.claim, self.return_pointer()
        claim(state[port.callee] == self.callee, 'E1: callee context')
        claim(state[port.caller] == self.caller, 'E1: caller context')
        if port.hidden:
            claim(state[port.hidden] == self.hidden, f'E1: {port.hidden} as it came')
        if 'd' in self.kept:
            claim(state['d'] == self.kept['d'], 'E1: direction flag')
        integers, floats = self.most
        seldom = port.seldom and self.register(state, 'D_INTEGER', port.seldom) == 0
        for i, name in list(enumerate(port.integers))[2:integers]:
            slot = self.value(self.register(state, 'D_INTEGER', i), sign_extended)
            nothing = seldom if port.seldom and i >= port.seldom else False
            argument = z3.Or(self.count == 0, nothing, state[name] == slot)
            claim(z3.If(self.return_register == 1 << i, state[name] == area, argument), f'E1: {name}')
        for i, name in enumerate(port.floats[:floats]):
            offset = self.register(state, 'D_FLOAT', i)
            beyond = z3.And(self.some_vectors, i >= H['FLOATS_SOME'])
            none = z3.Or(self.floats <= i, beyond, z3.And(self.vectors, i < port.first_vector))
            claim(z3.Or(none, low(state[name]) == self.value(offset, port.narrow)), f'E1: {name}')
            if port.float_bytes == 16:
                vector = state[name] == self.slot(offset, 16)
                claim(z3.Or(none, z3.Not(self.vectors), vector), f'E1: vector {name}')
        on_stack = z3.And(self.spills != 0, self.return_register == 0)
        state.claim_stored([('stack', top + self.return_word, self.native(area), on_stack)], 'E1: return pointer')
        for index in self.claimed_words():
            for i, name in enumerate(port.own_vectors):
                halves = z3.Extract(127, 64, state[name]), low(state[name])     # the upper one comes first
                for word, half in enumerate(halves, 2 * i):
                    here = z3.And(self.vector_words != 0, index == word)
                    state.claim_if(here, lambda case: case.claim_where(
                        z3.simplify(index - word), self.native(half) == self.stack_word(index), f'E1: {name}'))
            at = port.space + port.word * (index - self.vector_words)
            pointer = z3.And(self.return_word < at + port.word, at < self.return_word + 8)
            carries = z3.And(inside(index, 1, self.vector_words, self.words), z3.Not(pointer))
            state.claim_stored([('stack', top + at, self.stack_word(index), carries)], 'E1: a stack word')

    def stack_word(self, index):
        entry = self.listing(2 * index)
        if self.port.word < 8:
            return self.slot(entry, self.port.word)
        return self.native(self.value(entry, sign_extended))

    def claimed_words(self):
        return []

    def return_pointer(self):
        """Where the return area is, which is not asked for without one."""
        return self.entry + self.frame_end - self.return_area

    def target_wrote(self, state, top):
        """Whatever is below this offset of the stack."""
        state.memory['stack'].forget(top + self.port.space, lambda offset, width: fresh('forgotten', 8 * width))

    def first_result(self):
        """E7: result 0, as it is stored; and whether it is a scalar, or a vector."""
        mask, float = self.header('D_RESULT_MASK', 8), low(self.float_in)
        if self.port.big_endian:    # an f32 is the upper half of its register
            float = z3.If(mask == HALF, z3.LShR(float, 32), float)
        value = z3.If(self.result == H['RESULT_INTEGER'], self.result_in, float)
        return [('slots', ZERO, value & mask, self.scalar),
                ('slots', ZERO, self.vector_in, self.vector)]

    def results_are_there(self, state):
        """E2: a result 0 that is left, and what it and others may have left in addition."""
        integer = z3.Or(self.result != H['RESULT_INTEGER'], state[self.port.result] == self.result_in)
        float = z3.Or(self.result != H['RESULT_FLOAT'], low(state[self.port.float_result]) == low(self.float_in))
        state.claim(integer, 'E2: integer result')
        state.claim(float, 'E2: float result')
        if not self.stores:
            left = {**self.more_results, self.port.result: self.result_in, self.port.float_result: self.float_in}
            for name, term in left.items():
                state.claim(z3.Or(self.spills != 0, state[name] == term), f'E2: {name}, of a result in registers')


class Bare(Enter):
    record = False

    @property
    def tail(self):
        return 'bare' in self.port.jumps

    def shape(self):
        return [self.count == 0]


class ShortCut(Enter):
    @property
    def record(self):
        return self.port.backchain

    @property
    def tail(self):
        return 'short_cut' in self.port.jumps

    @property
    def most(self):
        return self.port.short_cut

    def shape(self):
        """R4: what this shape or a shorter one serves."""
        return [self.spills == 0, self.array > 0, self.words == 0]


class Fixed(Enter):
    def shape(self):
        return [self.spills == 0, self.array > 0, self.words <= H['FIXED_WORDS']]

    def claimed_words(self):
        return [bits(index) for index in range(H['FIXED_WORDS'])]

    def target_wrote(self, state, top):
        """The argument area is the target's."""
        super().target_wrote(state, top + self.port.word * H['FIXED_WORDS'])


class StoringShortCut(Enter):
    """E7, for what a pointer calls if it needs no stack words."""
    stores = True

    def shape(self):
        """R4 and R5."""
        return [self.words == 0, self.spills == 0, self.scalar]

    def store_slots(self, state, offset, value):
        some = z3.Or(self.scalar, z3.And(self.vector, self.port.variable_stores))
        state.claim(some, 'E7: a slot is written without a result that was left')
        super().store_slots(state, offset, value)

    def results_are_there(self, state):
        scalar, vector = self.first_result()
        state.claim_stored([scalar, vector] if self.port.variable_stores else [scalar], 'E7: result 0')


class StoringInteger(StoringShortCut):
    def shape(self):
        return [*super().shape(), self.result == H['RESULT_INTEGER'], self.floats <= H['FLOATS_SOME']]


class StoringFloat(StoringShortCut):
    def shape(self):
        return [*super().shape(), self.result == H['RESULT_FLOAT'], self.floats <= H['FLOATS_SOME']]


class Storing(StoringShortCut):
    """The same, where the body whose address is before the descriptor makes the call. On some ports it is called for any
    result, with the descriptor in a register of its own, and may make the short cut itself.
    """

    def __init__(self, port, stride):
        super().__init__(port, stride)
        self.short = z3.And(self.header('D_SHAPE', 1) == H['SHAPE_SHORT_CUT'], port.storing_short_cut)

    @property
    def most(self):
        return self.port.short_cut

    def shape(self):
        """R5: a vector only if the body leaves it, and the port's function stores it. R4 of the short cut."""
        left = z3.Or(self.scalar, z3.And(self.vector, self.spills == 0, self.port.variable_stores))
        short = z3.Implies(self.short, z3.And(self.spills == 0, self.array > 0, self.words == 0))
        return [short] if self.port.storing_descriptor else [left]

    def give_descriptor(self, state):
        if self.port.storing_descriptor:
            state[self.port.storing_descriptor] = self.descriptor
        else:
            super().give_descriptor(state)

    def load_descriptor(self, state, offset, width):
        if number(offset) == -H['BODY_BEFORE'] and width == 8:
            return self.native(z3.BitVec('body', 64))
        return super().load_descriptor(state, offset, width)

    def call(self, state, target):
        if state.holds(self.short):
            return super().call(state, target)
        self.target, to_target = z3.BitVec('body', 64), self.target
        super().call(state, target)
        self.target = to_target

    def arguments(self, state, top):
        """R1 to R3 of the body."""
        if state.holds(self.short):
            return super().arguments(state, top)
        for name in ('callee', 'caller', 'slots', 'descriptor'):
            state.claim(self.passed(state, name, top) == getattr(self, name), f'R1 to R3: {name}')
        state.claim(state[self.port.target] == z3.BitVec('target', 64), 'R3: target')


class Hidden(Enter):
    """E11, for what jumps to a body with one register more."""
    tail = True

    def __init__(self, port, stride):
        super().__init__(port, stride)
        self.target, self.to_target = z3.BitVecs('body target', 64)

    def shape(self):
        """R9."""
        if self.port.hidden_in_slot:
            return [self.from_slots(self.header('D_HIDDEN')), self.array > 0]
        return []

    def begin(self, state):
        super().begin(state)
        state[self.port.target], state[self.port.body] = self.to_target, self.target
        self.given = dict(state.registers)

    def hidden_is_there(self, state):
        port, field = self.port, self.header('D_HIDDEN')
        is_there = state[port.hidden] == self.slot(field, 8) if port.hidden_in_slot else \
            z3.Extract(7, 0, state[port.hidden]) == z3.Extract(7, 0, field)
        state.claim(is_there, f'E11: {port.hidden}')

    def for_body(self, state):
        """R1 to R4 of a body that is called."""
        for name in ('callee', 'caller', 'slots', 'descriptor'):
            state.claim(state[getattr(self.port, name)] == getattr(self, name), f'R1 to R3: {name}')
        state.claim(state[self.port.target] == self.to_target, 'R3: target')

    def arguments(self, state, top):
        """E11, and R1 to R4 of the body: its arguments are where they came."""
        self.hidden_is_there(state)
        self.others_kept(state, self.given, (self.port.hidden, *self.port.hidden_scratch))


class X87(Hidden):
    """E11, for what calls the body and stores what is in x87 registers. Of these the last one that was pushed is
    `top`, which may be any: a contract for each.
    """
    tail, stores = False, True

    def __init__(self, port, stride, top):
        super().__init__(port, stride)
        self.top, self.st = top, z3.BitVecs('st0 st1', 64)

    def shape(self):
        """R9: slots have room for 10 or 26 bytes, by A1."""
        return [self.x87, self.spills == 0]

    def arguments(self, state, top):
        """R1 to R4 of the body."""
        self.hidden_is_there(state)
        self.for_body(state)
        state.claim(state['d'] == self.kept['d'], 'E1: direction flag')

    def x87_registers(self, state):
        """Values, and tags: 0 if a register is empty."""
        for i in range(8):
            yield i, state.machine.place('fpu_regs')[0] + 8 * i, state.machine.place('fpu_tags')[0] + i

    def call(self, state, target):
        super().call(state, target)
        count = 1 + state.decide(self.pair)
        state['ftop'] = bits(self.top, 32)
        for i, value, tag in self.x87_registers(state):
            index = i - self.top & 7
            state.put(tag, bits(index < count, 8))
            if index < count:
                state.put(value, self.st[index])

    def store_slots(self, state, offset, value):
        """E3: ten bytes for each."""
        room = z3.Or(inside(offset, value.size() // 8, ZERO, bits(10)),
                     z3.And(self.pair, inside(offset, value.size() // 8, bits(16), bits(26))))
        state.claim(state.called, 'E1: a slot is written before the call')
        state.claim(room, 'E3: outside the result')
        state.memory['slots'].store(offset, value)

    def results_are_there(self, state):
        for i, st in enumerate(self.st):
            state.claim_stored([('slots', bits(16 * i + at), z3.Extract(8 * at + 8 * width - 1, 8 * at, extended(st)),
                                 i == 0 or self.pair) for at, width in ((0, 8), (8, 2))], f'E11: st{i}')
        for i, _, tag in self.x87_registers(state):
            state.claim(state.get(tag, 1) == 0, f'E11: x87 register {i} is empty')
        state.claim(state['ftop'] & 7 == self.top + z3.If(self.pair, bits(2, 32), bits(1, 32)) & 7, 'E11: the top')


class Vectors(Hidden):
    """E11, for what calls the body and stores four vector registers, of aarch64 alone."""
    tail, stores = False, True

    def __init__(self, port, stride):
        super().__init__(port, stride)
        self.image = self.base('image')

    def shape(self):
        """R9: there are no others in the return area, and 64 bytes at `image`."""
        return [self.spills == 0]

    def begin(self, state):
        super().begin(state)
        state[self.port.image] = self.image

    def memory(self, called):
        return {**super().memory(called), 'image': Memory(lambda offset, width: fresh('before', 8 * width))}

    def arguments(self, state, top):
        self.for_body(state)

    def load_image(self, state, offset, width):
        raise Unproved(f'the image is read, at {state.pc:#x}')

    def store_image(self, state, offset, value):
        state.claim(state.called, 'E11: the image is written before the call')
        state.claim(inside(offset, value.size() // 8, ZERO, bits(64)), 'E3: outside the image')
        state.memory['image'].store(offset, value)

    def results_are_there(self, state):
        left = [self.float_in, *(self.more_results[name] for name in self.port.more_float_results)]
        state.claim_stored([('image', bits(16 * i), term, True) for i, term in enumerate(left)], 'E11')


ENTER = {'bare': Bare, 'short_cut': ShortCut, 'fixed': Fixed, 'hidden': Hidden, 'storing': Storing}
# Those that store what the short cut leaves: each port has its own.
STORING = {'storing_short_cut': StoringShortCut, 'storing_integer': StoringInteger, 'storing_float': StoringFloat}
