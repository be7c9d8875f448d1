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


def s390x_codes(operation, a, b):
    """When the condition code is 0, 1, 2 and 3, or None."""
    table = {1: lambda: (a == b, a < b, a > b, False),                                  # cgr
             2: lambda: (a == b, z3.ULT(a, b), z3.UGT(a, b), False),                    # cli
             4: lambda: sums(a + b, (a ^ a + b) & (b ^ a + b)),                         # aghi, agr
             10: lambda: sums(a - b, (a ^ b) & (a ^ a - b)),                            # sgr
             18: lambda: masks(b & 0xff, a, z3.BoolVal(True)),                          # tm
             19: lambda: masks(b & 0xffff, a, a & leftmost(b & 0xffff) == 0)}           # tmll

    def sums(sum, sign):
        over = sign < 0
        return (z3.And(sum == 0, z3.Not(over)), z3.And(sum < 0, z3.Not(over)), z3.And(sum > 0, z3.Not(over)), over)

    def masks(mask, value, low):
        none, all = value & mask == 0, value & mask == mask
        some = z3.Not(z3.Or(none, all))
        return none, z3.And(some, low), z3.And(some, z3.Not(low)), z3.And(all, z3.Not(none))

    return table[operation]() if operation in table else None


def leftmost(mask):
    """The highest bit of a mask that is known."""
    return 1 << number(mask).bit_length() - 1 if number(mask) else 0


def s390x_condition(mask, operation, a, b, other):
    """The bit of the mask for the condition code."""
    codes = s390x_codes(number(operation), a, b)
    if codes and number(mask) is not None:
        found = bits(0, 32)
        for i, code in enumerate(codes):
            found = z3.If(code, bits(number(mask) & 8 >> i, 32), found)
        return found


HELPERS = {'amd64g_calculate_condition': x86_condition, 'amd64g_calculate_rflags_c': x86_carry,
           'arm64g_calculate_condition': arm_condition, 's390_calculate_cond': s390x_condition}
