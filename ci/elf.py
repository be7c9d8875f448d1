#!/usr/bin/env python3
"""Checks what the ELF object of a port promises to programs that link it.

    ci/elf.py TARGET      a row of ci/targets.py

Says what is wrong with it, or which broken copy passes; the last line counts.
"""
import re, sys, tempfile
from pathlib import Path

from assembled import PREFIX, assemble, judged, noticed, preprocess, run
from targets import TARGETS

PROMISED = {'Advanced Micro Devices X86-64': 'x86 feature: IBT, SHSTK', 'AArch64': 'AArch64 feature: BTI'}


def judge(path):
    """What is wrong, and how many symbols there are."""
    text = run('readelf', '-hSsnW', path)
    wrong = []

    symbols = [line for line in re.findall(r'^ *\d+: (.*)', text, re.M) if re.search(' (GLOBAL|WEAK) ', line)]
    if not symbols:
        wrong.append('there are no symbols')
    for symbol in symbols:
        visibility, section, name = symbol.split()[4:7]
        if section == 'UND':
            wrong.append(f'{name} is from elsewhere')
        if visibility != 'HIDDEN':
            wrong.append(f'{name} is not hidden')
        if not re.match(r'vmtrampoline_\d+_\d+_\d+_', name):
            wrong.append(f"{name} lacks the crate's prefix")

    sections = {}
    for fields in map(str.split, re.findall(r'^ *\[ *\d+\] (.*)', text, re.M)):
        if fields[0] != 'NULL':
            name, kind, _, _, size = fields[:5]
            sections[name] = kind, int(size, 16), fields[6] if len(fields) == 10 else ''
    for name, (kind, size, flags) in sections.items():
        if 'W' in flags and 'X' in flags:
            wrong.append(f'{name} can be written and executed')
        elif 'W' in flags and kind != 'NOBITS' and size:
            wrong.append(f'{name} is data that can be written')
        elif 'X' in flags and not name.startswith('.text'):
            wrong.append(f'{name} can be executed')
    if '.eh_frame' not in sections:
        wrong.append('there is nothing to unwind by')
    if re.search(r' FDE .* pc=([0-9a-f]+)\.\.\1$', run('readelf', '--debug-dump=frames', path), re.M):
        wrong.append('an entry of the unwinding information is empty')
    if sections.get('.note.GNU-stack') != ('PROGBITS', 0, ''):
        wrong.append('nothing says that the stack is not executable')
    promised = PROMISED.get(re.search(r'Machine: +(.*)', text)[1], '')
    if promised not in text:
        wrong.append(f'no note promises {promised}')
    return wrong, len(symbols)


def main(target):
    compiler, port = TARGETS[target]['cc'], TARGETS[target]['port']
    with tempfile.TemporaryDirectory() as folder:
        good, bad = Path(folder) / 'good.o', Path(folder) / 'bad.o'
        count = judged(target, judge, assemble(compiler, preprocess(compiler, port), good))
        broken = {'--remove-section=.note.GNU-stack': 'stack',
                  '--remove-section=.eh_frame': 'unwind',
                  '--prefix-symbols=x': 'lacks',
                  f'--add-symbol={PREFIX}seen=.text:0,global': 'hidden',
                  '--set-section-flags=.text=alloc,code,contents': 'written and executed',
                  f'--add-section=.data.more={good} --set-section-flags=.data.more=alloc,contents,data': 'data'}
        if b'.note.gnu.property' in good.read_bytes():
            broken['--remove-section=.note.gnu.property'] = 'promises'
        for options, word in broken.items():
            run('llvm-objcopy', *options.split(), good, bad)
            noticed(target, judge, bad, options, word)
        # An alias that is a function of its own.
        alias = 'FUNCTIONS(alias); END_FUNCTION(alias)'
        noticed(target, judge, assemble(compiler, preprocess(compiler, port, f'.text\n{alias}'), bad), alias, 'empty')
    print(f'{count} symbols, {len(broken) + 1} broken objects noticed')


if __name__ == '__main__':
    main(*sys.argv[1:])
