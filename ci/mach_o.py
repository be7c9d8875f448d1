#!/usr/bin/env python3
"""Assembles the ports for Apple's systems, and checks that no unwinder knows a function by a compact
encoding. Where that says "no frame" it is exact, but in a prologue it is not. So all others must
leave it to DWARF.

    ci/mach_o.py

Says what is wrong; the last line counts.
"""
import re

from assembled import each_is_noticed, run
from targets import TARGETS

# Clang's name of a system, encodings of no frame and DWARF (compact_unwind_encoding.h), and a frame
# of which nothing is said that keeps it from being encoded.
SYSTEMS = {
    'aarch64': ('arm64-apple-macos11', {0x02000000, 0x03000000}, '''
        stp x29, x30, [sp, #-16]!
        mov x29, sp
        .cfi_def_cfa x29, 16
        .cfi_offset x29, -16
        .cfi_offset x30, -8'''),
    'x86_64': ('x86_64-apple-macos10.12', {0x04000000}, 'BEGIN_FRAME'),
}


def judge(path, allowed):
    """The functions that have another encoding, and how many functions there are."""
    functions = len(re.findall(r'^\S+ T ', run('llvm-nm', '--format=posix', path), re.M))
    # If DWARF has all, there is no section.
    text = run('llvm-objdump', '--unwind-info', path)
    found = re.findall(r' start: +\S+ (\S+).*?compact encoding: +(0x\w+)', text, re.S)
    wrong = [f'{name} has a compact encoding, {code}' for name, code in found if int(code, 16) not in allowed]
    return wrong or ['no functions'] * (not functions), f'{functions} functions without a compact encoding'


if __name__ == '__main__':
    for target, (system, allowed, frame) in SYSTEMS.items():
        broken = f'BEGIN_SYMBOL _broken\n_broken: .cfi_startproc\n{frame}\nret\n.cfi_endproc'
        count = each_is_noticed(f'clang --target={system}', lambda path: judge(path, allowed), TARGETS[target]['port'], [broken])
        print(f'{system}: {count}')
