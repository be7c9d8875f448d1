"""How the assembly is broken: each mutant differs from it in one statement, after the preprocessor
and all macros, so that every use of a macro is tried by itself.

    delete      an instruction, a landing pad, a CFI directive, .hidden, a whole note
    register    becomes its neighbour
    offset      of a memory operand, or a constant, grows
    condition   is turned, or moves its boundary
"""
import collections, fnmatch, re

from assembled import preprocess
from targets import ROOT

Statement = collections.namedtuple('Statement', 'text place')
Mutant = collections.namedtuple('Mutant', 'name first last text')


def read(compiler, port):
    """The statements of a port."""
    return expand(preprocess(compiler, port).splitlines())


def expand(lines):
    """Statements with macros expanded, and where they stand: macros in lower case are
    but other names for directives. What stands in .rept is one statement for all.
    """
    macros, out, function = {}, [], ''

    def run(lines, path):
        nonlocal function
        lines = iter(lines)
        for line in lines:
            text = ' '.join(line.split())
            label = re.match(r'([\w.$]+:) ?(.*)', text)
            if label:
                if not label[1][0].isdigit():
                    function = re.sub(r'^_?vmtrampoline_\d+_\d+_\d+_|:$', '', label[1])
                out.append(Statement(label[1], ''))
                text = label[2]
            if not text:
                continue
            head, _, rest = text.partition(' ')
            if head == '.macro':
                name, *params = rest.replace(',', ' ').split()
                body = list(iter(lambda: next(lines).strip(), '.endm'))
                macros[name] = params, body
            elif head in macros:
                params, body = macros[head]
                whole = len(params) == 1 and params[0].endswith(':vararg')
                values = [rest] if whole else [value.strip() for value in rest.split(',')]
                bound = dict(zip((param.split(':')[0] for param in params), values))
                substitute = lambda m: '' if m[1] == '()' else bound.get(m[1], m[0])
                run([re.sub(r'\\(\w+|\(\))', substitute, line) for line in body],
                    path if head.islower() else path + [head])
            else:
                out.append(Statement(text, ' '.join([function] + path)))

    run(lines, [])
    return out


X86 = ['rax', 'rcx', 'rdx', 'rbx', 'rsi', 'rdi', 'rbp', 'rsp']
CYCLES = [X86, ['e' + name[1:] for name in X86], ['al', 'cl', 'dl', 'bl']]
NEIGHBOURS = {name: cycle[i - 1] for cycle in CYCLES for i, name in enumerate(cycle)}
REGISTER = re.compile(r'(?<![\w.])(%?[a-z]{1,3}?)(\d{1,2})([dwb]?)(?!\w)|(?<![\w.])[a-z]{2,3}(?!\w)')
# In words of x86-64 and s390x; in words of aarch64 and riscv64.
TURNED_JUMP, TURNED_BRANCH = ({one: other for pair in pairs.split(',') for one, other in [pair.split(), pair.split()[::-1]]}
                              for pairs in ('e ne,z nz,b ae,a be,l nl,g le,s ns,c nc,h nh',
                                            'eq ne,lo hs,hi ls,lt ge,gt le,eqz nez,ltu geu,bz bnz'))
BOUNDARY = dict(pair.split() for pair in 'b be,be b,a ae,ae a,lo ls,ls lo,hi hs,hs hi'.split(','))
CONDITION = re.compile(r'^(j|cmov|set|b\.|b|c)(\w+)(?= )|(?<=, )(\w\w)$')
CONSTANT = re.compile(r'#?(0x[\da-f]+|\d+|<<|[-+*|() ])+')


def neighbour(match):
    prefix, number, width = match[1], match[2], match[3]
    if number is None:
        return NEIGHBOURS.get(match[0])
    lowest = 8 if prefix == 'r' else 0
    number = int(number)
    return f'{prefix}{number - 1 if number > lowest else number + 1}{width}'


def operands(text):
    """Spans of the operands: between commas that are in no bracket."""
    start = text.find(' ') + 1
    if not start:
        return
    depth = 0
    for i in range(start, len(text) + 1):
        if i == len(text) or text[i] == ',' and depth == 0:
            yield start + len(text[start:i]) - len(text[start:i].lstrip()), i
            start = i + 1
        else:
            depth += (text[i] in '[({') - (text[i] in '])}')


def larger(operand):
    """A memory operand a word further on, or a larger constant."""
    if CONSTANT.fullmatch(operand) and not re.fullmatch(r'\d+[fb]', operand):
        value = eval(operand.lstrip('#'))
        return f"{'#' if operand[0] == '#' else ''}{value + (8 if value and value % 8 == 0 else 1)}"
    x86_or_arm = re.fullmatch(r'(.*)\[(.*)\](!?)', operand)
    if x86_or_arm:
        before, address, update = x86_or_arm.groups()
        if '#' in address or ' + ' in address or ' - ' in address:
            return f'{before}[{address} + 8]{update}'
        if before or re.fullmatch(r'r\w+', address):
            return f'{before}[{address} + 8]'
        return f'[{address}, #8]' if ',' not in address else None
    displaced = re.fullmatch(r'(-?\w+)(\(.*\))', operand)
    return f'{displaced[1]} + 8{displaced[2]}' if displaced else None


def variants(text):
    """What an instruction may be taken for: kind and text."""
    yield 'delete', ''
    start = text.find(' ') + 1 or len(text)
    for match in REGISTER.finditer(text, start):
        other = neighbour(match)
        if other:
            yield 'register', text[:match.start()] + other + text[match.end():]
    for start, end in operands(text):
        other = larger(text[start:end])
        if other:
            yield 'offset', text[:start] + other + text[end:]
    for match in CONDITION.finditer(text + ' ' if ' ' not in text else text):
        group = 2 if match[2] else 3
        turned = TURNED_JUMP if match[1] in ('j', 'cmov', 'set') else TURNED_BRANCH
        for table in turned, BOUNDARY:
            if match[group] in table:
                yield 'condition', text[:match.start(group)] + table[match[group]] + text[match.end(group):]


def is_instruction(text):
    return text[0] != '.' and not text.endswith(':')


def mutants(statements):
    count = collections.Counter()

    def mutant(kind, place, old, new, first, last):
        name = f'{place}: {kind}: {old}' + (f' -> {new}' if new else '')
        count[name] += 1
        return Mutant(f'{name} #{count[name]}', first, last, new)

    for i, (text, place) in enumerate(statements):
        if text.startswith('.pushsection .note'):
            end = next(j for j in range(i, len(statements)) if statements[j].text == '.popsection')
            yield mutant('delete', 'object', text, '', i, end)
        elif text.startswith('.cfi_') or text.startswith('.hidden'):
            yield mutant('delete', place, text, '', i, i)
        elif is_instruction(text):
            for kind, new in variants(text):
                yield mutant(kind, place, text, new, i, i)


def source(statements, mutant=None):
    """The text of the assembly, or of this mutant."""
    texts = [statement.text for statement in statements]
    if mutant:
        texts[mutant.first:mutant.last + 1] = [mutant.text]
    return '\n'.join(texts) + '\n'


def equivalent(name):
    """Whether ci/mutants.equivalent says why no test can notice it."""
    lines = (ROOT / 'ci/mutants.equivalent').read_text().splitlines()
    return any(fnmatch.fnmatchcase(name, line) for line in lines if line and line[0] != '#')
