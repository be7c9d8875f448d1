"""E6: what the object tells unwinders, against the state before every instruction.

There the rules of `.eh_frame` must give the stack pointer, the return address and the
callee-saved registers that the caller has. The same is claimed at every call, of what the
callee may leave. Where a function that is called by its name runs, the rules of its frame
come first, then those of the frame that called it.

What the rules read must be there still: a signal handler leaves nothing below the stack
pointer but the red zone.
"""
import copy
import re
from types import SimpleNamespace

import z3
from elftools.dwarf.callframe import FDE
from elftools.dwarf.constants import DW_CFA

from memory import Unproved, number, same

# Registers by DWARF's numbers, the number of the return address, and bytes of the red zone. On s390x the stack pointer is a
# register like others, and the CFA so many bytes above.
DWARF = {
    'AMD64': SimpleNamespace(
        names=dict(enumerate('rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15'.split())),
        returns=16, red_zone=128, above=0),
    'AARCH64': SimpleNamespace(
        names={**{i: f'x{i}' for i in range(31)}, 31: 'sp', **{64 + i: f'd{i}' for i in range(32)}},
        returns=30, red_zone=0, above=0),
    'RISCV64': SimpleNamespace(
        names=dict(enumerate(
            'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6 '
            'ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 '
            'fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11'.split())),
        returns=1, red_zone=0, above=0),
    'S390X': SimpleNamespace(
        names={**{i: f'r{i}' for i in range(16)},
               **{16 + i: f'f{n}' for i, n in enumerate((0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15))}},
        returns=14, red_zone=0, above=160),
}
MOVES = (DW_CFA.advance_loc, DW_CFA.advance_loc1, DW_CFA.advance_loc2, DW_CFA.advance_loc4, DW_CFA.nop)


class Rules:
    """A row for each address: the CFA's register and offset, and rules by register."""

    def __init__(self, entries):
        self.entries, self.rows = entries, {}

    @classmethod
    def of(cls, elf):
        return cls([entry for entry in elf.get_dwarf_info().EH_CFI_entries() if isinstance(entry, FDE)])

    def entry(self, pc):
        return next((entry for entry in self.entries
                     if 0 <= pc - entry['initial_location'] < entry['address_range']), None)

    def row(self, pc):
        """None if the address is in no function."""
        if pc not in self.rows:
            entry = self.entry(pc)
            row = entry and next(row for row in reversed(entry.get_decoded().table) if row['pc'] <= pc)
            self.rows[pc] = row and ((row['cfa'].reg, row['cfa'].offset), {
                column: (rule.type, rule.arg) for column, rule in row.items() if isinstance(column, int)})
        return self.rows[pc]

    def named(self):
        """All registers that any rule speaks of."""
        for row in (row for entry in self.entries for row in entry.get_decoded().table):
            yield row['cfa'].reg
            yield from (rule.arg for rule in row.values() if getattr(rule, 'type', None) == 'REGISTER')

    def without(self, pc, names):
        """For each directive of the function that begins here, the rules without it."""
        entry = self.entry(pc)
        first = len(self.entries[0].cie.instructions)   # what the assembler begins with
        owned = [(owner, i) for owner, start in ((entry.cie, first), (entry, 0))
                 for i, instruction in enumerate(owner.instructions) if i >= start and instruction.opcode not in MOVES]
        if len(owned) != len(names):
            raise Unproved(f'{len(owned)} instructions for unwinders, not {len(names)}')
        for name, (owner, i) in zip(names, owned):
            if re.search(r'\.cfi_(\w+)', name)[1] != owner.instructions[i].opcode.name.removesuffix('_extended'):
                raise Unproved(f'{owner.instructions[i]}, not {name}')
            changed = self.changed(owner, i)
            other = changed if owner is entry else self.changed(entry, None)
            if owner is not entry:
                other.cie = changed
            yield name, Rules([other if one is entry else one for one in self.entries])

    @staticmethod
    def changed(owner, dropped):
        other = copy.copy(owner)
        other.__dict__.pop('_decode_CFI_table', None)
        other.instructions = [one for i, one in enumerate(owner.instructions) if i != dropped]
        return other


class Unwinding:
    """Claims E6 of the states that a machine comes by, and tries rules that lack a directive."""

    def __init__(self, machine):
        self.machine, self.rules, self.claims = machine, machine.code.rules, 0
        self.dwarf, port = DWARF[machine.arch.name], machine.contract.port
        self.column = {name: number for number, name in self.dwarf.names.items()}
        named = {self.dwarf.names.get(register) for register in self.rules.named()} - {None}
        self.watched = sorted(named | {port.sp, *port.kept, *([] if port.pushed else [port.link])})
        self.less, self.refuted = {}, {}

    def at(self, state, pc, live=True):
        """Of the state before the instruction at `pc`; if not live, of one that is in a call."""
        key = [self.rules.row(pc), live, len(state.memory['stack'].log), *(state[name] for name in self.watched)]
        before, at, count = state.unwound or (None, None, 0)
        # What is the same has been claimed there, when less was known.
        known = before and all(a.eq(b) if z3.is_expr(a) else a == b for a, b in zip(key, before))
        if not known or self.less:
            claims, frames = self.outcome(state, pc, self.rules, live)
            count = len(claims)
        self.claims, state.unwound = self.claims + count, (key, pc, count)
        if not known:
            at, others = None, self.machine.claims.copy()
            for what, condition in claims:
                state.claim(condition, f'E6: {what}')
            self.machine.claims = others
        for name in [name for name, less in self.less.items() if self.differs(less, frames, at)]:
            self.try_without(name, state, pc, live)

    def differs(self, less, frames, at):
        """Whether there is something to try: other rules than ours, and others than where they were tried last."""
        try:
            other = any(less.row(pc) != self.rules.row(pc) for pc in frames)
            return other and not (at and less.row(at) == less.row(frames[0]))
        except IndexError:      # restores a state that is not remembered
            return True

    def try_without(self, name, state, pc, live):
        try:
            for what, condition in self.outcome(state, pc, self.less[name], live)[0]:
                if not state.holds(condition):
                    self.refuted[name] = f'{what}, at {pc:#x}'
                    del self.less[name]
                    return
        except (Unproved, IndexError) as why:
            self.refuted[name] = str(why)
            del self.less[name]

    def outcome(self, state, pc, rules, live):
        """What has to hold, and where each frame is."""
        contract, names, returns = self.machine.contract, self.dwarf.names, self.dwarf.returns
        base, to, kept, memory = contract.activation(state)
        kept = {name: term for name, term in kept.items() if name in self.column}
        registers, frames, claims = {}, [], []
        # A convention that gives the callee room above has no red zone.
        sp, red_zone = state[contract.sp], self.dwarf.red_zone if live and not contract.port.space else 0

        def get(column):
            name = names[column]
            return registers[name] if name in registers else state[name]

        def saved(column):
            kind, argument = rules_of.get(column, ('SAME_VALUE', None))
            if kind == 'SAME_VALUE':
                return get(column)
            if kind == 'REGISTER':
                return get(argument)
            if kind != 'OFFSET':
                raise Unproved(f'E6: a rule {kind}, at {pc:#x}')
            place = z3.simplify(cfa + argument - base)
            claims.append(('what is below the stack', sp - base <= place + red_zone))
            return contract.native(memory.load(state, place, 8))

        while True:
            row = rules.row(pc)
            if not row:
                return [('no rules', False)], frames
            frames.append(pc)
            (register, offset), rules_of = row
            cfa = z3.simplify(get(register) + offset)
            found, back = {name: saved(self.column[name]) for name in kept}, saved(returns)
            sp = saved(self.column[contract.sp]) if self.dwarf.above else cfa
            registers.update(found)
            registers[contract.sp] = sp
            inside = number(back)
            if inside is None or len(frames) > 2:
                break
            pc, red_zone = inside - 1, 0
        claims += [('the stack pointer', sp == base + contract.port.pushed), ('the return address', back == to)]
        if self.dwarf.above:
            claims.append(('the CFA', cfa == sp + self.dwarf.above))
        return claims + [(name, same(registers[name], term)) for name, term in kept.items()], frames

