#!/usr/bin/env python3
"""Checks the unwind data of the port to 64-bit Arm, for Windows, by the rules of the system's
unwinder, and that other assemblers make the same code.

    ci/unwind_data_arm.py RUSTC.o      what rustc assembles

Reference: Microsoft, ARM64 exception handling. There is an unwind code for each instruction of a
prologue and of an epilogue, so the unwinder knows by the address how much of either has been
executed; between them it undoes the whole prologue. So:

  - a function begins where an entry begins, or where the prologue of an entry ends;
  - the codes of a prologue are its instructions, and so are those of each epilogue, after which
    a `ret` or a jump follows;
  - between them sp changes only where the prologue has set the frame pointer, and without a
    frame neither sp nor x30 does, but in the last instruction before a jump;
  - a jump into another entry lands where there is the same frame, or `leave` has found it.

Says what is wrong, or which broken function passes; the last line counts.
"""
import re, sys, tempfile
from collections import namedtuple
from pathlib import Path

from assembled import assemble, each_is_noticed, preprocess, run
from targets import TARGETS

Entry = namedtuple('Entry', 'name section begin end prologue epilogues')


def plain(text):
    """An instruction or a code, in words that both have."""
    text = re.sub(r'0x[0-9a-f]+', lambda found: str(int(found[0], 16)), text.strip())
    text = re.sub(r'\s+', ' ', text).replace('fp', 'x29')
    text = re.sub(r'^(add|sub) sp, sp, ', r'\1 sp, ', text)
    return 'nop' if re.match(r'hint|bti', text) else text


def instructions(path, places):
    """By section's name and offset. What refers to a function here has its offset."""
    found, section, last = {}, None, 0
    for line in run('llvm-objdump', '-d', '-r', '--no-show-raw-insn', path).splitlines():
        heading = re.match(r'Disassembly of section (.*):', line)
        one = re.match(r'\s*([0-9a-f]+):\s+(.*)', line)
        if heading:
            section = found.setdefault(heading[1], {})
        elif one and one[2].startswith('IMAGE_REL_ARM64_BRANCH'):
            section[last] = re.sub(r'\d+$', str(places[one[2].split()[1]][1]), section[last])
        elif one and not one[2].startswith('IMAGE_REL'):
            last = int(one[1], 16)
            section[last] = plain(re.sub(r'\s*(//|<).*', '', one[2]))
    return found


def codes(lines):
    """Those between brackets, but the end."""
    found = [plain(line.split(';', 1)[1]) for line in lines if ';' in line]
    return [code for code in found if code != 'end']


def expanded(prologue):
    """Where a code only says that the next two registers are saved: which."""
    found, last = [], None
    for code in reversed(prologue):
        if code == 'save next':
            kind, first, offset = last
            code = f'stp {kind}{first + 2}, {kind}{first + 3}, [sp, #{offset + 16}]'
        saved = re.fullmatch(r'stp ([xd])(\d+), [xd]\d+, \[sp, #(\d+)\]', code)
        last = saved and (saved[1], int(saved[2]), int(saved[3]))
        found.append(code)
    return found


def entries(path, places):
    for text in run('llvm-readobj', '--unwind', path).split('  RuntimeFunction {')[1:]:
        name = re.search(r'Function: (\S+)', text)[1]
        section, begin = places[name]
        size = int(re.search(r'FunctionLength: (\d+)', text)[1])
        prologue = codes(re.search(r'Prologue \[(.*?)\n *\]', text, re.S)[1].splitlines())
        epilogues = []
        for scope in re.findall(r'EpilogueScope \{(.*?)\n *\}', text, re.S):
            at = 4 * int(re.search(r'StartOffset: (\d+)', scope)[1])
            epilogues.append((begin + at, codes(scope.splitlines())))
        packed = re.search(r'Epilogue \[(.*?)\n *\]', text, re.S)
        if packed:
            undone = codes(packed[1].splitlines())
            epilogues.append((begin + size - 4 * (len(undone) + 1), undone))
        yield Entry(name, section, begin, begin + size, expanded(prologue), epilogues)


def judge(path):
    """What is wrong with an object, and what it has."""
    places, functions = {}, set()
    for line in run('llvm-objdump', '-t', path).splitlines():
        symbol = re.match(r'\[ *\d+\]\(sec +(\d+)\).*\(ty +([0-9a-f]+)\).* 0x([0-9a-f]+) (\S+)$', line)
        if symbol and int(symbol[1]) > 0:
            places[symbol[4]] = int(symbol[1]), int(symbol[3], 16)
            if symbol[2] == '20':
                functions.add(symbol[4])
    names = [line.split()[1] for line in run('llvm-objdump', '-h', path).splitlines() if re.match(r' +\d+ ', line)]
    code = instructions(path, places)
    found, wrong = list(entries(path, places)), []
    starts = {(one.section, one.begin) for one in found} | {
        (one.section, one.begin + 4 * len(one.prologue)) for one in found}
    for name in sorted(functions):
        if places[name] not in starts:
            wrong.append(f'{name} has no unwind data')
    for one in found:
        inside = {at: text for at, text in code[names[one.section - 1]].items() if one.begin <= at < one.end}
        body = one.begin + 4 * len(one.prologue)
        if [inside.get(at) for at in range(one.begin, body, 4)] != one.prologue:
            wrong.append(f'{one.name}: another prologue than {one.prologue}')
        ends = set()
        for at, undone in one.epilogues:
            end = at + 4 * len(undone)
            ends |= set(range(at, end, 4))
            does = [inside.get(at).replace('add', 'sub').replace('ldp', 'stp') for at in range(at, end, 4)]
            if does != [text.replace('add', 'sub').replace('ldp', 'stp') for text in undone]:
                wrong.append(f'{one.name}: at {at - one.begin:#x} is no epilogue {undone}')
            if not re.match(r'ret|b ', inside.get(end, '')):
                wrong.append(f'{one.name}: the epilogue at {at - one.begin:#x} does not end')
        framed, by_pointer = set(one.prologue) - {'nop'}, 'mov x29, sp' in one.prologue
        for at, text in inside.items():
            if at < body or at in ends:
                continue
            place = f'{one.name}+{at - one.begin:#x}: {text}'
            last = inside.get(at + 4, '').startswith('b ')
            sets = re.match(r'(?:mov|add|sub) sp, |.*\[sp\], #|.*\[sp, #-?\d+\]!', text)
            if sets and not by_pointer and not (last and not framed):
                wrong.append(f'{place}: what the unwinder does not know')
            if re.match(r'(?:mov|ldr) x30|ldp x29, x30|bl ', text) and not framed:
                wrong.append(f'{place}: the return address is lost')
            if text == 'ret' and framed and at - 4 not in ends:
                wrong.append(f'{place}: with a frame')
            jump = re.fullmatch(r'(?:b|b\.\w+|cbn?z \w+,|tbn?z \w+, #\d+,) (?:#)?(\d+)', text)
            if jump:
                target = int(jump[1])
                other = next((o for o in found if o.section == one.section and o.begin <= target < o.end), None)
                if other and other != one and at - 4 not in ends:
                    same = other.prologue == one.prologue and target >= other.begin + 4 * len(other.prologue)
                    free = not framed and (target == other.begin or not set(other.prologue) - {'nop'})
                    if not same and not free and not one.name.endswith('_leave'):
                        wrong.append(f'{place}: into another frame')
    framed = sum(1 for one in found if set(one.prologue) - {'nop'})
    if not functions:
        wrong.append('there are no functions')
    return wrong, f'{len(functions)} functions, {len(found)} entries of unwind data, {framed} with a frame'


# Functions whose unwind data is wrong.
BROKEN = [
    'NAME_FUNCTION broken; ret',  # none
    'FUNCTION(broken); seh endprologue; sub sp, sp, #16; add sp, sp, #16; ret; END_FUNCTION(broken)',  # unmentioned
    'FUNCTION(broken); seh endprologue; mov x30, x15; ret; END_FUNCTION(broken)',  # the return address is lost
    'FUNCTION(broken); BEGIN_FRAME; ldp x29, x30, [sp], #16; ret; END_FUNCTION(broken)',  # no epilogue
    'FUNCTION(broken); BEGIN_FRAME; b SYMBOL(all_floats); END_FUNCTION(broken)',  # leaves with a frame
    'FUNCTION(broken); seh endprologue; b SYMBOL(landed); END_FUNCTION(broken)',  # into a frame
    'FUNCTIONS(broken); stp x29, x30, [sp, #-32]!; .seh_save_fplr_x 16; .seh_endprologue; brk #1; '
    'END_FUNCTION(broken)',  # another prologue
    'FUNCTION(broken); BEGIN_FRAME; .seh_startepilogue; ldp x29, x30, [sp], #32; .seh_save_fplr_x 16; '
    '.seh_endepilogue; ret; END_FUNCTION(broken)',  # another epilogue
]


def functions(path):
    return ','.join(re.findall(r'^(\S+) T ', run('llvm-nm', '--format=posix', path), re.M))


def code(path, names):
    """The instructions of these functions, and what they refer to."""
    command = ['llvm-objdump', '-d', '-r', '--no-show-raw-insn', f'--disassemble-symbols={names}', path]
    return run(*command).splitlines()[2:]  # without the object's name


def main(by_rustc):
    port = TARGETS['aarch64-windows']['port']
    msvc, gnu = 'clang --target=aarch64-pc-windows-msvc', 'clang --target=aarch64-pc-windows-gnu'
    count = each_is_noticed(msvc, judge, port, BROKEN)
    with tempfile.TemporaryDirectory() as folder:
        ours, other = Path(folder) / 'ours.o', Path(folder) / 'other.o'
        text = preprocess(msvc, port)
        assemble(msvc, text, ours)
        names = functions(ours)
        for path in by_rustc, assemble(gnu, preprocess(gnu, port), other):
            if code(path, names) != code(ours, names):
                sys.exit(f'{path}: other code than by {msvc}')
        assemble(msvc, re.sub(r'\bcbnz\b', 'cbz', text, count=1), other)
        if code(other, names) == code(ours, names):
            sys.exit('passes, and must not: cbnz becomes cbz')
    print(f'{count}; the same code by 3 assemblers, 1 that differs noticed')


if __name__ == '__main__':
    main(*sys.argv[1:])
