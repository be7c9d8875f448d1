"""Proves functions of the assembly for every signature, and refutes copies that are
broken on purpose; asm/README.md says what that means.

    prove.py [--port NAME] [--mutants N] [--only PATTERN,...] [--verbose]

Prints a table of the functions. Drops each directive for unwinders, and with --mutants
tries every Nth mutant of ci/mutator.py that breaks an instruction of theirs: none may be
proved, but those that are listed as equivalent.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from contract import ROOT
from enter import ENTER, STORING, X87, Vectors
from host import Host
from leave import Leavable, Left
from machine import Machine
from memory import Refuted, Unproved
from ports import PORTS
from thunks import Thunk
from variable import VARIABLE, FixedLoop
from vex import Code

sys.path.append(str(ROOT / 'ci'))
import mutator

BODIES = {**VARIABLE, **ENTER, **STORING}
# A part of others: the one that refutes its mutants.
CALLERS = {'all_floats': 'short_cut', 'landed': 'leavable'}


def names(port):
    """The functions that are proved."""
    return [*PORTS[port].functions, *PORTS[port].host, 'leavable', 'leave', *PORTS[port].thunks]


def wanted(name, options):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in options.only.split(','))


def cases(port, name):
    """What is proved of a function: contracts, and how far into it each begins."""
    port = PORTS[port]
    if name in BODIES:
        body = FixedLoop if name == 'fixed' and port.words_return else BODIES[name]
        return {f'slots of {stride}': [(body(port, stride), 0)] for stride in (16, 8)}
    if name == 'x87':
        return {f'slots of {stride}': [(X87(port, stride, top), 0) for top in range(8)] for stride in (16, 8)}
    if name == 'vectors':
        return {f'slots of {stride}': [(Vectors(port, stride), 0)] for stride in (16, 8)}
    if name in port.host:
        return {'': [(Host(port, *port.host[name]), 0)]}
    if name == 'leavable':
        left = [(Left(port, 'landed', port.sp, way), 0) for way in range(port.ways)]
        return {'returns': [(Leavable(port), 0)], 'is left': left}
    if name == 'leave':
        return {'': [(Left(port, 'leave', port.callee, way), 0) for way in range(port.ways)]}
    *row, count, size = port.thunks[name]
    return {f'{count} of them': ((Thunk(port, *row, index), index * size) for index in range(count))}


def linked(port, text):
    """The code that this assembly is; None if it is none."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / 'body.s').write_text(text)
        command = [port.cc, '-shared', '-nostdlib', '-Wl,-Bsymbolic', 'body.s', '-o', 'body.so']
        if subprocess.run(command, cwd=folder, capture_output=True).returncode:
            return None
        with open(Path(folder) / 'body.so', 'rb') as file:
            return Code(file, port.arch)


def prove(port, text, name, case, assumed=True, directives=None):
    """Paths, claims, those of E6, seconds, and which directives are missed; or the Unproved."""
    start, code, paths, claims, unwound, missed = time.process_time(), linked(PORTS[port], text), 0, 0, 0, {}
    try:
        for contract, distance in cases(port, name)[case]:
            machine = Machine(code, contract)
            machine.solver.add(assumed)
            for function, names in (directives or {}).items():
                machine.unwinding.less.update(code.rules.without(code.symbols[function], names))
            machine.run(contract.begins or name, distance)
            paths, claims, unwound = paths + machine.paths, claims + machine.claims, unwound + machine.unwinding.claims
            missed |= machine.unwinding.refuted
    except Unproved as unproved:
        return unproved
    return paths, claims, unwound, time.process_time() - start, missed


def refute(port, text, name):
    """Why this function is not proved of a mutant; None if it is."""
    if not linked(PORTS[port], text):
        return 'assembler'
    whys = (prove(port, text, name, case) for case in cases(port, name))
    return next((why for why in whys if isinstance(why, Unproved)), None)


def table(pool, port, text, names, directives):
    """Whether all are proved, and which directives are missed."""
    rows = [(name, case) for name in names for case in cases(port, name)]
    own = [{function: some for function, some in directives.items() if CALLERS.get(function, function) == name}
           for name, _ in rows]
    results = pool.map(prove, [port] * len(rows), [text] * len(rows), *zip(*rows), [True] * len(rows), own)
    print(f'{"function":34}{"paths":>8}{"claims":>8}{"E6":>8}{"seconds":>9}')
    proved, missed = True, {}
    for row, result in zip(rows, results):
        if isinstance(result, Unproved):
            proved, text = False, f'  NOT PROVED: {result}'
        else:
            text = '{:8}{:8}{:8}{:9.1f}'.format(*result)
            missed |= result[-1]
        print('{:20}{:14}'.format(*row) + text, flush=True)
    return proved, missed


def directives(statements, wanted):
    """Mutants of the unwinding directives of each function, in order."""
    found = collections.defaultdict(list)
    for mutant in mutator.mutants(statements):
        name = mutant.name.split(':')[0].split()[0]
        if re.search(r': \.cfi_(?!startproc|endproc)', mutant.name) and CALLERS.get(name, name) in wanted:
            found[name].append(mutant.name)
    return found


def unwound(directives, missed, options):
    """Whether no directive can be dropped, but those that are known for it."""
    if not directives:
        return True
    names = [name for some in directives.values() for name in some]
    dropped = [name for name in names if name not in missed]
    bad = [name for name in dropped if not mutator.equivalent(name)]
    for name in names if options.verbose else bad:
        print(f'{name}\n    {missed.get(name, "PROVED")}', flush=True)
    print(f'{len(names)} directives for unwinders: without them {len(missed)} refuted, {len(dropped) - len(bad)} equivalent')
    return not bad


def vacuous(port, text):
    """Whether a contradiction proves anything: if it does, so may what is assumed."""
    return not isinstance(prove(port, text, 'bare', 'slots of 16', assumed=False), Unproved)


def control(pool, statements, options):
    """Whether no mutant of the sample is proved that is not known to be equivalent."""
    todo = []
    for mutant in mutator.mutants(statements):
        name = mutant.name.split(':')[0].split()[0]
        directive = any(word in mutant.name for word in ('.cfi_', '.hidden'))
        caller = CALLERS.get(name, name)
        if caller in names(options.port) and wanted(caller, options) and not directive:
            todo.append((mutant, caller))
    todo = todo[options.mutants // 2::options.mutants]
    texts = [mutator.source(statements, mutant) for mutant, _ in todo]
    counts = collections.Counter()
    results = pool.map(refute, [options.port] * len(todo), texts, [name for _, name in todo])
    for (mutant, _), why in zip(todo, results):
        if options.verbose:
            print(f'{mutant.name}\n    {why!r}', flush=True)
        if why == 'assembler':
            counts[why] += 1
        elif why:
            counts['refuted' if isinstance(why, Refuted) else 'not understood'] += 1
        elif mutator.equivalent(mutant.name):
            counts['equivalent'] += 1
        else:
            counts['proved'] += 1
            print('PROVED', mutant.name, flush=True)
    print(f'{len(todo)} mutants:', ', '.join(f'{count} {what}' for what, count in counts.most_common()))
    return not counts['proved']


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--port', choices=PORTS, default='x86_64')
    parser.add_argument('--mutants', type=int, default=0)
    parser.add_argument('--only', default='*')
    parser.add_argument('--verbose', action='store_true')
    options = parser.parse_args()
    port = PORTS[options.port]
    statements = mutator.read(f'{port.cc} {port.flags}', port.file)
    text = mutator.source(statements)
    # Terms of z3 do not survive a fork.
    context = multiprocessing.get_context('spawn')
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), context) as pool:
        rows = [name for name in names(options.port) if wanted(name, options)]
        own = directives(statements, rows) if port.directives else {}
        good, missed = table(pool, options.port, text, rows, own)
        good &= unwound(own, missed, options) and not vacuous(options.port, text)
        if options.mutants:
            good &= control(pool, statements, options)
    sys.exit(not good)


if __name__ == '__main__':
    main()
