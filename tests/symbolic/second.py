"""A second reader of instructions: each one that occurs in the assembly is executed on
random states as vex.py reads it, and by unicorn, which is qemu's reader.

    second.py [--port NAME] [--states N]

Compared are registers, where it goes on, which bytes of memory are read and written, and
what is written. Before an instruction comes another that sets the condition flags, so flags
are compared by what reads them: each such instruction follows each that sets them.

Not compared are the values of x87 registers, which VEX rounds to eight bytes, and shadow
stacks, which unicorn does not have: there is none, and what needs one is listed.

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
from unicorn import arm64_const, x86_const

import prove  # which knows where ci/ is
import mutator
from machine import Machine, State
from flags import HELPERS
from memory import Refuted, Unproved, bits
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

class X86:
    """Where unicorn has what VEX has."""
    masks = {'ftop': 7}
    names = [*'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(), *(f'xmm{i}' for i in range(16))]
    sp = 'rsp'

    def __init__(self):
        self.engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self.numbers = {name: getattr(x86_const, f'UC_X86_REG_{name.upper()}') for name in self.names}
        self.pc = x86_const.UC_X86_REG_RIP
        self.vectors = {self.numbers[f'xmm{i}'] for i in range(16)}

    @staticmethod
    def random(values, source):
        values.update(d=source.choice((1, MASK)), sseround=source.getrandbits(16), fpround=source.getrandbits(16),
                      ftop=source.randrange(8), fpu_tags=int.from_bytes(bytes(source.choices((0, 1), k=8))))

    def write_others(self, values):
        write, tags = self.engine.reg_write, values['fpu_tags'].to_bytes(8, 'little')
        write(x86_const.UC_X86_REG_EFLAGS, 2 | (values['d'] != 1) << 10)
        write(x86_const.UC_X86_REG_MXCSR, values['sseround'])
        write(x86_const.UC_X86_REG_FPCW, values['fpround'])
        write(x86_const.UC_X86_REG_FPSW, values['ftop'] << 11)
        write(x86_const.UC_X86_REG_FPTAG, sum((not tag) * 3 << 2 * i for i, tag in enumerate(tags)))

    def read_others(self):
        read = self.engine.reg_read
        tags = read(x86_const.UC_X86_REG_FPTAG)
        return {'d': MASK if read(x86_const.UC_X86_REG_EFLAGS) >> 10 & 1 else 1,
                'sseround': read(x86_const.UC_X86_REG_MXCSR), 'fpround': read(x86_const.UC_X86_REG_FPCW),
                'ftop': read(x86_const.UC_X86_REG_FPSW) >> 11 & 7,
                'fpu_tags': sum((tags >> 2 * i & 3 != 3) << 8 * i for i in range(8))}


class Arm:
    masks = {'fpcr': 0x07c00000}    # what every processor has
    names = [*(f'x{i}' for i in range(31)), 'sp', *(f'q{i}' for i in range(32))]
    sp = 'sp'

    def __init__(self):
        self.engine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.numbers = {name: getattr(arm64_const, f'UC_ARM64_REG_{name.upper()}') for name in self.names}
        self.pc = arm64_const.UC_ARM64_REG_PC
        self.vectors = {self.numbers[f'q{i}'] for i in range(32)}

    @staticmethod
    def random(values, source):
        values['fpcr'] = source.getrandbits(32) & 0x07c00000

    def write_others(self, values):
        self.engine.reg_write(arm64_const.UC_ARM64_REG_FPCR, values['fpcr'])

    def read_others(self):
        return {'fpcr': self.engine.reg_read(arm64_const.UC_ARM64_REG_FPCR)}


SECOND = {'AMD64': X86, 'AARCH64': Arm}


def random_value(source):
    """Often a pointer, or a number that instructions compare with or test for."""
    pointer = POINTERS + source.getrandbits(28) & ~source.choice((0, 15))
    return source.choice((pointer, pointer, source.choice(EDGES), source.choice(EDGES), source.choice(EDGES[:8]),
                          source.getrandbits(12), source.getrandbits(64)))


def random_values(kind, source):
    values = {name: source.getrandbits(128) if kind.numbers[name] in kind.vectors else random_value(source)
              for name in kind.names}
    values[kind.sp] = POINTERS + source.getrandbits(28) & ~15
    kind.random(values, source)
    return values


def random_page(source):
    """Words as registers have them, or bytes of which many are small."""
    if source.getrandbits(1):
        return b''.join(random_value(source).to_bytes(8, 'little') for _ in range(0, PAGE, 8))
    return bytes(source.choice((source.getrandbits(8), source.choice(EDGES[:8]))) for _ in range(PAGE))


EDGES = [0, 1, 2, 3, 4, 8, 16, 32, 64, PAGE, 1 << 31, (1 << 32) - 1, 1 << 63, MASK]
PAGES = [random_page(random.Random(i)) for i in range(64)]


def page_of(seed, index):
    return PAGES[zlib.crc32(f'{seed} {index}'.encode()) % len(PAGES)]


def masked(after, kind):
    return {name: value if value is None else value & kind.masks.get(name, -1) for name, value in after.items()}


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
    big_endian = False

    def __init__(self, code, kind):
        self.code, self.arch, self.kind, self.sp = code, code.arch, kind, kind.sp
        self.contract, self.shadow, self.claims = self, z3.BoolVal(False), collections.Counter()
        self.end, self.zero = max(at + len(data) for at, data in code.sections) + PAGE, None

    def exception(self, path, condition):
        condition = z3.simplify(condition) if not isinstance(condition, bool) else z3.BoolVal(condition)
        if not z3.is_true(condition) and not z3.is_false(condition):
            raise Unknown(condition)
        return z3.unsat if z3.is_true(condition) else z3.sat

    def run(self, values, seed, places):
        """What is so after these instructions."""
        self.seed, self.pages, self.read, self.written = seed, {}, set(), set()
        state, words = State(self, 0, (None, None)), {}
        for name, value in {**values, **dict.fromkeys(FLAGS, 0)}.items():
            offset, size = self.place(name)
            words.update({offset + i: value >> 8 * i & MASK for i in range(0, size, 8)})
        state.registers = Registers(words)
        for state.pc in places:
            self.target = None
            Step(state).run()
        after = self.target or state.pc
        if after >> 47:
            raise Outside
        size = self.code.instruction(places[-1]).size
        changed = state.registers.keys()
        values = {name: value if changed.isdisjoint(range(self.place(name)[0] & ~7, sum(self.place(name))))
                 else unsigned(state[name]) for name, value in values.items()}
        return masked(values, self.kind), after - places[-1] - size, self.read, {at: self.byte(at) for at in self.written}

    def byte(self, at):
        index = at // PAGE
        if index not in self.pages:
            self.pages[index] = list(page_of(self.seed, index))
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
        self.code, self.kind, self.engine, self.mapped = code, kind, kind.engine, []
        start = min(at for at, _ in code.sections) // PAGE * PAGE
        end = max(at + len(data) for at, data in code.sections)
        self.engine.mem_map(start, (end - start + PAGE - 1) // PAGE * PAGE)
        for at, data in code.sections:
            self.engine.mem_write(at, data)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_READ_UNMAPPED | unicorn.UC_HOOK_MEM_WRITE_UNMAPPED, self.absent)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_FETCH_UNMAPPED, self.jumps)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_READ, self.reads)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_WRITE, self.writes)

    def put(self, place, data):
        self.engine.mem_write(place, data)
        self.engine.ctl_remove_cache(place, place + len(data))

    def absent(self, engine, access, address, size, value, data):
        for index in range(address // PAGE, (address + size - 1) // PAGE + 1):
            if index not in self.mapped:
                engine.mem_map(index * PAGE, PAGE)
                engine.mem_write(index * PAGE, page_of(self.seed, index))
                self.mapped.append(index)
        return True

    def jumps(self, engine, access, address, size, value, data):
        self.fetched = address

    def reads(self, engine, access, address, size, value, data):
        self.read.update(range(address, address + size))

    def writes(self, engine, access, address, size, value, data):
        self.written.update(range(address, address + size))

    def run(self, values, seed, places, others):
        engine, kind = self.engine, self.kind
        for index in self.mapped:
            engine.mem_unmap(index * PAGE, PAGE)
        self.seed, self.mapped, self.read, self.written = seed, [], set(), set()
        for name in kind.names:
            engine.reg_write(kind.numbers[name], values[name])
        kind.write_others(values)
        for place in places:
            self.fetched = None
            data, size = others.get(place), self.code.instruction(place).size
            if data:
                was, size = bytes(engine.mem_read(place, len(data))), len(data)
                self.put(place, data)
            try:
                engine.emu_start(place, 0, count=1)
            except unicorn.UcError:
                if self.fetched is None:
                    raise
            finally:
                if data:
                    self.put(place, was)
        after = {**{name: engine.reg_read(kind.numbers[name]) for name in kind.names}, **kind.read_others()}
        written = {at: engine.mem_read(at, 1)[0] for at in self.written}
        goes_on = self.fetched or engine.reg_read(kind.pc)
        return masked(after, kind), goes_on - place - size, self.read, written


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
        symbol = next(name for name, at in self.code.symbols.items() if at == start and name)
        return f'{symbol} + {pc - start:#x}: {self.bytes(pc).hex(" ")}'

    def of_flags(self, pc, tag):
        """Whether the instruction writes condition flags, or reads them."""
        offsets, block = [self.first.place(name)[0] for name in FLAGS[1:3]], self.code.instruction(pc)
        if tag == 'Ist_Put':
            return any(s.tag == tag and s.offset in offsets for s in block.statements)
        return any(e.tag == tag and e.offset in offsets for s in block.statements for e in s.expressions)

    def differ(self, places, seed, other=None):
        """How the two go on from a random state, None if in the same way; the second has those bytes
        for the first ones of `other`, if there is one.
        """
        for attempt in range(2000):
            values = random_values(self.kind, random.Random(f'{seed} {attempt}'))
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
            two = self.second.run(values, seed, places, other or {})
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
        before = random.Random(pc).choices(self.setters, k=states)
        if pc in self.readers:
            before += self.setters * (1 + states // 8)
        for i, setter in enumerate(before):
            try:
                how = self.differ([setter, pc], f'{pc} {i}')
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
            flags = random.Random(f'{pc} {i}').choice(self.readers if pc in self.setters else self.setters)
            places = [pc, flags] if pc in self.setters else [flags, pc]
            try:
                if self.differ(places, f'{pc} {i}', {pc: self.bytes(other)}):
                    return True
            except (Unknown, Unproved):
                pass
        return False


def shown(value, other):
    if isinstance(value, dict):
        return {key if isinstance(key, str) else hex(key): hex(value[key]) for key in value if value[key] != other.get(key)}
    return hex(value) if isinstance(value, int) else [hex(at) for at in sorted(value - other)]


# ---- semantics that are broken on purpose

def other_condition(helper):
    """Below for below or equal, and the like."""
    return lambda condition, *flags: helper(z3.simplify(z3.If(
        z3.Or(condition == 6, condition == 7), condition - 4, z3.If(
            z3.And(condition >= 0x80, condition < 0xa0), condition - 0x60, condition))), *flags)


BREAKS = {
    'a subtraction adds': lambda: mock.patch.object(
        Step, 'binary', lambda step, op, a, b, was=Step.binary: was(step, op.replace('Sub', 'Add'), a, b)),
    'sixteen bits are extended by their sign': lambda: mock.patch.object(
        Step, 'unary', lambda step, op, a, was=Step.unary: was(step, op.replace('16U', '16S'), a)),
    'a choice is turned': lambda: mock.patch.object(
        Step, 'value', lambda step, e, was=Step.value: was(
            step, pyvex.expr.ITE(e.cond, e.iftrue, e.iffalse) if e.tag == 'Iex_ITE' else e)),
    'equal is not below or equal': lambda: mock.patch.dict(
        HELPERS, {name: other_condition(helper) for name, helper in HELPERS.items() if 'condition' in name}),
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
    with BREAKS[what]():
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
            for what, where in zip(BREAKS, pool.map(noticed, once(name), once(text), BREAKS)):
                good &= bool(where)
                print(f'    {what}: {"noticed at " + where if where else "NOT NOTICED"}', flush=True)
    sys.exit(not good)


if __name__ == '__main__':
    main()
