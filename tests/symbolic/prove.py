"""Proves functions of the assembly for every signature, and refutes copies that are
broken on purpose; asm/README.md says what that means.

    prove.py [--port NAME] [--only PATTERN,...] [--mutants N] [--check | --write] [--verbose]

A pattern is of functions, or of port/function. Prints what is proved of each. Drops each
directive for unwinders, and with --mutants tries every Nth mutant of ci/mutator.py that breaks
an instruction of theirs: none may be proved, but those that are listed as equivalent.
Compares the tables of asm/README.md with what is proved, or writes them.
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

import z3

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
# Parts of others: those that refute their mutants.
CALLERS = {'all_floats': ['short_cut', 'fixed'], 'landed': ['leavable'],
           '.Larguments': ['fixed'], '.Lfew_arguments': ['short_cut', 'fixed']}
# What takes longest begins first; what is not here, after the mutants.
LONGEST = 'c_host host variable fixed c_host_small host_small pointer_thunks callback_block callback_thunks'.split()
README = ROOT / 'asm/README.md'
TABLES = re.compile(r'(?<=<!-- written by ci/symbolic write -->\n).*(?=<!-- end -->)', re.S)


def functions(port):
    """Those that are proved."""
    return [*PORTS[port].functions, *PORTS[port].host, 'leavable', 'leave', *PORTS[port].thunks]


def callers(mutant):
    """The function or part that a mutant is of, by its name, and what refutes it."""
    name = mutant.split(':')[0].split()[0]
    return name, CALLERS.get(name, [name])


def wanted(port, name, options):
    if options.port not in (None, port):
        return False
    patterns = (pattern if '/' in pattern else f'*/{pattern}' for pattern in options.only.split(','))
    return any(fnmatch.fnmatchcase(f'{port}/{name}', pattern) for pattern in patterns)


def cases(port, name):
    """What is proved of a function: contracts, and how far into it paths begin."""
    port, first = PORTS[port], (0,)
    if name in BODIES:
        body = FixedLoop if name == 'fixed' and port.words_return else BODIES[name]
        return {f'slots of {stride}': [(body(port, stride), first)] for stride in (16, 8)}
    if name == 'x87':
        return {f'slots of {stride}': [(X87(port, stride, top), first) for top in range(8)] for stride in (16, 8)}
    if name == 'vectors':
        return {f'slots of {stride}': [(Vectors(port, stride), first)] for stride in (16, 8)}
    if name in port.host:
        return {'': [(Host(port, *port.host[name]), first)]}
    if name == 'leavable':
        left = [(Left(port, 'landed', port.sp, way), first) for way in range(port.ways)]
        return {'returns': [(Leavable(port), first)], 'is left': left}
    if name == 'leave':
        return {'': [(Left(port, 'leave', port.callee, way), first) for way in range(port.ways)]}
    *row, count, size = port.thunks[name]
    return {f'{count} of them': [(Thunk(port, name, *row, size), range(0, count * size, size))]}


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
    """Paths, claims by promise, seconds, and which directives are missed; or the Unproved."""
    start, code, paths, claims, missed = time.process_time(), linked(PORTS[port], text), 0, collections.Counter(), {}
    try:
        for contract, distances in cases(port, name)[case]:
            machine = Machine(code, contract)
            machine.always(z3.BoolVal(assumed))
            for function, names in (directives or {}).items():
                machine.unwinding.less.update(code.rules.without(code.symbols[function], names))
            machine.run(contract.begins or name, distances)
            paths, claims = paths + machine.paths, claims + machine.claims
            claims['E6'] += machine.unwinding.claims
            missed |= machine.unwinding.refuted
    except Unproved as unproved:
        return unproved
    return paths, claims, time.process_time() - start, missed


def refute(port, text, names):
    """Why one of these functions is not proved of a mutant; None if all are."""
    if not linked(PORTS[port], text):
        return 'assembler'
    whys = (prove(port, text, name, case) for name in names for case in cases(port, name))
    return next((why for why in whys if isinstance(why, Unproved)), None)


def vacuous(port, text):
    """Whether a contradiction proves anything: if it does, so may what is assumed."""
    return not isinstance(prove(port, text, 'bare', 'slots of 16', assumed=False), Unproved)


def directives(statements, wanted):
    """Mutants of the unwinding directives of each function, in order."""
    found = collections.defaultdict(list)
    for mutant in mutator.mutants(statements):
        name, by = callers(mutant.name)
        if re.search(r': \.cfi_(?!startproc|endproc)', mutant.name) and wanted(by[0]):
            found[name].append(mutant.name)
    return found


def sample(statements, wanted):
    """Mutants of instructions, and the functions that refute each."""
    for mutant in mutator.mutants(statements):
        by = [name for name in callers(mutant.name)[1] if wanted(name)]
        if by and not any(word in mutant.name for word in ('.cfi_', '.hidden')):
            yield mutant, by


class Run:
    """All that is asked for, of these ports, in one pool."""

    def __init__(self, options):
        self.options, self.good = options, True
        self.rows, self.mutants, self.texts, self.own = [], [], {}, {}
        for name, port in PORTS.items():
            chosen = [function for function in functions(name) if wanted(name, function, options)]
            if not chosen:
                continue
            statements = mutator.read(f'{port.cc} {port.flags}', port.file)
            self.texts[name] = mutator.source(statements)
            self.own[name] = directives(statements, chosen.__contains__) if port.directives else {}
            self.rows += [(name, function, case) for function in chosen for case in cases(name, function)]
            if options.mutants:
                self.mutants += [(name, mutant, by, mutator.source(statements, mutant))
                                 for mutant, by in sample(statements, chosen.__contains__)]
        self.mutants = self.mutants[options.mutants // 2::options.mutants or 1]

    def begin(self, pool):
        def row(port, name, case):
            own = {function: some for function, some in self.own[port].items() if CALLERS.get(function, [function])[0] == name}
            return pool.submit(prove, port, self.texts[port], name, case, True, own)

        def begin(rows):
            return {row_: row(*row_) for row_ in rows}

        long = sorted((row_ for row_ in self.rows if row_[1] in LONGEST), key=lambda row_: LONGEST.index(row_[1]))
        self.results = begin(long)
        self.refuted = [pool.submit(refute, port, text, by) for port, _, by, text in self.mutants]
        self.results |= begin(row_ for row_ in self.rows if row_[1] not in LONGEST)
        self.vacuous = [pool.submit(vacuous, port, text) for port, text in self.texts.items()]

    def table(self):
        """What is proved, a line for each; and directives."""
        missed, self.proved, self.paths = collections.defaultdict(dict), {}, collections.Counter()
        print(f'{"port":16}{"function":20}{"":14}{"paths":>8}{"claims":>9}{"of E6":>9}{"seconds":>9}')
        for row in self.rows:
            result, text = self.results[row].result(), '{:16}{:20}{:14}'.format(*row)
            if isinstance(result, Unproved):
                self.good, text = False, f'{text}  NOT PROVED: {result}'
            else:
                paths, claims, seconds, some = result
                text += f'{paths:8}{claims.total():9}{claims["E6"]:9}{seconds:9.1f}'
                missed[row[0]] |= some
                self.paths[row[:2]] += paths
                self.proved[row[:2]] = self.proved.get(row[:2], collections.Counter()) + claims
            print(text, flush=True)
        for port, own in self.own.items():
            self.unwound(port, [name for some in own.values() for name in some], missed[port])
        self.good &= not any(result.result() for result in self.vacuous)

    def unwound(self, port, names, missed):
        """No directive can be dropped, but those that are known for it."""
        if not names:
            return
        dropped = [name for name in names if name not in missed]
        bad = [name for name in dropped if not mutator.equivalent(name)]
        for name in names if self.options.verbose else bad:
            print(f'{name}\n    {missed.get(name, "PROVED")}', flush=True)
        print(f'{port}: {len(names)} directives for unwinders: '
              f'without them {len(missed)} refuted, {len(dropped) - len(bad)} equivalent')
        self.good &= not bad

    def control(self):
        """No mutant of the sample is proved that is not known to be equivalent."""
        counts = collections.Counter()
        for (port, mutant, *_), result in zip(self.mutants, self.refuted):
            why = result.result()
            if self.options.verbose:
                print(f'{port}: {mutant.name}\n    {why!r}', flush=True)
            if why == 'assembler':
                counts[why] += 1
            elif why:
                counts['refuted' if isinstance(why, Refuted) else 'not understood'] += 1
            elif mutator.equivalent(mutant.name):
                counts['equivalent'] += 1
            else:
                counts['proved'] += 1
                print('PROVED', port, mutant.name, flush=True)
        print(f'{len(self.mutants)} mutants:', ', '.join(f'{count} {what}' for what, count in counts.most_common()))
        self.good &= not counts['proved']

    def tables(self):
        """Paths and claims of each function, and how many claims are of each promise."""
        def row(*cells):
            lines.append(f'| {" | ".join(cells)} |')

        lines, ports = [], list(self.texts)
        row('function: paths, claims', *(f'`{port}`' for port in ports))
        row(*['---'] * (1 + len(ports)))
        for name in dict.fromkeys(name for _, name in self.proved):
            row(f'`{name}`', *(f'{self.paths[port, name]:,}, {self.proved[port, name].total():,}' if (port, name) in self.proved
                               else 'not proved' if name in functions(port) else '–' for port in ports))
        totals = {port: sum((claims for (of, _), claims in self.proved.items() if of == port), collections.Counter())
                  for port in ports}
        lines.append('')
        row('claims of', *(f'`{port}`' for port in ports))
        row(*['---'] * (1 + len(ports)))
        order = lambda promise: (promise == 'others', promise == 'R', int(promise[1:]) if promise[1:].isdigit() else 0)
        for promise in sorted(set().union(*totals.values()), key=order):
            what = {'R': 'R1 to R4 of bodies that are called', 'others': 'loops, control flow'}.get(promise, promise)
            row(what, *(f'{totals[port][promise]:,}' if totals[port][promise] else '–' for port in ports))
        return ''.join(f'{line}\n' for line in lines)

    def readme(self):
        """Writes the tables, or compares what they say of the functions that are proved, and of the ports that are so whole."""
        tables, text = self.tables(), README.read_text()
        if self.options.write:
            README.write_text(TABLES.sub(lambda _: tables, text))
            return
        said, found = cells(TABLES.search(text)[0]), cells(tables)
        proofs = [(name, port) for name, port in said if name.startswith('`') and ',' in said[name, port]]
        parts = {port for name, port in proofs if ',' not in found.get((name, port), '')}
        for (name, port), cell in found.items():
            if name.startswith('`') and ',' in cell or not name.startswith('`') and port not in parts:
                if said.get((name, port)) != cell:
                    self.good = False
                    print(f'asm/README.md says of {name} on {port}: {said.get((name, port))}, not {cell}; `ci/symbolic write` writes it')


def cells(tables):
    """The cells of tables, by the heads of their lines and columns."""
    ports, found = [], {}
    for line in tables.splitlines():
        head, *row = (cell.strip() for cell in line.strip('|').split('|'))
        if head.endswith(('claims', 'claims of')):
            ports = row
        else:
            found |= {(head, port): cell for port, cell in zip(ports, row)}
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--port', choices=PORTS)
    parser.add_argument('--only', default='*')
    parser.add_argument('--mutants', type=int, default=0)
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--verbose', action='store_true')
    options = parser.parse_args()
    run = Run(options)
    # Terms of z3 do not survive a fork.
    context = multiprocessing.get_context('spawn')
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), context) as pool:
        run.begin(pool)
        run.table()
        if options.mutants:
            run.control()
    if run.good and (options.check or options.write):
        run.readme()
    sys.exit(not run.good)


if __name__ == '__main__':
    main()
