"""Whether the prover keeps apart what it has shown on different paths:  python3 -m unittest discover tests/symbolic"""
import types
import unittest
from unittest import mock

import z3

import machine


class Paths(unittest.TestCase):
    def test_what_was_used_to_unify_reads_is_used(self):
        """f(x) + z is f(y) if x is y and z is 0, but not if z alone is 0."""
        arch = types.SimpleNamespace(registers={}, register_endness='Iend_LE')
        with mock.patch.object(machine, 'Unwinding'), mock.patch.object(machine, 'SOON', 1):
            prover = machine.Machine(types.SimpleNamespace(arch=arch), types.SimpleNamespace(keeps=True))
            x, y, z = z3.BitVecs('x y z', 64)
            f = z3.Function('f', z3.BitVecSort(64), z3.BitVecSort(64))
            claim = f(x) + z == f(y)
            self.assertEqual(prover.exception([x == y, z == 0], claim), z3.unsat)
            self.assertNotEqual(prover.exception([z == 0], claim), z3.unsat)


if __name__ == '__main__':
    unittest.main()
