#!/usr/bin/env python3
"""Compares objects for Windows that two assemblers have made of the same text.

    ci/same_code.py FILE.o OTHER.o

Every function and all unwind data of the first must be in the second, which may have more. What
refers to something is compared by what it refers to; what an assembler puts between functions to
align them is not compared. Says what differs; the last line counts.
"""
import sys
sys.dont_write_bytecode = True
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


def different(path, other):
    ours = code(path)
    theirs = code(other, ours)
    for name, function in ours.items():
        for what in function:
            if theirs.get(name, {}).get(what) != function[what]:
                yield f'{name}: another {what}'
    yield (f'{len(ours)} functions, {sum(len(one["code"]) for one in ours.values())} bytes, '
           f'{sum(len(one["references"]) for one in ours.values())} references')


if __name__ == '__main__':
    found = list(different(*sys.argv[1:]))
    print('\n'.join(found))
    sys.exit(len(found) != 1 or found[0].startswith('0 '))
