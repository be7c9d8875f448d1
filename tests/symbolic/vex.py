"""Instructions, as pyvex reads them: VEX is the intermediate language of valgrind. Of its
operations these functions use some thirty; any other is refused.
"""
import re
import struct

import pyvex
import z3
from elftools.elf.elffile import ELFFile

from flags import HELPERS
from memory import Unproved, bits, extended, low, number, shortened, swapped, wide
from unwind import Rules


# VEX keeps a rounding mode of a control word; here its register has the whole word.
CREATES = {'amd64g_create_mxcsr': 'sseround', 'amd64g_create_fpucw': 'fpround'}
CHECKS = ['amd64g_check_ldmxcsr', 'amd64g_check_fldcw']     # gives the word, with no warning above


def there(state):
    """Whether there is a shadow stack, of which VEX knows nothing."""
    return state.machine.contract.shadow


def read(state, register):
    """rdsspq, which does nothing where there is none"""
    state[register] = z3.If(there(state), state['ssp'], state[register])


def pop_words(state, register):
    """incsspq"""
    state.claim(there(state), 'a shadow stack')
    state['ssp'] = state['ssp'] + 8 * wide(low(state[register], 8))


def ask(state, register):
    """chkfeat x16"""
    state['x16'] = z3.If(there(state), state['x16'] & ~1, state['x16'])


def read_system(state, register):
    """mrs, of GCSPR_EL0"""
    state.claim(there(state), 'a shadow stack')
    state[register] = state['ssp']


def pop_word(state, register):
    """gcspopm xzr"""
    state.claim(there(state), 'a shadow stack')
    state['ssp'] = state['ssp'] + 8


def touch(state, register):
    """ld zero, (sp), of which VEX drops the load"""
    state.machine.contract.load(state, z3.simplify(state[register]), 8)


# Size, registers that the lowest bits name, and instructions by their other bits.
SHADOW = {
    'AMD64': (5, 'big', 'rax rcx rdx rbx rsp rbp rsi rdi'.split(),
              {0xf3480f1ec8: read, 0xf3480faee8: pop_words}),
    'AARCH64': (4, 'little', [f'x{i}' for i in range(31)] + ['xzr'],
                {0xd53b2520: read_system, 0xd503251f & ~31: ask, 0xd52b773f & ~31: pop_word}),
    'RISCV64': (4, 'little', ['sp'], {0x00013003: touch}),
}


class Shadow:
    """One of these instructions."""
    jumpkind, statements, offsIP = 'Ijk_Boring', (), None

    def __init__(self, size, effect, register):
        self.size, self.effect, self.register = size, effect, register

    @classmethod
    def lift(cls, data, arch):
        if arch.name not in SHADOW:
            return None
        size, order, names, instructions = SHADOW[arch.name]
        word, mask = int.from_bytes(data[:size], order), len(names) - 1
        if word & ~mask in instructions:
            return cls(size, instructions[word & ~mask], names[word & mask])


class Code:
    """A linked file: bytes, and where the functions are."""

    def __init__(self, file, arch):
        elf = ELFFile(file)
        self.arch, self.lifted, self.rules = arch, {}, Rules.of(elf)
        self.sections = [(section['sh_addr'], section.data()) for section in elf.iter_sections()
                         if section['sh_flags'] & 4]
        prefix = re.compile(r'^vmtrampoline_\d+_\d+_\d+_')
        self.symbols = {prefix.sub('', symbol.name): symbol['st_value']
                        for symbol in elf.get_section_by_name('.symtab').iter_symbols()}

    def bytes(self, pc, size):
        data = next((data[pc - start:pc - start + size] for start, data in self.sections
                     if start <= pc < start + len(data)), None)
        if not data:
            raise Unproved(f'jump out of the code, to {pc:#x}')
        return data

    def instruction(self, pc):
        if pc not in self.lifted:
            data = self.bytes(pc, 16)
            self.lifted[pc] = Shadow.lift(data, self.arch) or pyvex.lift(data, pc, self.arch, max_inst=1, opt_level=0)
        return self.lifted[pc]

    def following(self, pc):
        """Where it goes on after an instruction, as far as one can see from it."""
        block = self.instruction(pc)
        yield from (s.dst.value for s in block.statements if s.tag == 'Ist_Exit' and s.jk == 'Ijk_Boring')
        puts = [s.data for s in block.statements if s.tag == 'Ist_Put' and s.offset == block.offsIP]
        if block.jumpkind == 'Ijk_Call' and puts and puts[-1].tag == 'Iex_Const':
            yield puts[-1].con.value
        if block.jumpkind == 'Ijk_Call' or block.jumpkind == 'Ijk_Boring' and not puts:
            yield pc + block.size
        elif block.jumpkind == 'Ijk_Boring' and puts[-1].tag == 'Iex_Const':
            yield puts[-1].con.value

    def loops(self, entry):
        """Where a path from here comes by twice first, in the order of addresses."""
        heads, done, todo = set(), set(), [(entry, frozenset())]
        while todo:
            pc, path = todo.pop()
            if pc in path:
                heads.add(pc)
            if pc not in done:
                done.add(pc)
                todo += [(other, path | {pc}) for other in self.following(pc)]
        return sorted(heads)


class Step:
    """One instruction: what it does to a state, and whether the path goes on."""

    def __init__(self, state):
        self.state, self.machine = state, state.machine
        self.contract, self.block = self.machine.contract, self.machine.code.instruction(state.pc)
        self.temporaries = {}

    def refuse(self, what):
        raise Unproved(f'{what}, at {self.state.pc:#x}')

    def run(self):
        state, block = self.state, self.block
        if block.size == 0 or block.jumpkind not in ('Ijk_Boring', 'Ijk_Call', 'Ijk_Ret'):
            self.refuse('not an instruction of ours')
        state.lowest, after = state[self.contract.sp], state.pc + block.size
        following = bits(after)
        if isinstance(block, Shadow):
            block.effect(state, block.register)
        for statement in block.statements:
            tag = statement.tag
            if tag == 'Ist_WrTmp':
                self.temporaries[statement.tmp] = self.value(statement.data)
            elif tag == 'Ist_Put' and statement.offset == block.offsIP:
                following = self.value(statement.data)
            elif tag == 'Ist_Put':
                state.put(statement.offset, self.value(statement.data))
            elif tag == 'Ist_Store':
                address, value = z3.simplify(self.value(statement.addr)), self.value(statement.data)
                self.contract.store(state, address, swapped(value) if statement.end == 'Iend_BE' else value)
            elif tag == 'Ist_PutI':
                state.put(self.rotated(statement, statement.descr), self.value(statement.data))
            elif tag == 'Ist_Dirty' and statement.cee.name == 'amd64g_dirtyhelper_storeF80le':
                address, value = (self.value(argument) for argument in statement.args)
                self.contract.store(state, z3.simplify(address), extended(value))
            elif tag == 'Ist_Dirty' and statement.cee.name == 'amd64g_dirtyhelper_loadF80le':
                address = z3.simplify(self.value(statement.args[0]))
                parts = [self.contract.load(state, z3.simplify(address + at), width) for at, width in ((8, 2), (0, 8))]
                self.temporaries[statement.tmp] = shortened(z3.Concat(*parts))
            elif tag == 'Ist_Dirty' and statement.cee.name == 'amd64g_dirtyhelper_FINIT':
                for name, value in ('fpround', bits(0x37f)), ('fpu_tags', bits(0)), ('ftop', bits(0, 32)):
                    state[name] = value
            elif tag == 'Ist_Exit' and statement.jk == 'Ijk_SigSEGV':
                state.claim(self.value(statement.guard) == 0, 'alignment')
            elif tag == 'Ist_Exit':
                if state.decide(self.value(statement.guard) == 1):
                    state.pc = statement.dst.value
                    return True
            elif tag not in ('Ist_IMark', 'Ist_AbiHint', 'Ist_NoOp'):
                self.refuse(tag)
        following = z3.simplify(following)
        if z3.is_bv_value(following):
            state.pc = following.as_long()
            return True
        if block.jumpkind == 'Ijk_Call':
            self.contract.call(state, following)
            state.pc = after
            return True
        self.contract.exit(state, following)
        return False

    def rotated(self, access, array):
        """Where an x87 register or its tag is, which is counted from the top."""
        index = number(self.value(access.ix))
        if index is None:
            self.refuse('an x87 register')
        return array.base + (index + access.bias) % array.nElems * (pyvex.const.get_type_size(array.elemTy) // 8)

    def value(self, e):
        tag, value = e.tag, self.value
        if tag == 'Iex_Const':
            if isinstance(e.con.value, float):
                return bits(*struct.unpack('<Q', struct.pack('<d', e.con.value)))
            return bits(e.con.value, e.con.size)
        if tag == 'Iex_GetI':
            return self.state.get(self.rotated(e, e.descr), pyvex.const.get_type_size(e.descr.elemTy) // 8)
        if tag == 'Iex_RdTmp':
            return self.temporaries[e.tmp]
        if tag == 'Iex_Get':
            return self.state.get(e.offset, pyvex.const.get_type_size(e.ty) // 8)
        if tag == 'Iex_Load':
            width = pyvex.const.get_type_size(e.ty) // 8
            loaded = self.contract.load(self.state, z3.simplify(value(e.addr)), width)
            return swapped(loaded) if e.end == 'Iend_BE' else loaded
        if tag == 'Iex_ITE':
            return z3.If(value(e.cond) == 1, value(e.iftrue), value(e.iffalse))
        if tag == 'Iex_CCall' and e.callee.name in CREATES:
            return self.state[CREATES[e.callee.name]]
        if tag == 'Iex_CCall' and e.callee.name in CHECKS:
            return wide(low(value(e.args[0]), 32))
        if tag == 'Iex_CCall':
            found = HELPERS.get(e.callee.name, lambda *args: None)(*(value(arg) for arg in e.args))
            return self.refuse(e.callee.name) if found is None else found
        if tag == 'Iex_Unop':
            return self.unary(e.op[4:], value(e.args[0]))
        if tag == 'Iex_Binop':
            return self.binary(e.op[4:], value(e.args[0]), value(e.args[1]))
        self.refuse(tag)

    def unary(self, op, a):
        widening = re.fullmatch(r'(\d+)([US])to(\d+)', op)
        narrowing = re.fullmatch(r'(V?\d+)to(\d+)', op)
        if widening:
            extend = z3.ZeroExt if widening[2] == 'U' else z3.SignExt
            return extend(int(widening[3]) - a.size(), a)
        if narrowing:
            return z3.Extract(int(narrowing[2]) - 1, 0, a)
        if op == '64HIto32':
            return z3.Extract(63, 32, a)
        if op.startswith('Reinterp'):
            return a
        if op.startswith('Not'):
            return ~a
        self.refuse(op)

    def binary(self, op, a, b):
        if op == 'GetElem64x2':     # of s390x alone, which counts from the left
            return z3.Extract(63, 0, a) if number(b) else z3.Extract(127, 64, a)
        name = re.sub(r'\d+', '', op)
        if name in ('Shl', 'Shr', 'Sar'):
            b = wide(b, a.size())
            if self.machine.arch.name in ('RISCV64', 'S390X'):  # where VEX leaves it to the processor that higher bits do not count
                b = b & a.size() - 1
                parts = [number(z3.Extract(i, i, b)) for i in range(6)]
                if parts.count(None) == 1:      # two amounts that are known are easier for the solver
                    at = parts.index(None)
                    known = sum(1 << i for i, part in enumerate(parts) if part)
                    less, more = (self.binary(op, a, bits(known | bit, a.size())) for bit in (0, 1 << at))
                    return z3.If(z3.Extract(at, at, b) == 1, more, less)
        table = {'Add': lambda: a + b, 'Sub': lambda: a - b, 'And': lambda: a & b, 'Or': lambda: a | b,
                 'Xor': lambda: a ^ b, 'Shl': lambda: a << b, 'Shr': lambda: z3.LShR(a, b),
                 'Sar': lambda: a >> b, 'HLtoV': lambda: z3.Concat(a, b)}
        compare = {'CmpEQ': lambda: a == b, 'CmpNE': lambda: a != b, 'CmpLTU': lambda: z3.ULT(a, b),
                   'CmpLTS': lambda: a < b}
        if name in table:
            return table[name]()
        if name in compare:
            return z3.If(compare[name](), bits(1, 1), bits(0, 1))
        self.refuse(op)
