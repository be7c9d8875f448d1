"""Runs machine code on symbols.

Values are terms of z3. Where a branch could go both ways, the path forks. Where paths
meet, there may be a cut: what holds there is claimed of each path that arrives, and one
goes on from there that knows no more than that. So loops go by induction.

An address is one base, such as the stack pointer at entry, and an offset; what lies
there is for the contract to say, which is asked about every access, call and exit.
"""
import collections
import re

import z3

import branches
from memory import Refuted, Unproved, bits, by_cases, reads, root
from unwind import Unwinding
from vex import Step


PROMISE = re.compile(r'E\d+|R')    # which a claim begins with
MAX_STEPS = 1000    # of one path
# What the solver may spend on a question: some 20 seconds. It answers most questions for a part of
# that, and of the others most for another part, if it begins anew with what it is told.
LIMIT, SOON, ANEW = 100_000_000, 200_000, 10_000_000
MODELS = 8      # of the last exceptions, where the next one is looked for first
# Where the shadow stack pointer is, which VEX does not have, and what archinfo does not know.
OTHERS = {'ssp': 1 << 16, 'fcsr': 536, 'fpc': 712}


class Fork(Exception):
    """The instruction goes on differently where this holds and where it does not."""


class State:
    """Registers, memory and what is known on one path."""

    def __init__(self, machine, pc, origin):
        self.machine, self.pc = machine, pc
        self.origin = origin    # the cut where the path began, and the count there
        self.unknown = 'entry'  # what other registers are named after
        self.registers, self.memory, self.path = {}, {}, []
        self.called = False
        self.lowest = None      # the stack pointer before the instruction
        self.touched = None     # an offset of the stack that was accessed, the lowest where that is known
        self.unwound = None     # what E6 was last claimed of
        self.calls = ()         # where calls of our own functions return to that have not

    def copy(self):
        other = State(self.machine, self.pc, self.origin)
        other.registers, other.path = dict(self.registers), list(self.path)
        other.memory = {name: memory.copy() for name, memory in self.memory.items()}
        other.unknown, other.called, other.touched = self.unknown, self.called, self.touched
        other.unwound, other.calls = self.unwound, self.calls
        return other

    def know(self, fact):
        """An assumption about what is read here."""
        if all(not known.eq(fact) for known in self.path):
            self.path.append(fact)

    def assuming(self, *conditions):
        other = self.copy()
        other.path += (condition for condition in conditions if condition is not True)
        return other

    # Registers are kept in words of 8 bytes, by their offset in VEX's guest state.

    def shift(self, offset, size):
        """How far from the lowest bit of its word."""
        return 64 - 8 * (offset & 7) - size if self.machine.big_endian else 8 * (offset & 7)

    def get(self, offset, width):
        if width > 8:
            parts = self.get(offset + 8, width - 8), self.get(offset, 8)
            return z3.Concat(*parts[::-1] if self.machine.big_endian else parts)
        word, shift = self.registers.get(offset & ~7), self.shift(offset, 8 * width)
        if offset & ~7 == self.machine.zero:
            word = bits(0)
        if word is None:
            word = self.registers[offset & ~7] = z3.BitVec(f'{self.unknown}_{offset & ~7}', 64)
        return word if width == 8 and not shift else z3.simplify(z3.Extract(shift + 8 * width - 1, shift, word))

    def put(self, offset, value):
        if value.size() > 64:
            halves = z3.Extract(63, 0, value), z3.Extract(value.size() - 1, 64, value)
            first, second = halves[::-1] if self.machine.big_endian else halves
            self.put(offset, first)
            return self.put(offset + 8, second)
        shift, word = self.shift(offset, value.size()), self.get(offset & ~7, 8)
        end, parts = shift + value.size(), [value]
        if end < 64:
            parts.insert(0, z3.Extract(63, end, word))
        if shift:
            parts.append(z3.Extract(shift - 1, 0, word))
        self.registers[offset & ~7] = z3.simplify(z3.Concat(*parts) if len(parts) > 1 else value)

    def __getitem__(self, name):
        return self.get(*self.machine.place(name))

    def __setitem__(self, name, value):
        self.put(self.machine.place(name)[0], value)

    # What the solver says.

    def holds(self, condition):
        return self.machine.exception(self.path, condition) == z3.unsat

    def claim(self, condition, what):
        promise = PROMISE.match(what)
        self.machine.claims[promise[0] if promise else 'others'] += 1
        found = self.machine.exception(self.path, condition)
        if found != z3.unsat:
            raise (Refuted if found == z3.sat else Unproved)(f'{what}, at {self.pc:#x}')

    def claim_if(self, guard, claim):
        """Where nothing speaks against the guard; the claim is a function of the state."""
        case = self.assuming(guard)
        if not case.holds(False):
            claim(case)

    def claim_stored(self, stored, what):
        """Memory, offset, value, and under which condition it is there."""
        for memory, offset, value, guard in stored:
            self.claim_if(guard, lambda case: case.claim_there(case.memory[memory], offset, value, f'{what}: {memory}'))

    def claim_there(self, memory, offset, value, what):
        """Of each part, that whatever may be there is this. One by one this is easier for the solver."""
        width = value.size() // 8
        for at in range(0, width, memory.grain):
            part, case = z3.Extract(8 * min(width, at + memory.grain) - 1, 8 * at, value), self
            for condition, zero, there in memory.alternatives(self, z3.simplify(offset + at), part.size() // 8):
                case.assuming(condition).claim_where(zero, there == part, what)
                case = case.assuming(z3.Not(condition))

    def claim_where(self, zero, claim, what):
        """Where this is 0. If that says which one any word is, it is claimed of that one, which is easier, too."""
        for any in self.machine.contract.any:
            one = root(zero, any)
            if one is not None and self.holds(any == one):
                claim = z3.substitute(claim, (any, one))
        self.claim(claim, what)

    def decide(self, condition):
        if self.holds(condition):
            return True
        if self.holds(z3.Not(condition)):
            return False
        raise Fork(condition)


class Machine:
    """Runs a function under a contract."""
    zero = None     # a register that is always zero

    def __init__(self, code, contract):
        self.code, self.contract, self.arch = code, contract, code.arch
        self.zero = self.arch.registers.get('zero', (None,))[0]
        self.claims, self.paths, self.known, self.told = collections.Counter(), 0, {}, []
        self.assumed = []   # on every path
        self.enough = {}    # of a condition, sets of facts that it follows from
        self.models = collections.deque(maxlen=MODELS)
        self.big_endian = self.arch.register_endness == 'Iend_BE'
        self.solver = z3.Solver()
        self.unwinding = Unwinding(self)

    def exception(self, path, condition):
        """Whether the solver finds one: sat, unsat or unknown."""
        if condition is True:
            return z3.unsat
        condition = z3.simplify(condition) if not isinstance(condition, bool) else z3.BoolVal(condition)
        if z3.is_true(condition):
            return z3.unsat
        facts = [known.get_id() for known in path]
        key = (*facts, condition.get_id())
        if key not in self.known:
            enough = self.enough.setdefault(condition.get_id(), [])
            if any(few.issubset(facts) for few in enough):
                found = z3.unsat
            else:
                found, used = self.answer(path, z3.Not(condition))
                if found == z3.unsat:
                    enough.append(used or set(facts))
            # The terms are kept, too, so that no other gets their numbers.
            self.known[key] = found, condition, list(path)
        return self.known[key][0]

    def answer(self, path, exception):
        """Whether there is one, and what was used of the path to show that there is none, if that is known: where this holds,
        there is none, either.
        """
        if any(all(z3.is_true(model.eval(fact, True)) for fact in (exception, *path)) for model in reversed(self.models)):
            return z3.sat, set()
        found, used = self.ask_again(SOON, path, exception)
        if found == z3.unknown:
            exception, changed = self.unified(path, exception)
            exception = by_cases(exception)
            if z3.is_false(exception):
                return z3.unsat, set()
            anew = z3.SolverFor('QF_UFBV')
            anew.add(*self.assumed, exception)
            for i in range(len(self.told)):
                self.tell(anew, i)
            found, used = self.ask(anew, ANEW)
            if found == z3.unknown:
                found, used = self.ask_again(LIMIT, path, exception)
            if changed:     # by facts that the solver does not know to be used
                used = set()
        return found, used

    def ask_again(self, limit, path, exception):
        """The solver that keeps what it has been told."""
        self.assume(path)
        self.solver.push()
        self.solver.add(exception)
        answer = self.ask(self.solver, limit)
        self.solver.pop()
        return answer

    def ask(self, solver, limit):
        """A solver that may spend so much."""
        solver.set('rlimit', limit)
        found = solver.check()
        if found == z3.sat:
            self.models.append(solver.model())
        core = solver.unsat_core() if found == z3.unsat else []
        return found, {self.told[int(str(name))].get_id() for name in core}

    def unified(self, path, term):
        """With one term for all that is read at one offset, as far as offsets are known to be equal on the path, and whether there
        are any such. For the solver, that is the hardest part of such a claim.
        """
        told_apart, same = [], []
        for read in reads(term):
            there = z3.substitute(read, *same)
            one = next((one for one in told_apart if one.decl().eq(there.decl())
                        and self.exception(path, one.arg(0) == there.arg(0)) == z3.unsat), None)
            if one is None:
                told_apart.append(there)
            else:
                same.append((read, one))
        return z3.simplify(z3.substitute(term, *same)), bool(same)

    def assume(self, path):
        """Tells the solver what is known on a path. It keeps what two paths begin with, or, where it is faster so, none."""
        same = 0
        if not self.contract.keeps:
            path = [z3.And(*path)] if path else []
        while same < min(len(path), len(self.told)) and path[same].eq(self.told[same]):
            same += 1
        self.solver.pop(len(self.told) - same)
        self.told = list(path)
        for i in range(same, len(path)):
            self.solver.push()
            self.tell(self.solver, i)

    def tell(self, solver, i):
        """One fact, of which the solver can say that it used it, unless it is faster without."""
        if self.contract.keeps:
            solver.assert_and_track(self.told[i], str(i))
        else:
            solver.add(self.told[i])

    def always(self, *facts):
        """Assumes this on every path."""
        self.solver.add(*facts)
        self.assumed += facts

    def place(self, name):
        if name in OTHERS:
            return OTHERS[name], 8
        offset, size = self.arch.registers[name]
        return offset, min(size, 16)

    def run(self, name, distances=(0,)):
        """From so far behind the beginning of a function on, or from several places, each by itself."""
        for distance in distances:
            self.run_from(self.code.symbols[name] + distance)

    def run_from(self, entry):
        contract = self.contract
        heads, loops = [] if contract.ends else self.code.loops(entry), contract.loops()
        if len(heads) != len(loops):
            raise Unproved(f'{len(heads)} loops, not {len(loops)}')
        self.cuts, self.begun = dict(zip(heads, loops)), set()
        self.open = {}  # calls, where paths meet
        self.ends = {self.code.symbols[name] for name in contract.ends}
        start = State(self, entry, (None, None))
        contract.begin(start)
        if self.paths == 0:
            self.always(*contract.assumed())
        branches.entered(start, contract.interrupted)
        self.todo = [start]
        while self.todo:
            self.follow(self.todo.pop())

    def follow(self, state):
        """From the entry, a cut or a fork to a cut or the end."""
        going, steps = True, 0
        while going:
            before, steps = state.copy(), steps + 1
            if steps > MAX_STEPS:
                raise Unproved('a path without an end')
            try:
                going = Step(state).run()
            except Fork as fork:
                condition, = fork.args
                self.todo.append(before.assuming(z3.Not(condition)))
                state = before.assuming(condition)
                continue
            branches.followed(before, state, going)
            self.unwinding.at(before, before.pc)
            state.unwound = before.unwound
            if state.called and not before.called:
                self.unwinding.at(state, state.pc - 1, live=False)
            returned = state.called and not before.called and self.contract.returned
            cut = returned or self.cuts.get(state.pc)
            if going and state.pc in self.ends:
                self.contract.exit(state, bits(state.pc))
                going = False
            elif going and cut:
                self.arrive(state, cut)
                going = False
        self.not_empty(state)
        self.paths += 1

    def not_empty(self, state):
        if state.holds(False):
            raise Unproved('what is assumed contradicts itself')

    def arrive(self, state, cut):
        """The first time, a path begins here."""
        count = cut.check(state)
        branches.met(state, self.open.setdefault(state.pc, state.calls))
        before, first = state.origin
        if cut is before:
            state.claim(z3.ULT(count, first), f'{cut.name}: an end')
        elif before in self.later(cut):
            raise Unproved(f'{cut.name} after {before.name}')
        if state.pc not in self.begun:
            self.begun.add(state.pc)
            general = cut.state(self, state.pc)
            general.calls = state.calls
            self.not_empty(general)
            self.todo.append(general)

    def later(self, cut):
        cuts = self.contract.cuts
        return cuts[cuts.index(cut) + 1:]
