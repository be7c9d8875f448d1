"""Whether mutants are what ci/mutator.py says:  python3 -m unittest discover ci"""
import unittest

import mutator
from targets import ROOT, TARGETS


def made(text, kind):
    """The texts of this kind that an instruction may be taken for."""
    return [new for found, new in mutator.variants(text) if found == kind]


class Instructions(unittest.TestCase):
    def test_every_instruction_can_be_deleted(self):
        for text in 'ret', 'mov rax, r8', 'hint #34':
            self.assertEqual(made(text, 'delete'), [''])

    def test_a_register_becomes_its_neighbour(self):
        for text, new in {
            'mov rax, r8': ['mov rsp, r8', 'mov rax, r9'],
            'mov eax, r9d': ['mov esp, r9d', 'mov eax, r8d'],
            'movaps xmm0, [rdi]': ['movaps xmm1, [rdi]', 'movaps xmm0, [rsi]'],
            'str q3, [x1, #16]': ['str q2, [x1, #16]', 'str q3, [x0, #16]'],
            'ld a0, 8(sp)': ['ld a1, 8(sp)'],
            'lg %r2, 16(%r15)': ['lg %r1, 16(%r15)', 'lg %r2, 16(%r14)'],
            'ret': [],
        }.items():
            self.assertEqual(made(text, 'register'), new, text)

    def test_an_offset_grows(self):
        for text, new in {
            'mov rax, [r8 + 16]': ['mov rax, [r8 + 16 + 8]'],
            'mov rax, [r8]': ['mov rax, [r8 + 8]'],
            'cmp byte ptr [r8 + 0x39], 4': ['cmp byte ptr [r8 + 0x39 + 8], 4', 'cmp byte ptr [r8 + 0x39], 5'],
            'sub rsp, 16': ['sub rsp, 24'],
            'sub rsp, 0': ['sub rsp, 1'],
            'ldr x0, [x1]': ['ldr x0, [x1, #8]'],
            'stp x0, x1, [sp, #-16]!': ['stp x0, x1, [sp, #-16 + 8]!'],
            'ldr x0, [x1, x2]': [],
            'ld a0, 8(sp)': ['ld a0, 8 + 8(sp)'],
            'jmp 1b': [],
        }.items():
            self.assertEqual(made(text, 'offset'), new, text)

    def test_a_condition_is_turned_or_moves_its_boundary(self):
        for text, new in {
            'je 1f': ['jne 1f'],
            'ja 2f': ['jbe 2f', 'jae 2f'],
            'jb 2f': ['jae 2f', 'jbe 2f'],
            'jne 4f': ['je 4f'],
            'bl host': [],
            'cmovnz rax, rcx': ['cmovz rax, rcx'],
            'b.hi 3f': ['b.ls 3f', 'b.hs 3f'],
            'b.gt 3f': ['b.le 3f'],
            'cbz x0, 1f': ['cbnz x0, 1f'],
            'csel x0, x1, x2, eq': ['csel x0, x1, x2, ne'],
            'beqz a0, 1f': ['bnez a0, 1f'],
            'call rax': [],
        }.items():
            self.assertEqual(made(text, 'condition'), new, text)
        for turned in mutator.TURNED_JUMP, mutator.TURNED_BRANCH:
            for condition in turned:
                self.assertEqual(turned[turned[condition]], condition)


class Text(unittest.TestCase):
    TEXT = '''
        .macro PUSH a, b
            push \\a
            lower \\b
            OTHER
        .endm
        .macro lower register:vararg
            mov \\register
        .endm
        .macro OTHER
            nop
        .endm
        .pushsection .note.GNU-stack, "", @progbits
        .byte 1
        .popsection
        vmtrampoline_0_1_0_first:
            .cfi_startproc
            .hidden first
        1:  PUSH rbx, rax
            jmp 1b
            again
            again
    '''.splitlines()

    def setUp(self):
        self.statements = mutator.expand(self.TEXT)
        self.mutants = list(mutator.mutants(self.statements))

    def test_macros_are_expanded_and_places_named(self):
        self.assertIn(mutator.Statement('push rbx', 'first PUSH'), self.statements)
        self.assertIn(mutator.Statement('mov rax', 'first PUSH'), self.statements)
        self.assertIn(mutator.Statement('nop', 'first PUSH OTHER'), self.statements)
        self.assertFalse([text for text, _ in self.statements if 'macro' in text])

    def test_notes_directives_and_hidden_are_deleted(self):
        deleted = [mutator.source(self.statements, mutant) for mutant in self.mutants if ': delete:' in mutant.name]
        for text in '.byte', '.cfi_startproc', '.hidden', 'push rbx', 'mov', 'nop', 'jmp':
            self.assertEqual(sum(text not in source for source in deleted), 1, text)
        self.assertEqual(len(deleted), 9)

    def test_names_differ_and_a_mutant_differs_in_one_place(self):
        self.assertEqual(len({mutant.name for mutant in self.mutants}), len(self.mutants))
        text = mutator.source(self.statements).splitlines()
        for mutant in self.mutants:
            if mutant.text:
                lines = mutator.source(self.statements, mutant).splitlines()
                self.assertEqual(sum(one != other for one, other in zip(text, lines, strict=True)), 1, mutant.name)

    def test_every_instruction_of_the_reference_text_is_broken(self):
        statements = mutator.read(TARGETS['x86_64']['cc'], TARGETS['x86_64']['port'])
        broken = {mutant.first for mutant in mutator.mutants(statements)}
        for number, (text, place) in enumerate(statements):
            if mutator.is_instruction(text):
                self.assertIn(number, broken, f'{place}: {text}')

    def test_equivalents_are_patterns_of_names(self):
        self.assertTrue(mutator.equivalent('short_cut: delete: jmp 1b #1'))
        self.assertFalse(mutator.equivalent('short_cut: delete: jmp 1b #2'))
        reason = (ROOT / 'ci/mutants.equivalent').read_text().splitlines()[0]
        self.assertFalse(mutator.equivalent(reason))


if __name__ == '__main__':
    unittest.main()
