"""Writes vectors.txt: placements by abi_model.py, for tests/layout.rs.

A line is: convention signature parameters return-pointer results areas
with locations separated by commas: a register's name, s8 (stack, offset 8),
a4 (return area, offset 4); - is nothing. The order of results and the letters
of types are those of abi_model.py.
"""
import random
from abi_model import CONVS, Unsupported, place

random.seed(20261122)
EDGES = [
    '>', '>i', '>v', 'i>', 'v>v', '>il', '>ifdlv', 'iiii>ll', 'iii>ll', 'iiiii>ll', 'iiiiii>ll',
    'iiiiiii>ii', 'iiiiiiii>ii', 'fffffffff>f', 'dddddddddd>dd', 'vvvvvvvvv>v', 'vvvvvvvviv>v',
    'lllllv>v', 'llllllv>vv', 'lllllllv>vi', 'ffffffffifv>', 'iiiiilidf>liff', 'pp>pp', 'ilfdvp>pvdfli',
    'i' * 50 + '>' + 'i' * 20, 'f' * 50 + '>' + 'f' * 20, 'ifv' * 20 + '>' + 'vif' * 6,
]
SIZES = [3, 6, 10, 14, 24]


def text(location):
    kind, what = location
    return what if kind == 'reg' else f'{kind[0]}{what}'


def signature(conv):
    types = 'ilfdp' if conv == 'riscv64' else 'ilfdvp'
    pick = lambda n: ''.join(random.choices(types, k=random.randint(0, n)))
    return pick(random.choice(SIZES)) + '>' + pick(random.choice([1, 1, 2, 4, 8]))


def main():
    lines = []
    for conv in CONVS:
        for sig in EDGES + [signature(conv) for _ in range(200)]:
            params, results = sig.split('>')
            try:
                placed = place(conv, params, results)
            except Unsupported:
                continue
            values = placed['params'][2:2 + len(params)]
            joined = lambda locations: ','.join(map(text, locations)) or '-'
            pointer = text(placed['retptr']) if placed['retptr'] else '-'
            lines.append(f"{conv} {sig} {joined(values)} {pointer} {joined(placed['results'])} "
                         f"{placed['arg_space']},{placed['ret_space']}")
    with open('vectors.txt', 'w') as out:
        out.write('\n'.join(lines) + '\n')


main()
