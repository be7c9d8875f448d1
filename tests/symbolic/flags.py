"""Conditions, as VEX keeps them: by the operation that made the flags, and its operands."""
import z3

from memory import bits, fresh, low, number


def truth(condition):
    return z3.If(condition, bits(1), bits(0))


def chosen(table, condition):
    """A condition by its number; odd ones are the others' opposites. None of any other."""
    if condition is None or condition & ~1 not in table:
        return None
    holds = table[condition & ~1]
    return truth(z3.Not(holds) if condition & 1 else holds)


def x86_flags(operation, a, b, other):
    """Carry and zero, or None."""
    if operation is None or not 1 <= operation <= 28:
        return None
    kind, size = divmod(operation - 1, 4)
    a, b = low(a, 8 << size), low(b, 8 << size)
    table = {0: lambda: (z3.ULT(a + b, a), a + b == 0),                 # add
             1: lambda: (z3.ULT(a, b), a == b),                         # sub, cmp
             4: lambda: (z3.BoolVal(False), a == 0),                    # and, or, xor, test
             5: lambda: (z3.Extract(0, 0, other) == 1, a == 0)}         # inc
    table[6] = table[5]                                                 # dec
    return table[kind]() if kind in table else None


def x86_condition(condition, operation, a, b, other):
    flags = x86_flags(number(operation), a, b, other)
    if flags:
        carry, zero = flags
        return chosen({2: carry, 4: zero, 6: z3.Or(carry, zero)}, number(condition))


def x86_carry(operation, a, b, other):
    """For inc and dec, which keep it."""
    flags = x86_flags(number(operation), a, b, other)
    return truth(flags[0]) if flags else fresh('carry')


def arm_condition(both, a, b, other):
    if number(both) is None:
        return None
    condition, operation = divmod(number(both), 16)
    width = 64 if operation % 2 == 0 else 32
    a, b = low(a, width), low(b, width)
    if operation in (3, 4):     # subs, cmp
        return chosen({0: a == b, 2: z3.UGE(a, b), 8: z3.UGT(a, b)}, condition)
    if operation in (9, 10):    # tst
        return chosen({0: a == 0}, condition)


HELPERS = {'amd64g_calculate_condition': x86_condition, 'amd64g_calculate_rflags_c': x86_carry,
           'arm64g_calculate_condition': arm_condition}
