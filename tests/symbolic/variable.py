"""The body that makes any call, with its three loops; see enter.py."""
import z3

from contract import H, ZERO, Cut
from enter import Enter
from memory import bits, inside, number, wide


class Variable(Enter):
    def __init__(self, port, stride):
        super().__init__(port, stride)
        self.any = self.word, self.spill = z3.BitVecs('any_word any_spill', 64)
        self.any_word = inside(self.word, 1, ZERO, self.words)
        self.any_spill = inside(self.spill, 1, ZERO, self.spills)
        self.slots_or_descriptor = z3.If(self.count == 0, self.descriptor, self.slots)
        self.returned = Returned(self)
        self.cuts = [Pages(self), *stack_words(self), self.returned, Spills(self)]

    def assumed(self):
        return super().assumed() + [self.listed(2 * self.word), self.listed(2 * (self.words + self.spill))]

    def shape(self):
        return []

    def claimed_words(self):
        return [self.word]

    def argument_area(self):
        return self.return_pointer() - self.port.word * self.words

    def always(self):
        """The frame record, and what is saved below it."""
        registers, stored = super().always()
        port, frame = self.port, self.entry + self.port.saved_frame
        saved = {} if port.backchain else {port.saved_frame: self.kept[port.frame]}
        for name, offset in self.saved_there().items():
            saved[offset] = getattr(self, name)
        return ({**registers, port.frame: frame},
                stored + [('stack', bits(offset), value, True) for offset, value in saved.items()])

    def saved_there(self):
        return self.port.saved_there

    def loops(self):
        loops = super().loops()
        return sorted(loops, key=lambda cut: not isinstance(cut, StackWords)) if self.port.words_return else loops

    def area_saved(self):
        return [('stack', bits(self.port.saved_area), self.return_pointer(), True)] if self.port.saved_area else []

    def loaded(self):
        """Until the arguments are loaded."""
        port = self.port
        registers = {port.callee: self.callee, port.caller: self.caller, **port.roles(self, self.slots_or_descriptor)}
        return {**registers, port.hidden: self.hidden} if port.hidden else registers

    def returned_registers(self):
        port = self.port
        return {port.sp: self.top() - port.space, port.result: self.result_in, port.float_result: self.float_in,
                **dict.fromkeys(port.own_vectors[:1], self.vector_in), **port.returned(self)}

    def top(self):
        """Where the target finds its arguments."""
        return self.argument_area() + self.port.word * self.vector_words

    def call(self, state, target):
        sp = state[self.sp] + self.port.pushed
        state.claim(sp == self.top() - self.port.space, 'the argument area meets the return area')
        state.claim(self.return_pointer() & self.port.alignment - 1 == 0, 'the return area is aligned')
        super().call(state, target)

    def target_wrote(self, state, top):
        """The argument area is the target's, and it has left results in the return area."""
        state.memory['stack'].forget(self.offset(self.return_pointer() + self.return_area), self.from_area)

    def from_area(self, offset, width):
        return self.area(offset - self.offset(self.return_pointer()), width)

    def memory(self, called):
        memory = super().memory(called)
        if called:
            memory['stack'].before = self.from_area
        return memory

    def stored_results(self, done):
        """Where results belong: 0 if it is not left, and any other if it is done."""
        entry, at = self.listing(2 * (self.words + self.spill)), self.scale(self.spill + 1)
        is_4, is_16 = (entry & 3 == H[name] for name in ('SPILL_4', 'SPILL_16'))
        area = lambda at, width: self.native(self.area(at, width))
        low, high = (area(entry - H['SPILL_16'] + half, 8) for half in ((8, 0) if self.port.big_endian else (0, 8)))
        scalar = z3.If(is_4, wide(area(entry - H['SPILL_4'], 4)), area(entry - H['SPILL_8'], 8))
        done = z3.And(self.any_spill, done)
        scalar_0, vector_0 = self.first_result()
        first = [scalar_0, vector_0] if self.port.variable_stores else [vector_0]
        return [*first, ('slots', at, z3.If(is_16, low, scalar), done),
                ('slots', at + 8, high, z3.And(done, is_16))]

    def results_are_there(self, state):
        """E2."""
        super().results_are_there(state)
        state.claim_stored(self.stored_results(True), 'E2')


class Pages(Cut):
    """The return area, page by page: as many bytes as are left."""
    name = 'pages'

    def __init__(self, contract):
        super().__init__(contract)
        self.ahead = self.port.page

    def left(self, state):
        return state[self.port.pages_left]

    def facts(self, count):
        return [z3.ULE(count, self.contract.return_area), count & self.port.alignment - 1 == 0]

    def registers(self, count):
        port = self.port
        return {**self.contract.loaded(), **port.pages_more, port.pages_left: count,
                port.sp: self.contract.return_pointer() + count}


class StackWords(Cut):
    """Stack words, last one first: as many as are left. Where values are extended, there is a loop for those signatures."""

    def __init__(self, contract, known=()):
        super().__init__(contract)
        self.name, self.known = f'stack words{" if" * bool(known)}', known
        self.ahead = self.port.word * self.port.words_at_once
        self.constant = {}

    def check(self, state):
        """Where this part returns to, if bodies share it, is the same at every round."""
        if self.port.words_return and not self.constant:
            self.constant = {self.port.words_return: bits(number(state[self.port.words_return]))}
        return super().check(state)

    def left(self, state):
        return self.port.words_left(self.contract, state)

    def facts(self, count):
        return [z3.ULE(count, self.contract.words), count != 0, *self.known, count & self.port.words_at_once - 1 == 0]

    def registers(self, count):
        contract, port = self.contract, self.port
        return {**contract.loaded(), **port.words(contract, count), port.sp: contract.argument_area() + port.word * count,
                **self.constant}

    def stored(self, count):
        contract = self.contract
        pushed = z3.And(contract.any_word, z3.ULE(count, contract.word))
        at = contract.offset(contract.argument_area() + self.port.word * contract.word)
        return contract.area_saved() + [('stack', at, contract.stack_word(contract.word), pushed)]


def stack_words(contract):
    if not contract.mark:
        return [StackWords(contract)]
    return [StackWords(contract, (known,)) for known in (contract.unmarked, z3.Not(contract.unmarked))]


class Returned(Cut):
    """After the call."""
    name, called = 'returned', True

    def registers(self, count):
        return {**self.contract.returned_registers(), **self.contract.more_results}

    def stored(self, count):
        return self.contract.area_saved()


class Spills(Cut):
    """Results from the return area, in order: as many as are left."""
    name, called = 'results', True

    def left(self, state):
        return state[self.port.spills_left]

    def facts(self, count):
        return [z3.ULE(count, self.contract.spills), count != 0]

    def registers(self, count):
        contract = self.contract
        done = contract.spills - count
        lists = contract.descriptor + 2 * (contract.words + done)
        slots = contract.slots + contract.scale(done)
        return {**contract.returned_registers(), **self.port.spills(contract, count, lists, slots)}

    def stored(self, count):
        contract = self.contract
        stored = contract.stored_results(z3.ULT(contract.spill, contract.spills - count))
        return stored + self.port.spills_stored(contract)


class FixedLoop(Variable):
    """`fixed`, where bodies share the loop of stack words."""

    def __init__(self, port, stride):
        super().__init__(port, stride)
        self.frame_end, self.return_area, self.returned = port.saved_fixed, ZERO, None
        self.cuts = stack_words(self)

    def shape(self):
        return [self.spills == 0, z3.Not(self.vector), self.array > 0, self.words <= H['FIXED_WORDS']]

    def saved_there(self):
        return {}

    def area_saved(self):
        return []


VARIABLE = {'variable': Variable}
