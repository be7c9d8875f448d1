"""Executable model of the C calling conventions: signature -> where every byte goes.

    python3 c_abi_model.py '(i32, {f32,f32}, ...f64) -> {i64,f64}' [convention ...]

Types: i8 u8 i16 u16 i32 u32 i64 u64 ptr f32 f64 f80 f128 ld (long double) i128 u128
       c32 c64 cld (complex float, double, long double) v128 (16-byte vector) void
       {a, b}  struct      !{a, b} packed struct      @16{a} struct with that alignment
       <a | b> union       [t; n]  array (inside a struct or union only)
`...` stands before the first variadic argument. Arguments are taken as promoted (no f32, i8, i16 there).
place(conv, sig) -> Layout. Offsets count from the stack pointer at the call instruction.
Checked against gcc 12, clang 14 and clang 19, callers and callees, by some thousand random signatures each.
"""
import re, sys
from collections import namedtuple

Piece = namedtuple('Piece', 'off size loc ref', defaults=[False])
# bytes [off, off+size) of the value are in loc: a register name or an int, the stack offset.
# ref: loc holds a pointer to a copy of the whole value that the caller made.
# In a register a piece is in the low-order bytes, only s390x floats and vectors are in the high-order ones.
Layout = namedtuple('Layout', 'args hidden results al area')
# hidden: loc of the pointer to the result's memory, or None; area: bytes of stack arguments, with
# what the convention reserves below them; al: value for AL (System V variadics) or None
class Unsupported(Exception): pass
up = lambda n, a: (n + a - 1) // a * a

class Type:
    def __init__(s, kind, size, align, fields=(), name='', natural=None):
        s.kind, s.size, s.align, s.fields, s.name = kind, size, align, list(fields), name
        s.natural = natural or align       # alignment by the members alone, without @N on the type itself
    # kind: int flt (f32 f64) f80 f128 ibm cplx vec struct union array
    scalar = property(lambda s: s.kind not in ('struct', 'union', 'array', 'cplx'))
    aggregate = property(lambda s: s.kind in ('struct', 'union'))

def leaves(t, at=0):
    """Scalars of t as (offset, Type); complex counts as two, a union as all its members."""
    if t.scalar: return [(at, t)] if t.kind != 'void' else []
    return [l for o, f in t.fields for l in leaves(f, at + o)]

CONVS = {  # long double; size and alignment of it; i64/f64 alignment in structs; of i128, v128
    'sysv':      dict(ld='f80', ldsize=16, ldalign=16, f128=1), 'win64': dict(ld='f80', ldsize=16, ldalign=16), 'msvc': dict(ld='f64'),
    'aarch64':   dict(ld='f128'), 'apple': dict(ld='f64'), 'winarm64': dict(ld='f64'),
    'riscv64':   dict(ld='f128'), 'loongarch64': dict(ld='f128'),
    's390x':     dict(ld='f128', align16=8), 's390x-novx': dict(ld='f128', align16=8, valign=16),
    'i686':      dict(ptr=4, ld='f80', ldsize=12, ldalign=4, align8=4),
    'i686-win':  dict(ptr=4, ld='f80', ldsize=12, ldalign=4),
    'armhf':     dict(ptr=4, ld='f64', valign=8), 'ppc64le': dict(ld='ibm')}

def scalar(name, c):
    ptr, a8, a16 = c.get('ptr', 8), c.get('align8', 8), c.get('align16', 16)
    if name == 'ld': name = c['ld']
    if name == 'void': return Type('void', 0, 1, name=name)
    if name == 'ptr': return Type('int', ptr, ptr, name=name)
    if m := re.fullmatch(r'[iu](8|16|32|64|128)', name):
        n = int(m[1]) // 8
        if n == 16 and ptr == 4: raise Unsupported(name)
        return Type('int', n, {8: a8, 16: a16}.get(n, n), name=name)
    if name in ('f32', 'f64'): return Type('flt', int(name[1:]) // 8, 4 if name == 'f32' else a8, name=name)
    if name == 'v128': return Type('vec', 16, c.get('valign', a16), name=name)
    if name in ('f80', 'f128', 'ibm'):
        if c['ld'] == 'f80' == name: return Type(name, c['ldsize'], c['ldalign'], name=name)
        if name != c['ld'] and not (name == 'f128' and 'f128' in c): raise Unsupported(name)
        return Type(name, 16, a16, name=name)
    if name in ('c32', 'c64', 'cld'):
        e = scalar({'c32': 'f32', 'c64': 'f64'}.get(name, 'ld'), c)
        return Type('cplx', 2 * e.size, e.align, [(0, e), (e.size, e)], name)
    raise ValueError(name)

def record(kind, fields, packed=False, min_align=1):
    out, at, size, natural = [], 0, 0, 1
    for f in fields:
        a = 1 if packed else f.align
        natural = max(natural, a)
        off = 0 if kind == 'union' else up(at, a)
        out.append((off, f)); at = off + f.size; size = max(size, at)
    align = max(natural, min_align)
    return Type(kind, up(size, align), align, out, natural=natural)

def parse(sig, conv):
    """-> (parameter types, number of named ones or None if not variadic, result type)"""
    toks = re.findall(r'\.\.\.|->|@\d+|\w+|[^\s\w]', sig) + ['']
    c, i = CONVS[conv], 0
    def nxt(expect=None):
        nonlocal i
        t = toks[i]; i += 1
        if expect and t != expect: raise ValueError(f'{sig}: {t!r} where {expect!r} was expected')
        return t
    def ty():
        t, align, packed = nxt(), 1, False
        if t[0] == '@': align, t = int(t[1:]), nxt()
        if t == '!': packed, t = True, nxt()
        if t in '{<':
            end, sep, fs = ('}', ',', []) if t == '{' else ('>', '|', [])
            while toks[i] != end:
                fs.append(ty())
                if toks[i] != end: nxt(sep)
            nxt()
            return record('struct' if end == '}' else 'union', fs, packed, align)
        if t == '[':
            e = ty(); nxt(';'); n = int(nxt()); nxt(']')
            return Type('array', e.size * n, e.align, [(k * e.size, e) for k in range(n)])
        return scalar(t, c)
    ps, fixed = [], None
    nxt('(')
    while toks[i] != ')':
        if toks[i] == '...':
            nxt(); fixed = len(ps)
            if toks[i] == ')': break
        ps.append(ty())
        if toks[i] != ')': nxt(',')
    nxt(); nxt('->')
    r = scalar('void', c) if toks[i] == '(' else ty()
    return ps, fixed, r

class Stack:
    def __init__(s, start=0): s.at = start
    def take(s, size, align):
        s.at = up(s.at, align); off = s.at; s.at += size
        return off

def words(t, n=8): return [(o, min(n, t.size - o)) for o in range(0, t.size, n)]

# ------------------------------------------------------------------ x86-64 System V
def classify(t, at=0):
    """Classes of the eightbytes of t, which begins at this offset: I S(SE) s(SEUP) X(87) U(X87UP) '' ;
    None = MEMORY. Recursive, as a union in a union is not the union of all their members. Of gcc: clang
    makes an array MEMORY when a later element has an unaligned member."""
    if t.size > 16: return None
    cls = [''] * ((at % 8 + t.size + 7) // 8)
    if t.scalar and t.kind != 'void':
        if at % t.align: return None
        return list({'int': 'II', 'flt': 'SS', 'f80': 'XU'}.get(t.kind, 'Ss')[:len(cls)])
    for off, f in t.fields:
        inner = classify(f, at + off)
        if inner is None: return None
        if t.kind == 'array':                                         # gcc: the first element decides for all
            cls = [inner[k % len(inner)] for k in range(len(cls))] if inner else cls
            break
        for k, new in enumerate(inner, (at + off) // 8 - at // 8):
            old = cls[k]
            cls[k] = new or old if '' in (old, new) or old == new else 'I' if 'I' in (old, new) else \
                     None if set('XU') & {old, new} else 'S'
            if cls[k] is None: return None
    for e, x in enumerate(cls):
        if x == 'U' and (e == 0 or cls[e - 1] != 'X'): return None
        if x == 's' and (e == 0 or cls[e - 1] not in 'Ss'): cls[e] = 'S'
    return cls

def sysv(conv, ps, fixed, ret):
    G, g, x, st, args, hidden = ['rdi', 'rsi', 'rdx', 'rcx', 'r8', 'r9'], 0, 0, Stack(), [], None
    def pieces(t, cls, ints, sses):
        out = []
        for (o, n), c in zip(words(t), cls):
            if c == 'I': out.append(Piece(o, n, ints.pop(0)))
            if c == 'S': out.append(Piece(o, n, sses.pop(0)))
            if c == 's': out[-1] = Piece(o - 8, 8 + n, out[-1].loc)
        return out
    rcls = classify(ret)
    if ret.name == 'cld': results = [Piece(0, 10, 'st0'), Piece(16, 10, 'st1')]
    elif rcls is None: hidden, g, results = 'rdi', 1, []
    elif 'X' in rcls: results = [Piece(0, 10, 'st0')]
    else: results = pieces(ret, rcls, ['rax', 'rdx'], ['xmm0', 'xmm1'])
    for t in ps:
        cls = classify(t)
        if cls is not None and 'X' not in cls and g + cls.count('I') <= 6 and x + cls.count('S') <= 8:
            args.append(pieces(t, cls, G[g:], [f'xmm{k}' for k in range(x, 8)]))
            g += cls.count('I'); x += cls.count('S')
        else: args.append([Piece(0, t.size, st.take(up(t.size, 8), max(8, t.align)))])
    return Layout(args, hidden, results, x if fixed is not None else None, up(st.at, 16))

# ------------------------------------------------------------------ Windows x64
def win64(conv, ps, fixed, ret):
    byval = lambda t: t.size in (1, 2, 4, 8)      # so an empty struct goes by reference
    hidden, n, args = None, 0, []
    if ret.kind in ('flt', 'vec') or ret.name in ('i128', 'u128'): results = [Piece(0, ret.size, 'xmm0')]
    elif byval(ret) or ret.size == 0: results = [Piece(0, ret.size, 'rax')] if ret.size else []
    else: hidden, n, results = 'rcx', 1, []
    for k, t in enumerate(ps):
        loc = ['rcx', 'rdx', 'r8', 'r9'][n] if n < 4 else 8 * n
        if not byval(t): p = [Piece(0, 8, loc, True)]
        elif t.kind == 'flt' and n < 4:
            p = [Piece(0, t.size, f'xmm{n}')] + ([Piece(0, t.size, loc)] if fixed is not None and k >= fixed else [])
        else: p = [Piece(0, t.size, loc)]
        args.append(p); n += 1
    return Layout(args, hidden, results, None, up(max(32, 8 * n), 16))

# ------------------------------------------------------------------ AArch64: AAPCS64, Apple, Windows
def homogeneous(t, kinds=('flt', 'f128', 'vec'), most=4):
    """Element type if t consists of 1..most floats or vectors of one type, without padding."""
    ls = leaves(t)
    if not ls or len({l.name for _, l in ls}) > 1 or ls[0][1].kind not in kinds: return None
    e = ls[0][1]
    if {o for o, _ in ls} != set(range(0, t.size, e.size)): return None
    return e if t.size // e.size <= most else None

def aarch64(conv, ps, fixed, ret):
    g, v, st, args, hidden = 0, 0, Stack(), [], None
    apple, win_va = conv == 'apple', conv == 'winarm64' and fixed is not None
    e = homogeneous(ret)
    if e: results = [Piece(o, e.size, f'v{k}') for k, (o, _) in enumerate(words(ret, e.size))]
    elif ret.size <= 16: results = [Piece(o, n, f'x{k}') for k, (o, n) in enumerate(words(ret))]
    else: hidden, results = 'x8', []
    for k, t in enumerate(ps):
        e = None if win_va else homogeneous(t)
        n, a16 = up(t.size, 8) // 8, (t.align if apple else t.natural) >= 16
        if t.size == 0: args.append([]); continue
        if apple and fixed is not None and k >= fixed: g = v = 8     # all variadic ones on the stack
        if e:
            m = t.size // e.size
            if v + m <= 8:
                args.append([Piece(o, s, f'v{v + i}') for i, (o, s) in enumerate(words(t, e.size))])
                v += m; continue
            v = 8
            tight = apple and (fixed is None or k < fixed)
            align = e.size if tight else max(t.align, 8) if apple else 16 if t.natural >= 16 else 8
            args.append([Piece(0, t.size, st.take(t.size if tight else 8 * n, align))])
            continue
        if t.size > 16:
            args.append([Piece(0, 8, f'x{g}' if g < 8 else st.take(8, 8), True)]); g = min(8, g + 1); continue
        if a16 and not apple: g = min(8, up(g, 2))
        if g + n <= 8:
            args.append([Piece(o, s, f'x{g + i}') for i, (o, s) in enumerate(words(t))]); g += n; continue
        if win_va and g < 8:                                          # split between x7 and the stack
            args.append([Piece(0, 8, 'x7'), Piece(8, t.size - 8, st.take(8, 8))]); g = 8; continue
        g = 8
        tight = apple and t.scalar and (fixed is None or k < fixed)
        args.append([Piece(0, t.size, st.take(t.size if tight else 8 * n, t.size if tight else 16 if a16 else 8))])
    return Layout(args, hidden, results, None, up(st.at, 16))

# ------------------------------------------------------------------ RISC-V and LoongArch LP64D
def flatten(t):
    """Leaves of a struct that goes to float registers: 1 float, 2 floats, or float and integer (no pointer); else None."""
    def no_union(u): return u.kind != 'union' and all(no_union(f) for _, f in u.fields)
    # But one scalar that fills the struct, beside empty unions, is what compilers take the struct for.
    def values(u): return [u] if u.scalar or u.kind == 'cplx' else [v for _, f in u.fields for v in values(f)]
    def empty_unions(u): return (u.kind != 'union' or not leaves(u)) and all(empty_unions(f) for _, f in u.fields)
    lone = empty_unions(t) and len(values(t)) == 1 and values(t)[0].size == t.size
    ls = leaves(t)
    if (no_union(t) or lone) and len(ls) in (1, 2) and any(l.kind == 'flt' for _, l in ls) and \
       all(l.kind == 'flt' or l.kind == 'int' and l.size <= 8 and l.name != 'ptr' for _, l in ls): return ls

def lp64d(conv, ps, fixed, ret):
    g, f, st, hidden = 0, 0, Stack(), None
    def one(t, named):
        nonlocal g, f
        fl = flatten(t) if named else None                  # whatever its size
        if fl:
            nf = sum(l.kind == 'flt' for _, l in fl); ni = len(fl) - nf
            if f + nf <= 8 and g + ni <= 8:
                out = []
                for o, l in fl:
                    if l.kind == 'flt': out.append(Piece(o, l.size, f'fa{f}')); f += 1
                    else: out.append(Piece(o, l.size, f'a{g}')); g += 1
                return out
        if t.size == 0: return []
        if t.size > 16:
            loc = f'a{g}' if g < 8 else st.take(8, 8)
            g = min(8, g + 1)
            return [Piece(0, 8, loc, True)]
        ws = words(t)
        if not named and t.align >= 16 and g < 8: g = up(g, 2)
        if len(ws) == 2 and g == 7:
            g = 8
            return [Piece(0, 8, 'a7'), Piece(8, t.size - 8, st.take(8, 8))]
        if g + len(ws) <= 8:
            g += len(ws)
            return [Piece(o, n, f'a{g - len(ws) + k}') for k, (o, n) in enumerate(ws)]
        return [Piece(0, t.size, st.take(8 * len(ws), 16 if t.align >= 16 else 8))]
    results = []
    if ret.size > 16 and not flatten(ret): hidden = 'a0'
    else: results, g, f = one(ret, True), 0, 0
    g = 1 if hidden else 0
    args = [one(t, fixed is None or k < fixed) for k, t in enumerate(ps)]
    return Layout(args, hidden, results, None, up(st.at, 16))

# ------------------------------------------------------------------ s390x ELF
def s390x(conv, ps, fixed, ret):
    g, f, v, st, args, hidden, vx = 0, 0, 0, Stack(160), [], None, conv == 's390x'
    def single(t):                         # a struct that wraps one float or vector is like it, padding and all
        u = t
        while u.kind == 'struct' and len(u.fields) == 1: u = u.fields[0][1]
        return u if u.kind == 'flt' and t.size <= 8 or u.kind == 'vec' and t.size == 16 else t
    if (ret.aggregate or ret.kind in ('cplx', 'f128') or ret.name in ('i128', 'u128')
                     or ret.kind == 'vec' and not vx): hidden, g, results = 'r2', 1, []
    else: results = [Piece(0, ret.size, {'flt': 'f0', 'vec': 'v24'}.get(ret.kind, 'r2'))] if ret.size else []
    for k, t in enumerate(ps):
        u = single(t)
        if u.kind == 'vec' and vx:
            if v < 8 and (fixed is None or k < fixed):
                args.append([Piece(0, 16, 'v%d' % [24, 26, 28, 30, 25, 27, 29, 31][v])]); v += 1
            else: args.append([Piece(0, 16, st.take(16, 8))])
        elif u.kind == 'flt':
            if f < 4: args.append([Piece(0, t.size, f'f{2 * f}')]); f += 1
            else: args.append([Piece(0, t.size, st.take(8, 8) + 8 - t.size)])
        else:
            ref = t.size not in (1, 2, 4, 8) or t.kind == 'cplx'
            n = 8 if ref else t.size
            loc = f'r{2 + g}' if g < 5 else st.take(8, 8) + 8 - n
            g += 1
            args.append([Piece(0, n, loc, ref)])
    return Layout(args, hidden, results, None, up(st.at, 8))

# ------------------------------------------------------------------ 32-bit x86 cdecl
def i686(conv, ps, fixed, ret):
    def small(t): return t.size in (1, 2, 4, 8) and all(not f.size or small(f) for _, f in t.fields)   # not {i32, [u8; 3]}
    win, st, args, hidden, x = conv == 'i686-win', Stack(), [], None, 0
    one = ret
    while win and one.kind != 'union' and len(one.fields) == 1 and one.fields[0][1].size == one.size:
        one = one.fields[0][1]                                        # mingw gcc, not MSVC
    if one.kind in ('flt', 'f80'): results = [Piece(0, min(ret.size, 10), 'st0')]
    elif ret.kind == 'vec': results = [Piece(0, 16, 'xmm0')]
    elif ret.kind == 'int' or ret.name == 'c32' or win and small(ret):
        results = [Piece(o, n, ('eax', 'edx')[k]) for k, (o, n) in enumerate(words(ret, 4))]
    else:
        results = []
        if ret.name != 'void': hidden = st.take(4, 4)
    for t in ps:
        if t.kind == 'vec' and x < 3 and fixed is None: args.append([Piece(0, 16, f'xmm{x}')]); x += 1
        else: args.append([Piece(0, t.size, st.take(up(t.size, 4), 16 if has_vec(t) else 4))] if t.size else [])
    return Layout(args, hidden, results, None, up(st.at, 16))

def has_vec(t): return t.align >= 16 and any(l.kind == 'vec' for _, l in leaves(t))

# ------------------------------------------------------------------ 32-bit Arm, AAPCS-VFP
def armhf(conv, ps, fixed, ret):
    g, st, args, hidden, free, vfp = 0, Stack(), [], None, list(range(16)), fixed is None
    def regs(e, first, t): return [Piece(o, e.size, ('s%d', 'd%d', 'q%d')[(e.size > 4) + (e.size > 8)]
                                   % (first // (e.size // 4) + k)) for k, (o, _) in enumerate(words(t, e.size))]
    e = homogeneous(ret) if vfp else None
    if e: results = regs(e, 0, ret)
    elif ret.size <= 4 or ret.scalar: results = [Piece(o, n, f'r{k}') for k, (o, n) in enumerate(words(ret, 4))]
    else: hidden, g, results = 'r0', 1, []
    for t in ps:
        if t.size == 0: args.append([]); continue
        e, a8 = homogeneous(t) if vfp else None, 8 if t.natural >= 8 else 4
        if e:
            w, n = e.size // 4, t.size // 4
            first = next((s for s in range(0, 17 - n, w) if all(s + k in free for k in range(n))), None)
            if first is not None:
                free = [s for s in free if not first <= s < first + n]
                args.append(regs(e, first, t)); continue
            free = []
            args.append([Piece(0, t.size, st.take(up(t.size, 4), a8))]); continue
        n = up(t.size, 4) // 4
        if a8 == 8: g = up(g, 2)
        if g + n <= 4: args.append([Piece(o, s, f'r{g + k}') for k, (o, s) in enumerate(words(t, 4))]); g += n
        elif g < 4 and st.at == 0:                                    # split between r3 and the stack
            head = words(t, 4)[:4 - g]
            args.append([Piece(o, s, f'r{g + k}') for k, (o, s) in enumerate(head)] +
                        [Piece(4 * len(head), t.size - 4 * len(head), st.take(4 * (n - len(head)), 4))]); g = 4
        else: g = 4; args.append([Piece(0, t.size, st.take(4 * n, a8))])
    return Layout(args, hidden, results, None, up(st.at, 8))

# ------------------------------------------------------------------ 64-bit Power, ELFv2
def ppc64le(conv, ps, fixed, ret):
    f, v, at, args, hidden, mem = 1, 2, 0, [], None, False
    def hom(t):
        e = homogeneous(t, ('flt', 'ibm', 'vec'), 8)
        if e and e.kind == 'ibm': e = scalar('f64', {})
        return e if e and t.size // e.size <= 8 else None
    e = hom(ret)
    if e: results = [Piece(o, e.size, f'v{2 + k}' if e.kind == 'vec' else f'f{1 + k}') for k, (o, _) in enumerate(words(ret, e.size))]
    elif ret.size <= 16: results = [Piece(o, n, f'r{3 + k}') for k, (o, n) in enumerate(words(ret))]
    else: hidden, at, results = 'r3', 8, []
    for k, t in enumerate(ps):
        named = fixed is None or k < fixed
        e = hom(t) if named else None
        h = hom(t)                                                    # floats of any count never are 16-aligned
        if h and h.kind == 'vec' or t.aggregate and t.align >= 16 and not h: at = up(at, 16)
        parts = t.fields if t.kind == 'cplx' else [(0, t)]            # a complex is two arguments
        out = []
        for base, u in parts:
            for o, n in words(u, e.size if e else 8):
                if e and e.kind == 'vec' and v <= 13: out.append(Piece(base + o, 16, f'v{v}')); v += 1
                elif e and e.kind == 'flt' and f <= 13: out.append(Piece(base + o, n, f'f{f}')); f += 1
                elif at + o < 64 and n <= 8: out.append(Piece(base + o, n, f'r{3 + (at + o) // 8}'))
                else: out.append(Piece(base + o, n, 32 + at + o)); mem = True
            at += up(u.size, 8)
        args.append(out)
    return Layout(args, hidden, results, None, up(32 + (max(64, at) if mem or fixed is not None else 0), 16))

RULES = {'sysv': sysv, 'win64': win64, 'msvc': win64, 'aarch64': aarch64, 'apple': aarch64, 'winarm64': aarch64, 'riscv64': lp64d,
         'loongarch64': lp64d, 's390x': s390x, 's390x-novx': s390x, 'i686': i686, 'i686-win': i686, 'armhf': armhf,
         'ppc64le': ppc64le}

def place(conv, sig):
    ps, fixed, ret = parse(sig, conv)
    return RULES[conv](conv, ps, fixed, ret)

if __name__ == '__main__':
    sig = sys.argv[1] if len(sys.argv) > 1 else '(i32, {f32,f32}, ...f64) -> {i64,f64}'
    for c in sys.argv[2:] or CONVS:
        try: L = place(c, sig)
        except Unsupported as e: print(f'{c}: no {e}'); continue
        show = lambda p: (f'[sp+{p.loc}]' if isinstance(p.loc, int) else p.loc)
        print(c)
        for k, ps in enumerate(L.args):
            print(f'  arg {k}:', ', '.join(('&copy' if p.ref else f'{p.off}..{p.off + p.size}') + ' -> ' + show(p) for p in ps) or 'nothing')
        print('  result:', ', '.join(f'{show(p)} -> {p.off}..{p.off + p.size}' for p in L.results) or ('memory' if L.hidden is not None else 'nothing'),
              f'| hidden pointer: {show(Piece(0, 0, L.hidden))}' if L.hidden is not None else '',
              f'| al = {L.al}' if L.al is not None else '', f'| area {L.area}')
