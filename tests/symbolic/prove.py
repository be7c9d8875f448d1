"""Proves bodies of asm/x86_64_sysv.S, and refutes copies that are broken on purpose.

    prove.py [--mutants N] [--body PATTERN] [--verbose]

Prints a table of the bodies. With --mutants, tries every Nth mutant of .ci/mutants that
breaks an instruction of theirs, and prints those that are not refuted.
"""
import argparse, fnmatch, importlib.machinery, re, subprocess, sys, tempfile, time, types
from pathlib import Path

import enter
import machine
from machine import Code, Refuted, Unknown

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / 'asm/x86_64_sysv.S'
BODIES = enter.BODIES
# A function that is no body, and the bodies that refute its mutants.
RUNS = {'all_floats': ['short_cut']}


def mutants_module():
    loader = importlib.machinery.SourceFileLoader('mutants', str(ROOT / '.ci/mutants'))
    module = types.ModuleType('mutants')
    module.__file__ = loader.path
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def names():
    """What asm/descriptor.h defines."""
    lines = (ROOT / 'asm/descriptor.h').read_text().splitlines()
    found = (re.fullmatch(r'#define (\w+) (\w+)', line) for line in lines)
    return {match[1]: int(match[2], 0) for match in found if match}


def labelled(source):
    """The source with a symbol function_1 at each label 1: in a function."""
    function, out = '', []
    for line in source.splitlines():
        out.append(line)
        label = re.fullmatch(r'(\w+):', line)
        if label and label[1].isdigit():
            out.append(f'{function}_{label[1]}:')
        elif label:
            function = re.sub(r'^vmtrampoline_\d+_\d+_\d+_', '', label[1])
    return '\n'.join(out) + '\n'


def assembled(bench, mutant, folder):
    """The code of the library as linked; None if it cannot be."""
    (folder / 'body.s').write_text(labelled(bench.source(mutant)))
    link = [bench.compiler, '-shared', '-nostdlib', '-Wl,-Bsymbolic', 'body.s', '-o', 'body.so']
    if subprocess.run(link, cwd=folder, capture_output=True).returncode:
        return None
    return Code(folder / 'body.so')


def prove(body, code, constants):
    """Paths, claims and queries of a body, for both distances of slots."""
    paths = claims = queries = 0
    for stride in (8, 16):
        spec = BODIES[body](body, stride, constants)
        paths += machine.run(spec, code)
        claims += spec.proved
        queries += spec.queries
    return paths, claims, queries


def refuted(code, function, constants):
    """Why a mutant of this function is refuted; '' if it is not."""
    for body in RUNS.get(function, [function]):
        try:
            prove(body, code, constants)
        except (Refuted, Unknown) as error:
            return f'{body}: {type(error).__name__}: {error}'
    return ''


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--mutants', type=int, default=0)
    parser.add_argument('--body', default='*')
    parser.add_argument('--verbose', action='store_true')
    options = parser.parse_args()
    module, constants = mutants_module(), names()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        bench = module.Bench(FILE, None, folder, False)
        code, bad = assembled(bench, None, folder), False
        print(f'{"body":20}{"paths":>8}{"claims":>8}{"queries":>9}{"seconds":>9}')
        for body in BODIES:
            if fnmatch.fnmatchcase(body, options.body):
                start = time.process_time()
                try:
                    numbers = prove(body, code, constants)
                    print(f'{body:20}{numbers[0]:8}{numbers[1]:8}{numbers[2]:9}{time.process_time() - start:9.1f}', flush=True)
                except (Refuted, Unknown) as error:
                    print(f'{body:20} {type(error).__name__}: {error}')
                    bad = True
        if options.mutants:
            bad |= not control(module, bench, folder, constants, options)
    sys.exit(bad)


def control(module, bench, folder, constants, options):
    """Whether every mutant of the sample is refuted, or known to be equivalent."""
    functions = {*BODIES, *RUNS}
    todo = []
    for mutant in module.mutants(bench.statements):
        function = mutant.name.split(':')[0].split()[0]
        cfi = '.cfi_' in mutant.name or '.hidden' in mutant.name or 'endbr64' in mutant.name
        if function in functions and not cfi and fnmatch.fnmatchcase(function, options.body):
            todo.append((function, mutant))
    todo = todo[options.mutants // 2::options.mutants]
    counts, patterns, left = {'refuted': 0, 'unknown': 0, 'assembler': 0, 'equivalent': 0}, module.equivalents(), 0
    for function, mutant in todo:
        code = assembled(bench, mutant, folder)
        why = refuted(code, function, constants) if code else 'assembler'
        if options.verbose:
            print(f'{mutant.name}\n    {why}', flush=True)
        if why:
            counts['assembler' if not code else 'unknown' if ': Unknown' in why else 'refuted'] += 1
        elif any(fnmatch.fnmatchcase(mutant.name, pattern) for pattern in patterns):
            counts['equivalent'] += 1
        else:
            left += 1
            print('NOT REFUTED', mutant.name, flush=True)
    print(f'{len(todo)} mutants:', ', '.join(f'{count} {name}' for name, count in counts.items()), f'- {left} not refuted')
    return left == 0


main()
