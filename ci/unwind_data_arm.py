#!/usr/bin/env python3
"""Checks the unwind data of a COFF object for 64-bit Arm, by the rules of the system's unwinder.

    ci/unwind_data_arm.py FILE.o

Reference: Microsoft, ARM64 exception handling. There is an unwind code for each instruction of a
prologue and of an epilogue, so the unwinder knows by the address how much of either has been
executed; between them it undoes the whole prologue. So:

  - a function begins where an entry begins, or where the prologue of an entry ends;
  - the codes of a prologue are its instructions, and so are those of each epilogue, after which
    a `ret` or a jump follows;
  - between them sp changes only where the prologue has set the frame pointer, and without a
    frame neither sp nor x30 does, but in the last instruction before a jump;
  - a jump into another entry lands where there is the same frame, or `leave` has found it.

Says what is wrong; the last line counts.
"""
import re, subprocess, sys
from collections import namedtuple

Entry = namedtuple('Entry', 'name section begin end prologue epilogues')


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


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


def wrong(path):
    places, functions = {}, set()
    for line in run('llvm-objdump', '-t', path).splitlines():
        symbol = re.match(r'\[ *\d+\]\(sec +(\d+)\).*\(ty +([0-9a-f]+)\).* 0x([0-9a-f]+) (\S+)$', line)
        if symbol and int(symbol[1]) > 0:
            places[symbol[4]] = int(symbol[1]), int(symbol[3], 16)
            if symbol[2] == '20':
                functions.add(symbol[4])
    names = [line.split()[1] for line in run('llvm-objdump', '-h', path).splitlines() if re.match(r' +\d+ ', line)]
    code = instructions(path, places)
    found = list(entries(path, places))
    starts = {(one.section, one.begin) for one in found} | {
        (one.section, one.begin + 4 * len(one.prologue)) for one in found}
    for name in sorted(functions):
        if places[name] not in starts:
            yield f'{name} has no unwind data'
    for one in found:
        inside = {at: text for at, text in code[names[one.section - 1]].items() if one.begin <= at < one.end}
        body = one.begin + 4 * len(one.prologue)
        if [inside.get(at) for at in range(one.begin, body, 4)] != one.prologue:
            yield f'{one.name}: another prologue than {one.prologue}'
        ends = set()
        for at, undone in one.epilogues:
            end = at + 4 * len(undone)
            ends |= set(range(at, end, 4))
            does = [inside.get(at).replace('add', 'sub').replace('ldp', 'stp') for at in range(at, end, 4)]
            if does != [text.replace('add', 'sub').replace('ldp', 'stp') for text in undone]:
                yield f'{one.name}: at {at - one.begin:#x} is no epilogue {undone}'
            if not re.match(r'ret|b ', inside.get(end, '')):
                yield f'{one.name}: the epilogue at {at - one.begin:#x} does not end'
        framed, by_pointer = set(one.prologue) - {'nop'}, 'mov x29, sp' in one.prologue
        for at, text in inside.items():
            if at < body or at in ends:
                continue
            place = f'{one.name}+{at - one.begin:#x}: {text}'
            last = inside.get(at + 4, '').startswith('b ')
            sets = re.match(r'(?:mov|add|sub) sp, |.*\[sp\], #|.*\[sp, #-?\d+\]!', text)
            if sets and not by_pointer and not (last and not framed):
                yield f'{place}: what the unwinder does not know'
            if re.match(r'(?:mov|ldr) x30|ldp x29, x30|bl ', text) and not framed:
                yield f'{place}: the return address is lost'
            if text == 'ret' and framed and at - 4 not in ends:
                yield f'{place}: with a frame'
            jump = re.fullmatch(r'(?:b|b\.\w+|cbn?z \w+,|tbn?z \w+, #\d+,) (?:#)?(\d+)', text)
            if jump:
                target = int(jump[1])
                other = next((o for o in found if o.section == one.section and o.begin <= target < o.end), None)
                if other and other != one and at - 4 not in ends:
                    same = other.prologue == one.prologue and target >= other.begin + 4 * len(other.prologue)
                    free = not framed and (target == other.begin or not set(other.prologue) - {'nop'})
                    if not same and not free and not one.name.endswith('_leave'):
                        yield f'{place}: into another frame'
    framed = sum(1 for one in found if set(one.prologue) - {'nop'})
    yield f'{len(functions)} functions, {len(found)} entries of unwind data, {framed} with a frame'


if __name__ == '__main__':
    found = list(wrong(sys.argv[1]))
    print('\n'.join(found))
    sys.exit(len(found) != 1 or found[0].startswith('0 '))
