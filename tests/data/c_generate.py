"""Writes c_vectors.txt: where every byte of C's values goes, by c_abi_model.py, for tests/c_layout.rs.

The signatures are those of c_edges.txt, and random ones.

A line is: convention | signature | arguments | result | area and al.
Arguments stand between commas, the pieces of one between blanks. A piece is a register's name or an
offset on the stack, sp+8, with the bytes of the value that lie there, [8..12], unless it is the whole
value. &rdi is the register with a pointer to a copy; *rdi as result is the register with a pointer to
the result's memory; - is nothing.
"""
import random
import re
from c_abi_model import homogeneous, parse, place

random.seed(20261130)
RANDOM = 250
NAMES = {'sysv': 'x86_64-sysv-c', 'win64': 'x86_64-windows-c', 'aarch64': 'aarch64-c',
         'apple': 'aarch64-apple-c', 'riscv64': 'riscv64-c', 's390x': 's390x-c', 'msvc': 'x86_64-msvc-c',
         'winarm64': 'aarch64-windows-c'}


def model_text(text, conv):
    """The crate's text of a signature, in the model's grammar and words."""
    windows = conv in ('win64', 'msvc', 'winarm64')
    names = {
        'bool': 'u8', 'longdouble': 'ld', 'clongdouble': 'cld', 'funcref': 'ptr', 'externref': 'ptr',
        'char': 'i8' if conv in ('sysv', 'win64', 'msvc', 'apple', 'winarm64') else 'u8',
        'long': 'i32' if windows else 'i64', 'ulong': 'u32' if windows else 'u64',
        'size_t': 'u64', 'ssize_t': 'i64',
        'wchar_t': 'u16' if windows else 'u32' if conv == 'aarch64' else 'i32',
    }
    tokens, at = re.findall(r'\.\.\.|->|\w+|[^\s\w]', text), 0

    def take():
        nonlocal at
        at += 1
        return tokens[at - 1]

    def members(separator):
        out = []
        while tokens[at] != '}':
            out.append(ty())
            if tokens[at] == ',':
                take()
        take()
        return separator.join(out)

    def ty():
        token = take()
        if token == 'align':
            _, n, _ = take(), take(), take()
            return f'@{n}{ty()}'
        if token == 'packed':
            return '!' + ty()
        if token == 'union':
            take()
            return f"<{members(' | ')}>"
        if token == '{':
            return f"{{{members(', ')}}}"
        if token == '[':
            element, _, n, _ = ty(), take(), take(), take()
            return f'[{element}; {n}]'
        return names.get(token, token)

    out = []
    while at < len(tokens):
        out.append(take() if tokens[at] in ('(', ')', ',', '...', '->') else ty())
    return ' '.join(out)


def pieces(placed, size):
    def piece(p):
        where = f'sp+{p.loc}' if isinstance(p.loc, int) else p.loc
        if p.ref:
            return '&' + where
        return where if (p.off, p.size) == (0, size) else f'{where}[{p.off}..{p.off + p.size}]'
    return ' '.join(map(piece, placed)) or '-'


def line(conv, signature):
    text = model_text(signature, conv)
    text += '' if '->' in text else ' -> ()'
    params, named, result = parse(text, conv)
    if conv == 'apple' and named is not None:
        # The compiler's callers and its va_arg contradict each other.
        if any((e := homogeneous(t)) and t.align >= 16 for t in params[named:]):
            return None
    if conv == 'winarm64' and named is not None:
        # So do they here.
        if any(t.kind == 'vec' or t.name in ('i128', 'u128') for t in params):
            return None
    placed = place(conv, text)
    arguments = ', '.join(pieces(p, t.size) for p, t in zip(placed.args, params)) or '-'
    came = f'*{placed.hidden}' if placed.hidden else pieces(placed.results, result.size)
    al = '' if placed.al is None else f', al {placed.al}'
    return f'{NAMES[conv]} | {signature} | {arguments} | {came} | {placed.area}{al}'


# ---------------------------------------------------------------- edges

REGISTERS = {'sysv': (6, 8), 'aarch64': (8, 8), 'apple': (8, 8), 'winarm64': (8, 8), 'riscv64': (8, 8), 's390x': (5, 4)}


def edges(conv):
    """The signatures of c_edges.txt that are for this convention, their shorthand spelled out."""
    applies = False
    for line in open('c_edges.txt').read().splitlines():
        if line.startswith('['):
            applies = 'every' in line or conv in re.findall(r'\w+', line)
        if not applies or not line or line[0] in '#[':
            continue
        for edge in line.split(' | '):
            if edge[0] == '(':
                yield re.sub(r'(\d+)\*(\w+)', lambda m: ', '.join([m[2]] * int(m[1])), edge)
            elif edge[0] == '~':
                for count, used, after in zip(REGISTERS[conv], ('i64', 'f64'), ('i32', 'f32')):
                    for n in range(count, count - 3, -1):
                        yield f"({f'{used}, ' * n}{edge[1:]}, {after})"
            else:
                yield f'({edge}) -> {edge}'


# ---------------------------------------------------------------- random ones

SCALARS = ['bool', 'i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'i128', 'u128', 'f32', 'f64',
           'longdouble', 'c32', 'c64', 'clongdouble', 'v128', 'ptr', 'char', 'long', 'ulong', 'size_t',
           'ssize_t', 'wchar_t']
NARROW = ['bool', 'i8', 'u8', 'i16', 'u16', 'f32', 'char', 'wchar_t']


def scalar():
    return random.choice(['i32', 'i64', 'f32', 'f64', 'f32', 'f64', 'ptr', *SCALARS])


def members(depth, union=False):
    kind = random.random()
    if union and kind < .4:         # what merges
        merging = ['longdouble', 'i128', 'v128', 'f64', 'i64', 'union {longdouble, i64}', 'union {f64, i128}']
        return [random.choice(merging) for _ in range(random.randint(1, 3))]
    if kind < .25:                  # nearly homogeneous
        element = random.choice(['f32', 'f64', 'f32', 'f64', 'v128', 'longdouble', 'c32'])
        out = [element] * random.randint(1, 5)
        if random.random() < .2:
            out[random.randrange(len(out))] = scalar()
        return out
    if kind < .4:                   # a size
        return [f'[u8; {random.randint(1, 17)}]']
    return [member(depth) for _ in range(random.choice([0, 1, 1, 2, 2, 2, 3, 3, 4]))]


def member(depth):
    ty = aggregate(depth - 1) if depth > 1 and random.random() < .35 else scalar()
    return f'[{ty}; {random.randint(1, 4)}]' if random.random() < .15 else ty


def aggregate(depth):
    words = []
    if random.random() < .15:
        words.append(f'align({random.choice([2, 4, 8, 16, 16, 32, 64])})')
    if random.random() < .12:
        words.append('packed')
    union = random.random() < .15
    if union:
        words.append('union')
    words.append('{' + ', '.join(members(depth, union)) + '}')
    return ' '.join(words)


def value():
    return aggregate(3) if random.random() < .55 else scalar()


def signature():
    integers, floats = random.choice([0, 0, 1, 3, 4, 5, 6, 7, 8]), random.choice([0, 0, 0, 3, 6, 7, 8])
    params = ['i64'] * integers + [random.choice(['f32', 'f64'])] * floats
    random.shuffle(params)
    params += [value() for _ in range(random.randint(0, 6))]
    if random.random() < .35:
        named = random.randint(min(1, len(params)), len(params))
        variadic = [{'f32': 'f64'}.get(t, 'i32') if t in NARROW else t for t in params[named:]] or ['']
        params[named:] = ['...' + variadic[0], *variadic[1:]]
    return f"({', '.join(params)})" + (f' -> {value()}' if random.random() < .6 else '')


def main():
    lines = []
    for conv in NAMES:
        draw = (line(conv, signature()) for _ in iter(int, 1))
        drawn = (text for text in draw if text and len(text) < 400)
        lines += filter(None, dict.fromkeys(line(conv, edge) for edge in edges(conv)))
        lines += [next(drawn) for _ in range(RANDOM)]
    with open('c_vectors.txt', 'w') as out:
        out.write('\n'.join(lines) + '\n')


main()
