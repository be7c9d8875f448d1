"""Terms of z3, and memory at offsets that are such terms."""
import z3


class Unproved(Exception):
    """A claim that the solver cannot decide, or something that is not understood."""


class Refuted(Unproved):
    """A claim to which the solver has found an exception."""


def bits(value, width=64):
    return z3.BitVecVal(value, width)


def same(a, b):
    """That they are equal: True if they are one term."""
    return a.eq(b) or a == b


def wide(term, width=64):
    """Zero-extended."""
    return z3.ZeroExt(width - term.size(), term) if term.size() < width else term


def low(term, width=64):
    return z3.Extract(width - 1, 0, term)


def sign_extended(term):
    """Of the lower half."""
    return z3.SignExt(32, low(term, 32))


def swapped(term):
    """Its bytes in reverse order."""
    parts = [z3.Extract(i + 7, i, term) for i in range(0, term.size(), 8)]
    return z3.simplify(z3.Concat(*parts)) if len(parts) > 1 else term


def fresh(name, width=64):
    return z3.FreshConst(z3.BitVecSort(width), name)


def extended(term):
    """What the processor stores as ten bytes of an x87 register that VEX keeps as these eight."""
    return z3.Function('extended', z3.BitVecSort(64), z3.BitVecSort(80))(term)


def shortened(term):
    """What VEX keeps, as eight bytes, of these ten that the processor loads to an x87 register."""
    return z3.Function('shortened', z3.BitVecSort(80), z3.BitVecSort(64))(term)


def number(term):
    """The value, signed, of a term that is a constant; None of any other."""
    term = z3.simplify(term)
    return term.as_signed_long() if z3.is_bv_value(term) else None


def root(term, variable):
    """Where this sum may be 0, if the variable is one of its terms; else None."""
    terms = term.children() if z3.is_app_of(term, z3.Z3_OP_BADD) else [term]
    products = [(number(one.arg(0)), one.arg(1)) if z3.is_app_of(one, z3.Z3_OP_BMUL) and z3.is_bv_value(one.arg(0)) else
                (number(one), bits(1)) if z3.is_bv_value(one) else (1, one) for one in terms]
    factor = next((factor for factor, one in products if one.eq(variable)), None)
    if factor is None or any(other % factor for other, _ in products):
        return None
    return z3.simplify(sum((-(other // factor) * one for other, one in products if not one.eq(variable)), bits(0)))


def inside(offset, width, first, end):
    """All bytes of an access are between two offsets."""
    return z3.And(first <= offset, offset <= end - width)


def subterms(term):
    """All, each once and before what it is in."""
    found, done = [], set()

    def visit(one):
        if one.get_id() not in done:
            done.add(one.get_id())
            for part in one.children():
                visit(part)
            found.append(one)

    visit(term)
    return found


def reads(term):
    """All that is read of unknown memory there."""
    return [one for one in subterms(term) if one.num_args() == 1 and one.decl().kind() == z3.Z3_OP_UNINTERPRETED]


def by_cases(term, most=4):
    """The same, for each value of the conditions that it asks for, if they are not more: then much of it cancels out."""
    term = z3.simplify(term)
    condition = next((one.arg(0) for one in subterms(term) if z3.is_app_of(one, z3.Z3_OP_ITE)), None)
    if condition is None or not most:
        return term
    cases = [z3.And(case, by_cases(z3.substitute(term, (condition, z3.BoolVal(value))), most - 1))
             for case, value in ((condition, True), (z3.Not(condition), False))]
    return z3.simplify(z3.Or(*cases))


class Bytes:
    """Memory that is not written to: something for every offset and width. That loads of
    different widths agree is not known, which can only leave a claim unproved. What is wider
    than the grain is made of such parts.
    """

    def __init__(self, name, grain=8):
        self.grain = grain
        self.functions = {width: z3.Function(f'{name}_{width}', z3.BitVecSort(64), z3.BitVecSort(8 * width))
                          for width in (1, 2, 4, 8)}

    def __call__(self, offset, width):
        if width > self.grain:
            half = width // 2
            return z3.Concat(self(offset + half, half), self(offset, half))
        return self.functions[width](z3.simplify(offset))


class Memory:
    """What was written at which offsets, latest last, over what was there before, in parts of up
    to so many bytes.
    """

    def __init__(self, before, log=(), grain=8):
        self.before, self.log, self.grain = before, list(log), grain

    def copy(self):
        return Memory(self.before, self.log, self.grain)

    def store(self, offset, value, guard=True):
        """With a guard: this is there if the guard holds."""
        for i in range(0, value.size() // 8, self.grain):
            part = z3.Extract(min(value.size(), 8 * (i + self.grain)) - 1, 8 * i, value)
            self.log.append((z3.simplify(offset + i), part.size() // 8, z3.simplify(part), guard))

    def forget(self, end, what):
        """Below this offset there is something else now."""
        self.log.append((z3.simplify(end), None, what, True))

    def load(self, state, offset, width):
        parts = []
        for at in range(0, width, self.grain):
            *chosen, (_, _, value) = self.alternatives(state, z3.simplify(offset + at), min(width, self.grain))
            for condition, _, stored in reversed(chosen):
                value = z3.If(condition, stored, value)
            parts.insert(0, value)
        return z3.simplify(z3.Concat(*parts) if len(parts) > 1 else parts[0])

    def alternatives(self, state, offset, width):
        """Each value that may be there, on which condition if none before it is, and what is 0 then. The last one has no condition."""
        chosen = []
        for at, size, stored, guard in reversed(self.log):
            if size is None:
                if state.holds(offset + width <= at):
                    return [*chosen, (True, bits(0), stored(offset, width))]
                if state.holds(at <= offset):
                    continue
                raise Unproved(f'load across the end of what is forgotten: {z3.simplify(offset)}')
            # Terms that both have go out.
            between = z3.simplify(offset - at)
            distance = number(between)
            if distance is not None and 0 <= distance <= size - width and guard is True:
                return [*chosen, (True, bits(0), z3.Extract(8 * (distance + width) - 1, 8 * distance, stored))]
            apart = z3.Or(between <= -width, size <= between, z3.Not(guard))
            if state.holds(apart):
                continue
            if size != width or not state.holds(z3.Or(offset == at, apart)):
                raise Unproved(f'load of a part of what was stored: {z3.simplify(offset)}')
            here = z3.simplify(z3.And(offset == at, guard))
            if state.holds(here):
                return [*chosen, (True, bits(0), stored)]
            chosen.append((here, between, stored))
        return [*chosen, (True, bits(0), self.before(offset, width))]
