"""Objects of a port for their judges: as it is, and broken on purpose."""
import re, shlex, subprocess, tempfile
from pathlib import Path

from targets import ROOT

PREFIX = re.search(r'^links = "(.*)"', (ROOT / 'Cargo.toml').read_text(), re.M)[1] + '_'


def run(*command, **options):
    """What the command prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def preprocess(compiler, port, more=''):
    """The text of a port, which may have more statements at its end."""
    flags = [f'-DSYMBOL_PREFIX={PREFIX}', '-I.', '-Iasm', '-x', 'assembler-with-cpp', '-E', '-P', '-']
    return run(*shlex.split(compiler), *flags, cwd=ROOT, input=f'#include "{port}"\n{more}\n')


def assemble(compiler, text, path):
    """Makes the object of a text, and gives its path."""
    run(*shlex.split(compiler), '-x', 'assembler', '-c', '-', '-o', path, input=text)
    return path


def judged(name, judge, path):
    """What the judge counts in an object that it must find nothing wrong with."""
    wrong, count = judge(path)
    if wrong:
        raise SystemExit('\n'.join([f'{name}:', *wrong]))
    return count


def noticed(name, judge, path, what, word=''):
    """The judge must say of this object what is wrong, with this word."""
    wrong, _ = judge(path)
    if not any(word in line for line in wrong):
        raise SystemExit('\n'.join([f'{name}: passes, and must not: {what}', *wrong]))


def each_is_noticed(compiler, judge, port, broken):
    """Judges the port, and copies of it in which the function `broken` is wrong. Says what it counts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'port.o'
        count = judged(compiler, judge, assemble(compiler, preprocess(compiler, port), path))
        for statements in broken:
            text = preprocess(compiler, port, f'.text\n{statements}')
            noticed(compiler, judge, assemble(compiler, text, path), statements, 'broken')
    return f'{count}, {len(broken)} broken ones noticed'
