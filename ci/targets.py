#!/usr/bin/env python3
"""The targets: what builds, runs and judges the crate on each.

    ci/targets.py            the names of those that ci/port runs, in the order of the gate
    ci/targets.py NAME       a row as assignments for bash

A row:
    port        its assembly
    triple      the target as Rust calls it
    packages    of Debian, in addition to those that all rows need
    cc          the C compiler that assembles and links
    linker      what links, if not that
    compilers   of C, whose callees are called
    emulator    what runs the target's programs
    cfg         of the crate, for its compiler and its assembler
    flags       for rustc, also when it compiles the libraries
    tests       by their names, `vmtrampoline` for the crate's own; if not all
    skip        tests that cannot hold there, by a part of their name
    prepare     a function of ci/port that makes the emulator ready
    steps       of ci/port, beside the tests
    gdb         the processor as gdb calls it
    kept        callee-saved registers as gdb calls them, the stack pointer last; of floats,
                where gdb is told that they are saved, which Windows' text in ELF does not
"""
import shlex, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

X86_64 = dict(
    port='asm/x86_64_sysv.S',
    triple='x86_64-unknown-linux-gnu',
    packages=['gcc', 'libc6-dev'],
    cc='cc',
    compilers=['cc', 'clang'],
    gdb='i386:x86-64',
    kept='rbx rbp r12 r13 r14 r15 rsp'.split(),
)

WINDOWS = dict(
    port='asm/x86_64_windows.S',
    triple='x86_64-pc-windows-gnu',
    packages=['wine64', 'gcc-mingw-w64-x86-64', 'clang', 'llvm'],
    cc='x86_64-w64-mingw32-gcc',
    compilers=['x86_64-w64-mingw32-gcc'],
    emulator='/usr/lib/wine/wine64',
    prepare='wine',
    steps=['unwind_data'],
)

AARCH64 = dict(
    port='asm/aarch64.S',
    triple='aarch64-unknown-linux-gnu',
    packages=['qemu-user', 'gdb-multiarch', 'gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross', 'clang', 'lld', 'lld-19',
              'llvm'],
    cc='aarch64-linux-gnu-gcc',
    compilers=['aarch64-linux-gnu-gcc', 'clang --target=aarch64-linux-gnu -fuse-ld=lld'],
    # With -L alone two C libraries are mixed where Debian has arm64 packages.
    emulator='qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=/usr/aarch64-linux-gnu/lib',
    steps=['object', 'stepping', 'lld', 'llvm_unwinder', 'instructions', 'mutants', 'libffi'],
    gdb='aarch64',
    # Of a caller, gdb has no d8 if the processor has SVE, but z8, which begins with it.
    kept=[*(f'x{n}' for n in range(19, 30)), *(f'z{n}' for n in range(8, 16)), 'sp'],
)

TARGETS = {
    # Native, so ci/audit and `cargo test` run it.
    'x86_64': X86_64,
    # Windows' convention, run on Linux: without what Rust compiles for C there.
    'x86_64-windows-elf': X86_64 | dict(
        port='asm/x86_64_windows.S',
        packages=['gcc', 'libc6-dev', 'gdb', 'gcc-mingw-w64-x86-64', 'lld-19', 'llvm'],
        cc='gcc',
        compilers=['gcc -mabi=ms', f'{ROOT}/ci/windows-cc'],
        flags='--cfg vmtrampoline_windows',
        tests='vmtrampoline c_callees c_callers c_structs call exhaustive exhaustive_structs host leave liars memory '
              'pointer pool real_structs repr_c stack unwind'.split(),
        steps=['object', 'stepping', 'lld', 'instructions', 'mutants'],
        kept='rbx rbp rsi rdi r12 r13 r14 r15 rsp'.split(),
    ),
    'x86_64-windows': WINDOWS,
    # The same programs for MSVC, whose libraries are not to be had: import libraries are made of
    # Wine's.
    'x86_64-windows-msvc': WINDOWS | dict(
        triple='x86_64-pc-windows-msvc',
        packages=[*WINDOWS['packages'], 'lld-19'],
        cc='clang --target=x86_64-pc-windows-msvc',
        linker='lld-link-19',
        compilers=['clang --target=x86_64-pc-windows-msvc'],
        # The names of functions are in a file that Wine's library for debuggers does not read.
        skip=['backtraces_cross'],
        prepare='msvc',
        steps=['same_code'],
    ),
    's390x': dict(
        port='asm/s390x.S',
        triple='s390x-unknown-linux-gnu',
        packages=['qemu-user', 'gdb-multiarch', 'gcc-s390x-linux-gnu', 'libc6-dev-s390x-cross', 'clang', 'llvm', 'lld-19'],
        cc='s390x-linux-gnu-gcc',
        # By default C has no vector registers there.
        compilers=['s390x-linux-gnu-gcc -march=z14', 'clang --target=s390x-linux-gnu -march=z14'],
        emulator='qemu-s390x -cpu max -L /usr/s390x-linux-gnu',
        steps=['object', 'stepping', 'lld', 'instructions', 'mutants', 'libffi'],
        gdb='s390:64-bit',
        kept=[*(f'r{n}' for n in range(6, 14)), *(f'f{n}' for n in range(8, 16)), 'r15'],
    ),
    'riscv64': dict(
        port='asm/riscv64.S',
        triple='riscv64gc-unknown-linux-gnu',
        packages=['qemu-user', 'gdb-multiarch', 'gcc-riscv64-linux-gnu', 'libc6-dev-riscv64-cross', 'clang', 'lld', 'lld-19',
                  'llvm'],
        cc='riscv64-linux-gnu-gcc',
        compilers=['riscv64-linux-gnu-gcc', 'clang --target=riscv64-linux-gnu -march=rv64gc -fuse-ld=lld'],
        emulator='qemu-riscv64 -L /usr/riscv64-linux-gnu',
        steps=['object', 'stepping', 'lld', 'instructions', 'mutants', 'libffi'],
        gdb='riscv:rv64',
        kept=[*(f's{n}' for n in range(12)), *(f'fs{n}' for n in range(12)), 'sp'],
    ),
    # Apple's convention, run on Linux, where neither what rustc compiles for C nor the C library
    # follows it.
    'aarch64-apple': AARCH64 | dict(
        compilers=[f'{ROOT}/ci/apple-cc'],
        cfg='vmtrampoline_apple',
        skip=['rustc_'],
        prepare='apple',
        steps=['object', 'stepping', 'mach_o'],
    ),
    # The convention of Windows on Arm, run on Linux: what differs from Linux' own. Nothing here
    # runs programs of that system.
    'aarch64-windows': AARCH64 | dict(
        compilers=[f'{ROOT}/ci/windows-arm-cc'],
        cfg='vmtrampoline_arm_windows',
        tests='c_callees c_callers c_structs call host'.split(),
        steps=['object', 'stepping', 'coff_arm'],
    ),
    'aarch64': AARCH64,
}


def for_bash(row):
    """A list becomes an array, and what the row lacks is empty."""
    absent = dict.fromkeys('linker emulator cfg flags prepare'.split(), '') | dict.fromkeys(['tests', 'skip'], [])
    for name, value in (absent | row).items():
        yield f'{name}=({shlex.join(value)})' if isinstance(value, list) else f'{name}={shlex.quote(value)}'


if __name__ == '__main__':
    runnable = [name for name, row in TARGETS.items() if 'steps' in row]
    if len(sys.argv) == 1:
        print('\n'.join(runnable))
    elif sys.argv[1] in runnable:
        print('\n'.join(for_bash(TARGETS[sys.argv[1]])))
    else:
        sys.exit(f'TARGET is one of {", ".join(runnable)}')
