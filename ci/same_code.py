#!/usr/bin/env python3
"""Compares what rustc assembles for MSVC with what C compilers assemble for it and for the GNU
toolchain.

    ci/same_code.py RUSTC.o TEXT.s     the object, and the text that rustc assembled

Every function and all unwind data of a C compiler's object must be in rustc's, which has more. What
refers to something is compared by what it refers to; what an assembler puts between functions to
align them is not compared. Says what differs, or which broken text passes; the last line counts.
"""
import re, sys, tempfile
from pathlib import Path

from assembled import assemble, judged, noticed, preprocess
from targets import TARGETS
from unwind_data import Object


def code(path, wanted=None):
    """By a function's name: where it is, its bytes but those that refer to something, what they refer to, and
    what the unwind data says."""
    it, found = Object(path), {}
    functions = {(section - 1, value): name for name, section, value, kind in it.symbols.values()
                 if section > 0 and kind == 0x20 and (wanted is None or name in wanted)}
    for entry in it.entries({section for section, _ in functions}):
        section, data, relocations = it.sections[entry.section]
        data, references = bytearray(data), {}
        for at in relocations:
            if entry.begin <= at < entry.end:
                target, offset = it.target(entry.section, at)
                references[at] = it.sections[target][0], offset
                data[at:at + 4] = bytes(4)
        name = functions.get((entry.section, entry.begin), entry.begin)
        found[name] = {'place': (section, entry.begin, entry.end), 'code': bytes(data[entry.begin:entry.end]),
                       'references': references, 'unwind data': entry[3:]}
    return found


def compare(path, other):
    """What differs in the second, and what the first has."""
    ours = code(path)
    theirs = code(other, ours)
    wrong = [f'{name}: another {what}' for name, function in ours.items() for what in function
             if theirs.get(name, {}).get(what) != function[what]]
    return wrong or ['no functions'] * (not ours), (
        f'{len(ours)} functions, {sum(len(one["code"]) for one in ours.values())} bytes, '
        f'{sum(len(one["references"]) for one in ours.values())} references')


# Other texts: another register, condition, target or name, and a push that is not mentioned.
BROKEN = {r'mov  *rax, r8': 'mov rax, r9', 'cmovnz': 'cmovz', r'seh  *pushreg rbp': '', r'(jmp .*_)c_host': r'\1host',
          '_bare': '_bear'}


def main(by_rustc, text):
    port = TARGETS['x86_64-windows']['port']
    msvc = 'clang --target=x86_64-pc-windows-msvc'
    with tempfile.TemporaryDirectory() as folder:
        ours, other = Path(folder) / 'ours.o', Path(folder) / 'other.o'
        for compiler in 'x86_64-w64-mingw32-gcc', 'clang --target=x86_64-pc-windows-gnu', msvc:
            assemble(compiler, preprocess(compiler, port), ours)
            count = judged(compiler, lambda path: compare(ours, path), by_rustc)
        for pattern, replacement in BROKEN.items():
            assemble(msvc, re.sub(pattern, replacement, Path(text).read_text()), other)
            noticed('text', lambda path: compare(ours, path), other, f'{pattern} becomes {replacement}')
    print(f'{count}, by 4 assemblers; {len(BROKEN)} that differ noticed')


if __name__ == '__main__':
    main(*sys.argv[1:])
