"""A second reader of instructions: each one that occurs in the assembly is executed on
random states as vex.py reads it, and by unicorn, which is qemu's reader.

    second.py [--port NAME] [--states N]

Compared are registers, where it goes on, which bytes of memory are read and written, and
what is written. Before an instruction comes another that sets the condition flags, so flags
are compared by what reads them: each such instruction follows each that sets them.

Not compared are the values of x87 registers, which VEX rounds to eight bytes, and shadow
stacks, which unicorn does not have: there is none, and what needs one is listed. On riscv64 and
s390x no jump goes to an odd address: VEX leaves the lowest bit, which riscv64 clears.

Then the judge is judged: each instruction is compared with the next other one, and some of
the semantics are broken on purpose. All of that must be noticed.
"""
import argparse
import collections
import concurrent.futures
import functools
import itertools
import multiprocessing
import os
import random
import sys
import zlib
from unittest import mock

import pyvex
import unicorn
import z3
from unicorn import arm64_const, riscv_const, s390x_const, x86_const

import prove  # which knows where ci/ is
import mutator
from machine import Machine, State
from flags import HELPERS
from memory import Refuted, Unproved, bits, number
from ports import PORTS
from vex import Step


PAGE = 4096
POINTERS = 1 << 36      # where random pointers begin
MASK = (1 << 64) - 1
FLAGS = ('cc_op', 'cc_dep1', 'cc_dep2', 'cc_ndep')


class Outside(Exception):
    """An access where a random state cannot have memory: another state is tried."""


class Unknown(Exception):
    """What the proofs do not know either, such as flags that vex.py does not read."""


# ---- states: registers by VEX's names, in numbers, and memory by a seed

class Kind:
    """A processor: where unicorn has what VEX has."""
    order, flags, vectors = 'little', FLAGS, ()
    step = 1        # what addresses of instructions are multiples of
    places = {}     # offsets of VEX that archinfo does not know
    control = {}    # by name: unicorn's number, the bits that are compared, and how far up they are in VEX's word

    def __init__(self, const, prefix, *mode):
        self.engine = unicorn.Uc(*mode)
        self.numbers = {name: getattr(const, f'{prefix}_REG_{name.upper()}') for name in self.names}
        self.pc = getattr(const, f'{prefix}_REG_{self.ip}')

    def random(self, source):
        values = {name: source.getrandbits(128) if name in self.vectors else random_value(source) for name in self.names}
        values[self.sp] = POINTERS + source.getrandbits(28) & ~15
        for name, (_, mask, shift) in self.control.items():
            values[name] = (source.getrandbits(32) & mask) << shift
        return values

    def write(self, values):
        for name, number in self.numbers.items():
            self.engine.reg_write(number, values[name])
        for name, (number, _, shift) in self.control.items():
            self.engine.reg_write(number, values[name] >> shift)

    def read(self):
        control = {name: self.engine.reg_read(number) << shift for name, (number, _, shift) in self.control.items()}
        return {name: self.engine.reg_read(number) for name, number in self.numbers.items()} | control

    def masked(self, values):
        """What is compared; None is no number."""
        masks = {name: mask << shift for name, (_, mask, shift) in self.control.items()}
        return {name: value if value is None else value & masks.get(name, -1) for name, value in values.items()}

    def page(self, seed, index):
        return PAGES[self.order][zlib.crc32(f'{seed} {index}'.encode()) % 64]

    def valid(self, values):
        """Whether a processor takes these for its control words."""
        return True


class X86(Kind):
    names = [*'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(), *(f'xmm{i}' for i in range(16))]
    sp, ip, vectors = 'rsp', 'RIP', names[16:]
    control = {'sseround': (x86_const.UC_X86_REG_MXCSR, 0xffff, 0), 'fpround': (x86_const.UC_X86_REG_FPCW, 0xffff, 0)}

    def __init__(self):
        super().__init__(x86_const, 'UC_X86', unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)

    def random(self, source):
        return super().random(source) | {'d': source.choice((1, MASK)), 'ftop': source.randrange(8),
                                         'fpu_tags': int.from_bytes(bytes(source.choices((0, 1), k=8)))}

    def write(self, values):
        super().write(values)
        write, tags = self.engine.reg_write, values['fpu_tags'].to_bytes(8, 'little')
        write(x86_const.UC_X86_REG_EFLAGS, 2 | (values['d'] != 1) << 10)
        write(x86_const.UC_X86_REG_FPSW, values['ftop'] << 11)
        write(x86_const.UC_X86_REG_FPTAG, sum((not tag) * 3 << 2 * i for i, tag in enumerate(tags)))

    def read(self):
        read = self.engine.reg_read
        tags = read(x86_const.UC_X86_REG_FPTAG)
        return {**super().read(), 'd': MASK if read(x86_const.UC_X86_REG_EFLAGS) >> 10 & 1 else 1,
                'ftop': read(x86_const.UC_X86_REG_FPSW) >> 11 & 7,
                'fpu_tags': sum((tags >> 2 * i & 3 != 3) << 8 * i for i in range(8))}

    def masked(self, values):
        return super().masked(values) | {'ftop': values['ftop'] & 7}


class Arm(Kind):
    names = [*(f'x{i}' for i in range(31)), 'sp', *(f'q{i}' for i in range(32))]
    sp, ip, vectors = 'sp', 'PC', names[32:]
    control = {'fpcr': (arm64_const.UC_ARM64_REG_FPCR, 0x07c00000, 0)}      # what every processor has

    def __init__(self):
        super().__init__(arm64_const, 'UC_ARM64', unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)


class Riscv(Kind):
    names = ('ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6 '
             'ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 '
             'fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11').split()
    sp, ip, step, flags = 'sp', 'PC', 2, ()
    control = {'fcsr': (riscv_const.UC_RISCV_REG_FCSR, 0xff, 0)}

    def __init__(self):
        super().__init__(riscv_const, 'UC_RISCV', unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
        self.engine.reg_write(riscv_const.UC_RISCV_REG_MSTATUS, 3 << 13)    # FS: float registers may be used


class S390x(Kind):
    names = [*(f'r{i}' for i in range(16)), *(f'f{i}' for i in range(32)), *(f'f{i}_hi' for i in range(32))]
    sp, ip, step, order = 'r15', 'PC', 2, 'big'
    control, reserved = {'fpc': (s390x_const.UC_S390X_REG_FPC, MASK >> 32, 32)}, 0x03030088
    places = {**dict(zip(FLAGS, range(728, 760, 8))),
              **{f'f{i}{half}': 64 + 16 * i + 8 * at for at, half in enumerate(('', '_hi')) for i in range(32)}}

    def __init__(self):
        super().__init__(s390x_const, 'UC_S390X', unicorn.UC_ARCH_S390X, unicorn.UC_MODE_BIG_ENDIAN)
        self.engine.ctl_set_cpu_model(s390x_const.UC_CPU_S390X_MAX)
        self.engine.reg_write(s390x_const.UC_S390X_REG_PSWM, 3 << 31)   # EA, BA: addresses have 64 bits
        self.engine.reg_write(s390x_const.UC_S390X_REG_CR0, 3 << 17)    # float and vector registers may be used

    def random(self, source):
        """With no rounding mode that needs the third bit."""
        values = super().random(source)
        return values | {'fpc': values['fpc'] & ~(self.reserved | 4) << 32}

    def valid(self, values):
        fpc = values['fpc'] >> 32
        return not fpc & self.reserved and fpc & 7 not in (4, 5, 6)


SECOND = {'AMD64': X86, 'AARCH64': Arm, 'RISCV64': Riscv, 'S390X': S390x}


def random_value(source):
    """Often a pointer, or a number that instructions compare with or test for."""
    pointer = POINTERS + source.getrandbits(28) & ~source.choice((0, 15))
    return source.choice((pointer, pointer, source.choice(EDGES), source.choice(EDGES), source.choice(EDGES[:8]),
                          source.getrandbits(12), source.getrandbits(64)))


def random_page(source, order):
    """Words as registers have them, or bytes of which many are small."""
    if source.getrandbits(1):
        return b''.join(random_value(source).to_bytes(8, order) for _ in range(0, PAGE, 8))
    return bytes(source.choice((source.getrandbits(8), source.choice(EDGES[:8]))) for _ in range(PAGE))


EDGES = [0, 1, 2, 3, 4, 8, 16, 32, 64, PAGE, 1 << 31, (1 << 32) - 1, 1 << 63, MASK]
PAGES = {order: [random_page(random.Random(i), order) for i in range(64)] for order in ('little', 'big')}


# ---- the first reader

class Registers(dict):
    """Words of a state, which become terms when they are asked for."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    def get(self, offset):
        if offset not in self and offset in self.words:
            self[offset] = bits(self.words[offset])
        return super().get(offset)


class First(Machine):
    """Machine and contract in one, with numbers for terms."""
    def __init__(self, code, kind):
        self.code, self.arch, self.kind, self.sp = code, code.arch, kind, kind.sp
        self.big_endian = kind.order == 'big'
        self.contract, self.shadow, self.claims = self, z3.BoolVal(False), collections.Counter()
        self.end = max(at + len(data) + PAGE - 1 for at, data in code.sections) // PAGE * PAGE
        self.zero = self.arch.registers.get('zero', (None,))[0]

    def place(self, name):
        return (self.kind.places[name], 8) if name in self.kind.places else super().place(name)

    def exception(self, path, condition):
        condition = z3.simplify(condition) if not isinstance(condition, bool) else z3.BoolVal(condition)
        if not z3.is_true(condition) and not z3.is_false(condition):
            raise Unknown(condition)
        return z3.unsat if z3.is_true(condition) else z3.sat

    def run(self, values, seed, places):
        """What is so after these instructions."""
        self.seed, self.pages, self.read, self.written = seed, {}, set(), set()
        state, words = State(self, 0, (None, None)), {}
        for name, value in {**values, **dict.fromkeys(self.kind.flags, 0)}.items():
            offset, size = self.place(name)
            words.update({offset + i: value >> 8 * i & MASK for i in range(0, size, 8)})
        state.registers = Registers(words)
        for state.pc in places:
            self.target = None
            Step(state).run()
        after = self.target or state.pc
        if after >> 47 or after % self.kind.step:
            raise Outside
        size = self.code.instruction(places[-1]).size
        changed = state.registers.keys()
        values = {name: value if changed.isdisjoint(range(self.place(name)[0] & ~7, sum(self.place(name))))
                 else unsigned(state[name]) for name, value in values.items()}
        if not self.kind.valid(values):
            raise Outside
        return self.kind.masked(values), after - places[-1] - size, self.read, {at: self.byte(at) for at in self.written}

    def byte(self, at):
        index = at // PAGE
        if index not in self.pages:
            self.pages[index] = list(self.kind.page(self.seed, index))
        return self.pages[index][at % PAGE]

    def place_of(self, address, width):
        at = unsigned(address)
        if at is None or not self.end <= at < 2 * POINTERS:
            raise Outside
        return range(at, at + width)

    def load(self, state, address, width):
        place = self.place_of(address, width)
        self.read.update(place)
        return bits(int.from_bytes(bytes(self.byte(at) for at in place), 'little'), 8 * width)

    def store(self, state, address, value):
        place, value = self.place_of(address, value.size() // 8), unsigned(value)
        self.written.update(place)
        for i, at in enumerate(place):
            self.byte(at)
            self.pages[at // PAGE][at % PAGE] = None if value is None else value >> 8 * i & 255

    def call(self, state, target):
        self.target = unsigned(target)

    exit = call


def unsigned(term):
    term = z3.simplify(term)
    return term.as_long() if z3.is_bv_value(term) else None


# ---- the second reader

class Second:
    def __init__(self, code, kind):
        self.code, self.kind, self.engine, self.mapped = code, kind, kind.engine, ()
        start = min(at for at, _ in code.sections) // PAGE * PAGE
        self.end = max(at + len(data) + PAGE - 1 for at, data in code.sections) // PAGE * PAGE
        self.engine.mem_map(start, self.end - start)
        self.load()
        self.engine.hook_add(unicorn.UC_HOOK_MEM_READ, self.reads)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_WRITE, self.writes)

    def load(self):
        for place, data in self.code.sections:
            self.put(place, data)

    def put(self, place, data):
        self.engine.mem_write(place, data)
        self.engine.ctl_remove_cache(place, place + len(data))

    def reads(self, engine, access, address, size, value, data):
        self.read.update(range(address, address + size))

    def writes(self, engine, access, address, size, value, data):
        self.written.update(range(address, address + size))

    def run(self, values, seed, places, pages, others):
        """There is memory where the first reader accesses it."""
        engine, kind = self.engine, self.kind
        for index in self.mapped:
            engine.mem_unmap(index * PAGE, PAGE)
        for index in pages:
            engine.mem_map(index * PAGE, PAGE)
            engine.mem_write(index * PAGE, kind.page(seed, index))
        self.mapped, self.read, self.written = pages, set(), set()
        kind.write(values)
        for place in places:
            data, size = others.get(place), self.code.instruction(place).size
            if data:
                was, size = bytes(engine.mem_read(place, len(data))), len(data)
                self.put(place, data)
            try:
                engine.emu_start(place, 0, count=1)
            except unicorn.UcError:     # there is no code where it goes on
                if engine.reg_read(kind.pc) == place:
                    raise
            finally:
                if data:
                    self.put(place, was)
                if min(self.written, default=self.end) < self.end:      # another instruction than ours
                    self.load()
        written = {at: engine.mem_read(at, 1)[0] for at in self.written}
        return kind.masked(kind.read()), engine.reg_read(kind.pc) - place - size, self.read, written


# ---- the comparison

class Readers:
    def __init__(self, port, text):
        self.port, self.code = PORTS[port], prove.linked(PORTS[port], text)
        self.kind = SECOND[self.code.arch.name]()
        self.first, self.second = First(self.code, self.kind), Second(self.code, self.kind)
        self.places = self.instructions()
        self.setters = [pc for pc in self.places if self.of_flags(pc, 'Ist_Put')]
        self.readers = [pc for pc in self.places if self.of_flags(pc, 'Iex_Get')]

    def instructions(self):
        """Where each one is that differs; the first thunk and the last one stand for all."""
        places, seen = [], set()
        thunks = {self.code.symbols[name]: row[-2:] for name, row in self.port.thunks.items()}
        for entry in self.code.rules.entries:
            start, end = entry['initial_location'], entry['initial_location'] + entry['address_range']
            count, size = thunks.get(start, (1, end - start))
            for pc, end in {(start + i * size, start + (i + 1) * size) for i in (0, count - 1)}:
                jumped = False
                while pc < end and not jumped:
                    data, block = self.bytes(pc), self.code.instruction(pc)
                    if data not in seen:
                        seen.add(data)
                        places.append(pc)
                    pc, jumped = pc + len(data), count > 1 and block.offsIP and block.next.tag == 'Iex_RdTmp'
        return sorted(places)

    def bytes(self, pc):
        return self.code.bytes(pc, self.code.instruction(pc).size)

    def name(self, pc):
        start = self.code.rules.entry(pc)['initial_location']
        symbol = next(name for name, at in self.code.symbols.items() if at == start and name.isidentifier())
        return f'{symbol} + {pc - start:#x}: {self.bytes(pc).hex(" ")}'

    def of_flags(self, pc, tag):
        """Whether the instruction writes condition flags, or reads them."""
        offsets, block = [self.first.place(name)[0] for name in self.kind.flags[1:3]], self.code.instruction(pc)
        if tag == 'Ist_Put':
            return any(s.tag == tag and s.offset in offsets for s in block.statements)
        return any(e.tag == tag and e.offset in offsets for s in block.statements for e in s.expressions)

    def differ(self, places, seed, other=None):
        """How the two go on from a random state, None if in the same way; the second has those bytes
        for the first ones of `other`, if there is one.
        """
        for attempt in range(2000):
            values = self.kind.random(random.Random(f'{seed} {attempt}'))
            try:
                one = self.first.run(values, seed, places)
                break
            except Outside:
                pass
            except Refuted as refuted:      # what has to be aligned is not
                if 'alignment' not in str(refuted):
                    raise
        else:
            raise Unproved('no state has memory where it is accessed')
        try:
            two = self.second.run(values, seed, places, self.first.pages.keys(), other or {})
        except unicorn.UcError as error:
            return f'unicorn: {error}'
        for what, a, b in zip(('registers', 'goes on behind', 'bytes read', 'bytes written'), one, two):
            if isinstance(a, dict):     # what is no number is known to neither
                a, b = ({key: value for key, value in some.items() if a.get(key, 0) is not None} for some in (a, b))
            if a != b:
                return f'{what}: {shown(a, b)}, not {shown(b, a)}'

    def judge(self, pc, states):
        """How many states are compared, and how they differ or why there are none."""
        count, why = 0, 'flags that vex.py does not know'
        before = random.Random(pc).choices(self.setters or [None], k=states)
        if pc in self.readers:
            before += self.setters * (1 + states // 8)
        for i, setter in enumerate(before):
            try:
                how = self.differ([*filter(None, (setter, pc))], f'{pc} {i}')
            except (Unknown, Unproved) as unknown:
                why = str(unknown)
                continue
            count += 1
            if how:
                return count, how
        return count, None if count else why

    def told_apart(self, pc, states):
        """Whether the readers differ where the second is given the next other instruction."""
        other = self.places[(self.places.index(pc) + 1) % len(self.places)]
        for i in range(states):
            # Of some flags there is no reader that vex.py knows.
            others = self.setters if pc not in self.setters else self.readers if i % 2 else []
            flags = random.Random(f'{pc} {i}').choice(others or [None])
            places = [pc, flags] if pc in self.setters else [flags, pc]
            try:
                if self.differ([*filter(None, places)], f'{pc} {i}', {pc: self.bytes(other)}):
                    return True
            except (Unknown, Unproved):
                pass
        return False


def shown(value, other):
    if isinstance(value, dict):
        return {key if isinstance(key, str) else hex(key): hex(value[key]) for key in value if value[key] != other.get(key)}
    return hex(value) if isinstance(value, int) else [hex(at) for at in sorted(value - other)]


# ---- semantics that are broken on purpose

# Below for below or equal, and the like, by the numbers of conditions.
NOT_EQUAL = {
    'amd64g_calculate_condition': lambda condition: condition - 4 if condition in (6, 7) else condition,
    'arm64g_calculate_condition': lambda condition: condition - 0x60 if 0x80 <= condition < 0xa0 else condition,
    's390_calculate_cond': lambda condition: 2 if condition == 10 else condition,
}


def not_equal(helper, other):
    return lambda condition, *flags: helper(bits(other(number(condition)), condition.size()), *flags)


def binary(other):
    return lambda: mock.patch.object(
        Step, 'binary', lambda step, op, a, b, was=Step.binary: was(step, *other(op, a, b)))


# Where there are such instructions, and what breaks them.
BREAKS = {
    'a subtraction adds': (SECOND, binary(lambda op, a, b: (op.replace('Sub', 'Add'), a, b))),
    'sixteen bits are extended by their sign': (SECOND, lambda: mock.patch.object(
        Step, 'unary', lambda step, op, a, was=Step.unary: was(step, op.replace('16U', '16S'), a))),
    'a choice is turned': (('AMD64', 'AARCH64'), lambda: mock.patch.object(
        Step, 'value', lambda step, e, was=Step.value: was(
            step, pyvex.expr.ITE(e.cond, e.iftrue, e.iffalse) if e.tag == 'Iex_ITE' else e))),
    'equal is not below or equal': (('AMD64', 'AARCH64', 'S390X'), lambda: mock.patch.dict(
        HELPERS, {name: not_equal(HELPERS[name], other) for name, other in NOT_EQUAL.items()})),
    'below is above': (('RISCV64',), binary(lambda op, a, b: (op, b, a) if 'CmpLT' in op else (op, a, b))),
}


# ---- all of them, and what is printed

@functools.cache
def readers(port, text):
    return Readers(port, text)


def judged(port, text, pc, states):
    these = readers(port, text)
    return (*these.judge(pc, states), these.told_apart(pc, 300))


def noticed(port, text, what):
    """The instruction at which the second reader notices a broken semantics."""
    these = readers(port, text)
    with BREAKS[what][1]():
        return next((these.name(pc) for pc in these.places if all(these.judge(pc, 32))), None)


def main():
    parser = argparse.ArgumentParser()
    compared = [name for name, port in PORTS.items() if port.arch.name in SECOND]
    parser.add_argument('--port', choices=compared, action='append')
    parser.add_argument('--states', type=int, default=8)
    options = parser.parse_args()
    good = True
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context('spawn')) as pool:
        for name in options.port or compared:
            port = PORTS[name]
            text = mutator.source(mutator.read(f'{port.cc} {port.flags}', port.file))
            these = readers(name, text)
            many, once = len(these.places), itertools.repeat
            results = list(pool.map(judged, once(name, many), once(text, many), these.places,
                                    once(options.states, many), chunksize=8))
            print(f'{name}: {many} instructions, {sum(count for count, _, _ in results)} states')
            for pc, (count, why, told) in zip(these.places, results):
                if why:
                    print(f'    {these.name(pc)}\n        {"DIFFERS" if count else "not compared"}: {why}')
                elif not told:
                    print(f'    {these.name(pc)}\n        NOT TOLD from the next other one')
            compared = [told and not why for count, why, told in results if count]
            print(f'    {len(compared)} are compared, {sum(compared)} agree and are told from the next other one')
            good &= all(compared)
            breaks = [what for what, (where, _) in BREAKS.items() if port.arch.name in where]
            for what, where in zip(breaks, pool.map(noticed, once(name), once(text), breaks)):
                good &= bool(where)
                print(f'    {what}: {"noticed at " + where if where else "NOT NOTICED"}', flush=True)
    sys.exit(not good)


if __name__ == '__main__':
    main()
