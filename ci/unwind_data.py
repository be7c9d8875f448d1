#!/usr/bin/env python3
"""Checks the unwind data of the port to x86-64 Windows, by the rules of the system's unwinder.

    ci/unwind_data.py      by two assemblers

Reference: Microsoft, x64 exception handling; x64 prolog and epilog. The unwinder knows what a
prologue has pushed by the offsets in its unwind codes, and it knows an epilogue by its
instructions: a constant is added to the stack pointer, or `lea` sets it from the frame register,
registers are popped, and a `ret` or a jump out of the function follows, which is not by a
register. At such a jump it takes only the return address from the stack.
So:

  - an entry of .pdata is not empty, and no two overlap;
  - every function begins where an entry begins;
  - the unwind codes are what the instructions of the prologue do, and a function without a frame
    leaves the stack pointer alone;
  - codes at offset 0 are of a frame that is there at entry: what the function takes from it
    before it returns;
  - after the first push of a prologue, a `ret`, an indirect jump and a jump out of the entry end
    an epilogue that pops all that the prologue has pushed;
  - a jump from one entry into another lands before the first push there.

Says what is wrong, or which broken function passes; the last line counts.
"""
import re, struct
from collections import namedtuple

from assembled import each_is_noticed, run
from targets import TARGETS

VOLATILE = 'rax rcx rdx r8 r9 r10 r11'.split()
REGISTERS = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split()
PUSH, ALLOCATE_LARGE, ALLOCATE, SET_FRAME, SAVE, SAVE_VECTOR = 0, 1, 2, 3, 4, 8

# Codes are what a prologue does, in its order: the offset after the instruction, the kind, and
# for a push the register. A frame that is there at entry is a set of registers, and how far
# above the stack pointer each lies.
Entry = namedtuple('Entry', 'section begin end codes given')
Instruction = namedtuple('Instruction', 'at name operands symbol', defaults=[''])


class Object:
    """Sections and symbols of a COFF object (Microsoft, PE format)."""

    def __init__(self, path):
        self.data = data = open(path, 'rb').read()
        machine, sections, _, symbols, count, optional, _ = struct.unpack_from('<HHIIIHH', data)
        assert machine == 0x8664, 'not an object for x86-64 Windows'
        strings = symbols + 18 * count

        def string(offset):
            return data[strings + offset:data.index(b'\0', strings + offset)].decode()

        self.symbols, skip = {}, 0
        for i in range(count):
            if skip:
                skip -= 1
                continue
            short, value, section, kind, _, skip = struct.unpack_from('<8sIhHBB', data, symbols + 18 * i)
            name = string(struct.unpack('<4xI', short)[0]) if short[:4] == bytes(4) else short.rstrip(b'\0').decode()
            self.symbols[i] = name, section, value, kind
        self.sections = []
        for i in range(sections):
            name, _, _, size, raw, relocations, _, number, _, _ = struct.unpack_from(
                '<8sIIIIIIHHI', data, 20 + optional + 40 * i)
            name = name.rstrip(b'\0').decode()
            if name[0] == '/':
                name = string(int(name[1:]))
            found = {}
            for j in range(number):
                at, symbol, _ = struct.unpack_from('<IIH', data, relocations + 10 * j)
                found[at] = symbol
            self.sections.append((name, data[raw:raw + size], found))

    def target(self, section, at):
        """Section and offset that the four bytes at this place refer to."""
        _, data, relocations = self.sections[section]
        _, number, value, _ = self.symbols[relocations[at]]
        return number - 1, value + struct.unpack_from('<I', data, at)[0]

    def entries(self, sections=None):
        """Those of functions in these sections, or of all functions."""
        for i, (name, data, _) in enumerate(self.sections):
            for at in range(0, len(data) if name.startswith('.pdata') else 0, 12):
                section, begin = self.target(i, at)
                if sections is not None and section not in sections:
                    continue
                _, end = self.target(i, at + 4)
                information, offset = self.target(i, at + 8)
                information = self.sections[information][1]
                flags, _, count, frame = information[offset:offset + 4]
                flags -= 1  # the version
                assert flags == 0, 'chained unwind data, or handlers'
                codes, given, size, words = [], set(), 0, iter(range(count))
                for j in words:             # the last is the first to be executed
                    after, code = struct.unpack_from('<BB', information, offset + 4 + 2 * j)
                    kind, number = code & 15, code >> 4
                    if kind in (ALLOCATE_LARGE, SAVE, SAVE_VECTOR):
                        value, = struct.unpack_from('<H', information, offset + 4 + 2 * next(words))
                    if after == 0 and kind == SAVE:
                        given.add((REGISTERS[number], 8 * value))
                    elif after == 0 and kind == SAVE_VECTOR:
                        given.add((f'xmm{number}', 16 * value))
                    elif after == 0 and kind in (ALLOCATE, ALLOCATE_LARGE) and (kind, number) != (ALLOCATE_LARGE, 1):
                        size += 8 * number + 8 if kind == ALLOCATE else 8 * value
                    elif after == 0 and kind == PUSH:
                        given.add((REGISTERS[number], size))
                    else:
                        assert kind in (PUSH, SET_FRAME), f'unwind code {code:#x}'
                        assert kind == PUSH or REGISTERS[frame & 15] == 'rbp' and frame >> 4 == 0
                        codes.insert(0, (after, kind, REGISTERS[number] if kind == PUSH else 'rbp'))
                yield Entry(section, begin, end, codes, given)


def instructions(path):
    """By section's name."""
    command = ['llvm-objdump', '-d', '-r', '--no-show-raw-insn', '--x86-asm-syntax=intel', path]
    section, found = None, {}
    for line in run(*command).splitlines():
        heading = re.match(r'Disassembly of section (.*):', line)
        one = re.match(r'\s*([0-9a-f]+):\s+(\S+)\s*(.*)', line)
        if heading:
            section = found.setdefault(heading[1], [])
        elif one and one[2].startswith('IMAGE_REL'):
            last = section.pop()
            section.append(last._replace(symbol=re.sub(r'[-+]0x.*', '', one[3].strip())))
        elif one:
            section.append(Instruction(int(one[1], 16), one[2], re.sub(r'\s*[<#].*', '', one[3])))
    return found


def epilogue(before, pushed, end):
    """Whether these instructions and the last one undo a prologue."""
    if end.operands in REGISTERS:
        return False
    pops = [(i.name, i.operands) for i in before[len(before) - len(pushed):]]
    if pops != [('pop', register) for register in reversed(pushed)]:
        return False
    if len(before) == len(pushed):
        return False
    last = before[-len(pushed) - 1]
    return bool(re.fullmatch(r'add rsp, \w+|lea rsp, \[rbp( [-+] \w+)?\]', f'{last.name} {last.operands}'))


def prologue(inside, begin):
    """What the first instructions do to the frame, as unwind codes say it."""
    codes = []
    for i, following in zip(inside, inside[1:]):
        after = following.at - begin
        if i.name == 'push':
            codes.append((after, PUSH, i.operands))
        elif (i.name, i.operands) == ('mov', 'rbp, rsp'):
            return codes + [(after, SET_FRAME, 'rbp')]
        elif i.name == 'pop' or i.operands.startswith('rsp, '):
            codes.append((after, None, f'{i.name} {i.operands}'))
    return codes


def taken(inside):
    """What the instructions take from a frame that is there at entry, whose end `lea rbp` finds."""
    end = next((re.fullmatch(r'rbp, \[rsp \+ (\w+)\]', i.operands) for i in inside if i.name == 'lea'), None)
    if not end:
        return set()
    size, places = int(end[1], 0), set()
    for i, following in zip(inside, inside[1:]):
        place = re.fullmatch(r'(\w+), (?:\w+ ptr )?\[rbp - (\w+)\]', i.operands)
        if place and i.name in ('mov', 'movaps') and place[1] not in VOLATILE:
            places.add((place[1], size - int(place[2], 0)))
        if (i.name, following.name) == ('add', 'pop'):
            places.add((following.operands, int(i.operands.split(', ')[1], 0)))
    return places


def complaints(it, code):
    entries = list(it.entries())
    names = {(section - 1, value): name for name, section, value, _ in it.symbols.values() if section > 0}
    values = {name: (section - 1, value) for name, section, value, _ in it.symbols.values()}

    def name(entry):
        return names.get((entry.section, entry.begin), f'{it.sections[entry.section][0]}+{entry.begin:#x}')

    begins = {(entry.section, entry.begin) for entry in entries}
    for symbol, section, value, kind in it.symbols.values():
        if section > 0 and kind == 0x20 and (section - 1, value) not in begins:
            yield f'{symbol} has no unwind data'
    ordered = sorted(entries)
    for one, other in zip(ordered, ordered[1:]):
        if one.section == other.section and one.end > other.begin:
            yield f'{name(one)} and {name(other)} overlap'
    for entry in entries:
        if entry.begin >= entry.end:
            yield f'{name(entry)} is empty'
        inside = [i for i in code.get(it.sections[entry.section][0], []) if entry.begin <= i.at < entry.end]
        first = entry.codes[0][0] if entry.codes else None
        pushed = [register for _, kind, register in entry.codes if kind == PUSH]
        if entry.given:
            first, pushed = 0, [max(entry.given, key=lambda place: place[1])[0]]
            if taken(inside) != entry.given:
                yield f'{name(entry)}: the codes say {sorted(entry.given)}, its code {sorted(taken(inside))}'
        elif prologue(inside, entry.begin) != entry.codes:
            yield f'{name(entry)}: the codes say {entry.codes}, its code {prologue(inside, entry.begin)}'
        ends = [following.at for following in inside[1:]] + [entry.end]
        for number, i in enumerate(inside):
            if i.name[0] != 'j' and i.name != 'ret':
                continue
            place = f'{i.name} {i.symbol or i.operands} at {name(entry)}+{i.at - entry.begin:#x}'
            target = re.fullmatch(r'0x[0-9a-f]+', i.operands) and (entry.section, int(i.operands, 16))
            if i.symbol:  # plus what the instruction has as its distance
                section, value = values[i.symbol]
                target = section, value + target[1] - ends[number]
            here = target and target[0] == entry.section and entry.begin <= target[1] < entry.end
            framed = first is not None and i.at - entry.begin >= first
            if framed and not here and not epilogue(inside[:number], pushed, i):
                yield f'{place}: not the end of an epilogue'
            for other in entries if target and not here else ():
                if other.section == target[0] and other.begin <= target[1] < other.end:
                    if other.codes and target[1] - other.begin >= other.codes[0][0]:
                        yield f'{place}: into the frame of {name(other)}'


def judge(path):
    """What is wrong with an object, and what it has."""
    it = Object(path)
    entries = list(it.entries())
    functions = sum(1 for _, section, _, kind in it.symbols.values() if section > 0 and kind == 0x20)
    framed = sum(1 for entry in entries if entry.codes or entry.given)
    wrong = list(complaints(it, instructions(path))) if functions else ['there are no functions']
    return wrong, f'{functions} functions, {len(entries)} entries of unwind data, {framed} with a frame'


# Functions whose unwind data is wrong.
BROKEN = [
    'FUNCTIONS(broken); END_FUNCTION(broken)',  # empty
    'NAME_FUNCTION broken; ret',  # none
    'FUNCTION(broken); BEGIN_FRAME; jmp SYMBOL(host); END_FUNCTION(broken)',  # leaves with a frame
    'FUNCTION(broken); BEGIN_FRAME; jmp rax; END_FUNCTION(broken)',  # the same
    'FUNCTION(broken); BEGIN_FRAME; mov rsp, rbp; END_FRAME; END_FUNCTION(broken)',  # no epilogue
    'FUNCTION(broken); BEGIN_FRAME; lea rsp, [rbp]; ret; END_FUNCTION(broken)',  # pops too little
    'FUNCTION(broken); BEGIN_FRAME; lea rsp, [rax]; END_FRAME; END_FUNCTION(broken)',  # by another register
    'FUNCTION(broken); BEGIN_FRAME; lea rsp, [rbp]; pop rbp; jmp rax; END_FUNCTION(broken)',  # leaves by a register
    'FUNCTION(broken); .seh_endprologue; jmp SYMBOL(host) + 24; END_FUNCTION(broken)',  # into a frame
    'FUNCTION(broken); .seh_endprologue; push rax; pop rax; ret; END_FUNCTION(broken)',  # unmentioned
    'FUNCTIONS(broken); .seh_pushreg rbp; .seh_stackalloc 32; .seh_savereg rbx, 8; .seh_endprologue; '
    'lea rbp, [rsp + 32]; add rsp, 32; END_FRAME; END_FUNCTION(broken)',  # not restored
]


def main():
    row = TARGETS['x86_64-windows']
    for compiler in row['cc'], 'clang --target=x86_64-pc-windows-msvc':
        print(f'{compiler}: {each_is_noticed(compiler, judge, row["port"], BROKEN)}')


if __name__ == '__main__':
    main()
