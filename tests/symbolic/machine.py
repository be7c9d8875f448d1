"""A small model of x86-64: runs machine code on values that are unknown.

Registers are z3's bit-vectors of 64 bits, vector registers pairs of them. Memory is a
few regions, each with an unknown base; an address is one base plus an offset, and the
region says what may be read and written there. A branch on something unknown goes both
ways, if both are possible. Whatever has to hold is collected on the way as a claim;
at the end of each path z3 proves all of them from what the path assumes. An
instruction that is not modelled is an error, not a guess.
"""
import copy, itertools, re, subprocess
from z3 import (And, BitVec, BitVecVal, Bool, BoolVal, Concat, Extract, If, Not, Or, Solver, ULT, Z3_OP_BADD,
                Z3_OP_UNINTERPRETED, ZeroExt, is_bv_value, is_false, is_true, sat, simplify, unsat)

NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split()
KEPT = 'rbx rbp r12 r13 r14 r15'.split()
PAGE = 4096
# Name in the text: the register, and the lowest bit and the number of bits that it means.
REGISTERS = {name: (name, 64) for name in NAMES}
REGISTERS.update({'e' + name[1:]: (name, 32) for name in NAMES[:8]})
REGISTERS.update({name + 'd': (name, 32) for name in NAMES[8:]})
REGISTERS.update({name[1:]: (name, 16) for name in NAMES[:8]})
SIZES = {'BYTE': 1, 'WORD': 2, 'DWORD': 4, 'QWORD': 8, 'XMMWORD': 16}
fresh_names = itertools.count()


class Refuted(Exception):
    """Something that has to hold does not."""


class Unknown(Exception):
    """The model cannot tell."""


def word(value):
    return BitVecVal(value, 64)


def fresh(name, bits=64):
    return BitVec(f'{name}!{next(fresh_names)}', bits)


def wide(value):
    return ZeroExt(64 - value.size(), value) if value.size() < 64 else value


class Code:
    """Instructions of an object, by address, and the addresses of its symbols."""

    def __init__(self, file, section='.text'):
        output = lambda *command: subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        self.symbols = {}
        for line in output('nm', file).splitlines():
            address, _, name = line.rsplit(' ', 2)
            if address.strip():
                self.symbols[re.sub(r'^vmtrampoline_\d+_\d+_\d+_', '', name)] = int(address, 16)
        self.at, previous = {}, None
        for line in output('objdump', '-d', '-M', 'intel', '--no-show-raw-insn', '-j', section, file).splitlines():
            match = re.match(r' *([0-9a-f]+):\t(.*)', line)
            if match:
                address, text = int(match[1], 16), match[2]
                pointed = re.search(r'# ([0-9a-f]+) ', text)
                text = re.sub(r' *[<#].*', '', text)
                if pointed:
                    text = re.sub(r'\[rip.*\]', f'[0x{pointed[1]}]', text)
                operation, _, rest = text.partition(' ')
                operands = [operand.strip() for operand in rest.split(',')] if rest.strip() else []
                self.at[address] = [operation, operands, None]
                if previous is not None:
                    self.at[previous][2] = address
                previous = address


class State:
    """One path: registers, what is known, what was done."""

    def __init__(self, spec, pc):
        self.spec, self.pc = spec, pc
        self.registers = {name: BitVec(name, 64) for name in NAMES}
        self.vectors = [(BitVec(f'xmm{i}', 64), BitVec(f'xmm{i}h', 64)) for i in range(16)]
        self.flags = {}
        self.assumed, self.claims = list(spec.facts), []
        # The frame: writes, oldest first, and ranges that a function tells of.
        self.log, self.ranges = [(word(0), 8, spec.back)], []
        self.low = word(0)
        self.writes, self.calls, self.ghost, self.steps = [], 0, {}, 0

    def copy(self):
        other = copy.copy(self)
        for name in 'registers vectors flags assumed claims log ranges writes ghost'.split():
            setattr(other, name, copy.copy(getattr(self, name)))
        return other

    # ---- what is known and what has to hold

    def check(self, condition):
        solver = Solver()
        solver.add(*self.assumed, condition)
        self.spec.queries += 1
        result = solver.check()
        if result not in (sat, unsat):
            raise Unknown('z3 gives up')
        return result == sat

    def possible(self, condition):
        condition = simplify(condition) if not isinstance(condition, bool) else BoolVal(condition)
        return not is_false(condition) and (is_true(condition) or self.check(condition))

    def certain(self, condition):
        return not self.possible(Not(condition))

    def claim(self, text, condition):
        self.claims.append((text, BoolVal(condition) if isinstance(condition, bool) else condition))

    def same(self, text, one, other):
        self.claim(text, one == other)

    def prove(self):
        """All claims of the path; later assumptions only tell its branches apart, and
        every branch comes here."""
        if not self.check(True):
            raise Unknown('what is assumed contradicts itself')
        self.spec.proved += len(self.claims)
        left = [(text, condition) for text, condition in
                ((text, simplify(condition)) for text, condition in self.claims) if not is_true(condition)]
        if left and self.check(Not(And(*(condition for _, condition in left)))):
            for text, condition in left:
                if self.check(Not(condition)):
                    raise Refuted(text)
        self.claims = []

    # ---- memory

    def split(self, address):
        """The region and the offset in it."""
        address = simplify(address)
        terms = address.children() if address.decl().kind() == Z3_OP_BADD else [address]
        bases = [term for term in terms if term.num_args() == 0 and term.decl().kind() == Z3_OP_UNINTERPRETED
                 and term.decl().name() in self.spec.regions]
        if len(bases) != 1:
            raise Refuted(f'E3: an address that points nowhere: {str(address)[:60]}')
        return bases[0].decl().name(), simplify(address - bases[0])

    def read(self, address, size):
        address = simplify(address)
        if is_bv_value(address):
            return self.spec.read_fixed(self, address.as_long(), size)
        region, offset = self.split(address)
        return simplify(self.spec.regions[region].read(self, offset, size))

    def write(self, address, size, value):
        region, offset = self.split(address)
        self.spec.regions[region].write(self, offset, size, simplify(value))

    # ---- instructions

    def address(self, operand):
        inside = re.search(r'\[(.*)\]', operand)[1]
        total = word(0)
        for sign, term in re.findall(r'([+-]?)([^+-]+)', inside):
            name, _, factor = term.partition('*')
            value = self.get(name) * int(factor or '1') if name in REGISTERS else word(int(term, 0))
            total = total - value if sign == '-' else total + value
        return total

    def size(self, operand):
        if operand in REGISTERS:
            return REGISTERS[operand][1] // 8
        if operand.startswith('xmm'):
            return 16
        return SIZES[operand.split()[0]] if '[' in operand else None

    def get(self, operand, size=None):
        if operand in REGISTERS:
            name, bits = REGISTERS[operand]
            return Extract(bits - 1, 0, self.registers[name]) if bits < 64 else self.registers[name]
        if '[' in operand:
            return self.read(self.address(operand), self.size(operand))
        return BitVecVal(int(operand, 0), 8 * size)

    def set(self, operand, value):
        if operand in REGISTERS:
            name, bits = REGISTERS[operand]
            if bits < 32:
                raise Unknown(f'a part of {name} is written')
            self.registers[name] = simplify(wide(value))
        else:
            self.write(self.address(operand), self.size(operand), value)

    def condition(self, code):
        zero, carry = self.flags.get('z'), self.flags.get('c')
        one = {'e': zero, 'z': zero, 'b': carry, 'c': carry}
        if code in ('a', 'be'):
            value = None if zero is None or carry is None else Or(zero, carry)
            positive = code == 'be'
        else:
            positive = code in one or code not in ('ne', 'nz', 'ae', 'nc')
            base = code if code in one else {'ne': 'e', 'nz': 'e', 'ae': 'b', 'nc': 'b'}.get(code)
            if base is None:
                raise Unknown(f'condition {code}')
            value = one[base]
        if value is None:  # whoever was called left something
            value = Bool(f'flag!{next(fresh_names)}')
        return simplify(value if positive else Not(value))

    def push(self, value):
        self.registers['rsp'] = simplify(self.registers['rsp'] - 8)
        self.write(self.registers['rsp'], 8, value)

    def pop(self):
        value = self.read(self.registers['rsp'], 8)
        self.registers['rsp'] = simplify(self.registers['rsp'] + 8)
        return value

    def branch(self, condition):
        """The ways it can go: state and whether the condition holds there."""
        ways = [way for way in (True, False) if self.possible(condition if way else Not(condition))]
        if not ways:
            raise Unknown('what is assumed contradicts itself')
        for way in ways:
            state = self.copy() if len(ways) > 1 else self
            state.assumed.append(condition if way else Not(condition))
            yield state, way

    def go(self, value, call):
        """Jumps or calls; what is no code of ours is the contract's business."""
        after, value = self.pc, simplify(value)
        if is_bv_value(value):
            if call:
                self.push(word(after))
            self.pc = value.as_long()
            return [self]
        self.spec.leaves(self, value, call)
        if not call:
            return []
        self.push(word(after))
        self.registers['rsp'] = simplify(self.registers['rsp'] + 8)
        self.calls += 1
        self.flags = {}
        for name in set(NAMES) - set(KEPT) - {'rsp'}:
            self.registers[name] = fresh(name)
        self.vectors = [(fresh('xmm'), fresh('xmm')) for _ in self.vectors]
        self.spec.after_call(self)
        return [self]

    def step(self, code):
        """Executes an instruction; the states that follow."""
        if self.pc not in code.at:
            raise Refuted('it leaves its code')
        self.steps += 1
        if self.steps > 500:
            raise Refuted('it does not end')
        operation, operands, self.pc = code.at[self.pc]
        one, two = (operands + [None, None])[:2]
        number = lambda name: int(name[3:])
        if operation in ('endbr64', 'nop', 'cs', 'data16', 'xchg'):
            if operation == 'xchg' and operands != ['ax', 'ax']:
                raise Unknown('xchg')
        elif operation == 'mov':
            self.set(one, self.get(two, self.size(one)))
        elif operation == 'movzx':
            self.set(one, ZeroExt(8 * (self.size(one) - self.size(two)), self.get(two)))
        elif operation == 'lea':
            self.set(one, self.address(two))
        elif operation in ('add', 'sub', 'cmp', 'and', 'test', 'xor', 'dec'):
            size = self.size(one)
            a = self.get(one)
            b = BitVecVal(1, 8 * size) if operation == 'dec' else self.get(two, size)
            result, carry = {'add': lambda: (a + b, ULT(a + b, a)), 'and': lambda: (a & b, BoolVal(False)),
                             'xor': lambda: (a ^ b, BoolVal(False)), 'test': lambda: (a & b, BoolVal(False)),
                             }.get(operation, lambda: (a - b, ULT(a, b)))()
            result = simplify(result)
            if operation not in ('cmp', 'test'):
                self.set(one, result)
            self.flags['z'] = result == 0
            if operation != 'dec':
                self.flags['c'] = carry
        elif operation == 'movsd' and one.startswith('xmm') and '[' in two:
            self.vectors[number(one)] = self.get(two), word(0)
        elif operation == 'movhps' and one.startswith('xmm'):
            self.vectors[number(one)] = self.vectors[number(one)][0], self.get(two)
        elif operation == 'movups' and one.startswith('xmm'):
            value = self.get(two)
            self.vectors[number(one)] = simplify(Extract(63, 0, value)), simplify(Extract(127, 64, value))
        elif operation == 'movups':
            self.set(one, Concat(*reversed(self.vectors[number(two)])))
        elif operation == 'movq' and one in REGISTERS:
            self.set(one, self.vectors[number(two)][0])
        elif operation == 'push':
            self.push(self.get(one, 8))
        elif operation == 'pop':
            self.set(one, self.pop())
        elif operation == 'leave':
            self.registers['rsp'] = self.registers['rbp']
            self.registers['rbp'] = self.pop()
        elif operation == 'ret':
            value = self.pop()
            if is_bv_value(value):
                self.pc = value.as_long()
                return [self]
            self.same('it returns to its caller', value, self.spec.back)
            self.spec.returns(self)
            return []
        elif operation in ('call', 'jmp'):
            inside = re.fullmatch('[0-9a-f]+', one) and one not in REGISTERS
            return self.go(word(int(one, 16)) if inside else self.get(one), operation == 'call')
        elif operation[0] == 'j':
            states = []
            for state, taken in self.branch(self.condition(operation[1:])):
                if taken:
                    state.pc = int(one, 16)
                states.append(state)
            return states
        elif operation.startswith('cmov'):
            states = []
            for state, taken in self.branch(self.condition(operation[4:])):
                state.set(one, state.get(two if taken else one))
                states.append(state)
            return states
        else:
            raise Unknown(f'{operation} {operands}')
        return [self]


class Frame:
    """The own frame, offsets from rsp on entry. All writes are between rsp and the
    return address, and no page lies between a touch and the one before."""

    def __init__(self, top):
        self.top = top  # reads end here: the return address, or the argument area

    def touch(self, state, offset, size):
        # No page lies between; pages begin at multiples of 16.
        gap = simplify(state.low - offset - size)
        aligned = (BitVec('rsp', 64) + state.low) & 15 == 0
        state.claim('E5: a page is skipped', Or(gap < PAGE, And(gap == PAGE, Not(aligned))))
        below = simplify(offset < state.low)
        if is_true(below) or not is_false(below) and state.certain(below):
            state.low = offset

    def bottom(self, state):
        region, offset = state.split(state.registers['rsp'])
        if region != 'rsp':
            raise Refuted('rsp leaves the stack')
        return offset

    def read(self, state, offset, size):
        state.claim('E3: a read outside the frame',
                    And(self.bottom(state) <= offset, offset <= self.top - size))
        self.touch(state, offset, size)
        return self.find(state, offset, size, len(state.log))

    def find(self, state, offset, size, count):
        """What the youngest of the first writes left there."""
        for i in reversed(range(count)):
            at, length, value = state.log[i]
            apart = simplify(offset - at)
            if is_bv_value(apart):
                distance = apart.as_signed_long()
                if 0 <= distance and distance + size <= length:
                    return Extract(8 * (distance + size) - 1, 8 * distance, value)
                if distance >= length or distance + size <= 0:
                    continue
                raise Unknown('a read of a part')
            disjoint = Or(apart >= length, apart <= -size)
            if state.certain(disjoint):
                continue
            if size <= length and state.certain(apart == 0):
                return Extract(8 * size - 1, 0, value)
            if size <= length and state.certain(Or(disjoint, apart == 0)):
                other = state.copy()
                other.assumed.append(apart != 0)
                return If(apart == 0, Extract(8 * size - 1, 0, value), self.find(other, offset, size, i))
            raise Unknown('a read that may be of a part')
        for low, high, value in state.ranges:
            if state.certain(And(low <= offset, offset + size <= high)):
                return value(state, offset, size)
        return fresh('stack', 8 * size)

    def write(self, state, offset, size, value):
        state.claim('E3: a write outside the frame', And(self.bottom(state) <= offset, offset <= -size))
        self.touch(state, offset, size)
        state.log.append((offset, size, value))


class Head:
    """The head of a loop: what holds whenever it is reached. A path ends here, and a
    path starts here, from any state of that kind.

    ghosts(state) are the unknowns of the loop as this state has them, given none, fresh
    ones; facts, registers and cells (frame offset, value of 8 bytes) depend on them.
    """

    def ghosts(self, state=None):
        raise NotImplementedError

    def facts(self, ghosts):
        return []

    def cases(self):
        """Conditions that tell starts apart, and what more is known of the ghosts."""
        return [(True, {})]

    def low(self, ghosts):
        raise NotImplementedError

    def enter(self, spec, pc):
        return [self.start(spec, pc, condition, known) for condition, known in self.cases()]

    def start(self, spec, pc, condition, known):
        ghosts = {**self.ghosts(), **known}
        state = State(spec, pc)
        state.ghost = dict(ghosts)
        state.assumed += [*self.facts(ghosts), condition]
        for name in set(NAMES) - set(KEPT):
            state.registers[name] = fresh(name)
        state.vectors = [(fresh('xmm'), fresh('xmm')) for _ in range(16)]
        for name, value in self.registers(ghosts).items():
            state.registers[name] = simplify(value)
        state.log += [(offset, value.size() // 8, value) for offset, value in self.cells(ghosts)]
        state.low = simplify(self.low(ghosts))
        self.more(state, ghosts)
        return state

    def more(self, state, ghosts):
        pass

    def reach(self, state):
        ghosts = self.ghosts(state)
        state.claims += [(f'{type(self).__name__}: invariant', fact) for fact in self.facts(ghosts)]
        for name, value in self.registers(ghosts).items():
            state.same(f'{type(self).__name__}: {name}', state.registers[name], value)
        for name in set(KEPT) - set(self.registers(ghosts)):
            state.same(f'{type(self).__name__}: {name}', state.registers[name], BitVec(name, 64))
        for offset, value in [(word(0), state.spec.back), *self.cells(ghosts)]:
            found = state.spec.regions['rsp'].find(state, offset, value.size() // 8, len(state.log))
            state.same(f'{type(self).__name__}: frame', found, value)
        state.claim(f'{type(self).__name__}: touches', state.low <= self.low(ghosts))
        self.reached(state, ghosts)

    def reached(self, state, ghosts):
        pass


def run(spec, code):
    """Proves a body; how many paths it has."""
    heads = {code.symbols[name]: head for name, head in spec.heads.items()}
    paths = 0
    starts = [State(spec, code.symbols[spec.name])]
    for at, head in heads.items():
        starts += head.enter(spec, at)
    for start in starts:
        if not start.check(True):
            raise Unknown('nothing satisfies what is assumed')
        first, todo = True, [start]
        while todo:
            state = todo.pop()
            if state.pc in heads and not (first and state.steps == 0 and state is start and start.ghost):
                heads[state.pc].reach(state)
                following = []
            else:
                following = state.step(code)
            first = False
            if not following:
                state.prove()
                paths += 1
            todo += following
    return paths
