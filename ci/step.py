"""For gdb: steps through the bodies, and unwinds at every instruction.

    gdb -batch -x ci/step.py --args PROGRAM ARGUMENTS...
    gdb-multiarch -batch -ex 'target remote :PORT' -x ci/step.py PROGRAM

PROGRAM is the test `call`, its arguments `--exact every_path_is_a_call`.
Wherever the program enters a body, this notes the caller's pc, stack pointer and
callee-saved registers, floats too, and steps until it is back there, passing over the target.
What lies below the stack pointer, where a signal handler could be, is overwritten
before each step. gdb, which reads the CFI by itself, must find the same caller at
every instruction, the first times that it is reached. From an instruction that has been
reached often enough, the program runs on to one that has not been: breakpoints are at all of
those that may follow. The function that leaves a call is the caller of `leave`.
Instructions for a shadow stack are reached on no machine here.
With COUNTED in the environment, it says how many instructions each call took.
The last line counts; the exit code is 1 if anything was wrong or an instruction not reached.
"""
import collections
import os
import re
import sys
import gdb
import gdb.types

sys.path.insert(0, os.path.dirname(__file__))
from targets import TARGETS

KEPT = {row['gdb']: row['kept'] for row in reversed(TARGETS.values()) if 'gdb' in row}
if 'ROW' in os.environ:
    KEPT[TARGETS[os.environ['ROW']]['gdb']] = TARGETS[os.environ['ROW']]['kept']
RED_ZONE = {'i386:x86-64': 128}  # bytes below the stack pointer that signal handlers leave alone
BLOCK = re.compile(r'(?:.*\n)*?(?:.*:\s+(?:j|b\b|b\.|cb).*\n|\Z)')  # of a disassembly, up to a branch
SHADOW_STACK = re.compile(r'incssp|sysl|s3_3_c2_c5_1|gcs', re.I)
OURS = re.compile(r'vmtrampoline_\d+_\d+_\d+_(\w+)')

names = {}  # of the bodies, by address
instructions = {}  # of the bodies: where in which one, by address
after = collections.defaultdict(set)  # the next instruction, and where a branch goes, by the address of an instruction
elsewhere = set()  # instructions that have gone elsewhere in the bodies
stops = {}  # breakpoints that are not at entries, by address
symbols = {}  # the function of the assembly that a pc is in, or None, by pc
seen, wrong, steps = collections.Counter(), [], 0
ENOUGH = 40  # unwindings at an instruction


def number(value):
    """An address, or the bits of a register; of a vector, the lowest eight bytes."""
    if isinstance(value, int):
        return value & (1 << 64) - 1
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_UNION:     # of types that a float register may have
        value = value['double'] if gdb.types.has_field(value.type, 'double') else value['d']['u'][0]
    return int(value.format_string(format='z'), 16)


def register(frame, name):
    """Of a float register of s390x that is saved, gdb knows the vector register that begins with it."""
    if re.fullmatch(r'f\d+', name):
        half = frame.read_register('v' + name[1:])['v2_int64'][0]
        if not half.is_optimized_out:
            return number(half)
    return number(frame.read_register(name))


def pc():
    return number(gdb.selected_frame().pc())


def run(command):
    return gdb.execute(command, to_string=True)


def ours(address):
    """The function of the assembly that has this address, or None."""
    if address not in symbols:
        match = OURS.match(run(f'info symbol {address}'))
        symbols[address] = match and match[1]
    return symbols[address]


def caller():
    """What gdb knows of the caller of the newest frame. A body may have been called by
    another, but none calls itself.
    """
    frame, functions = gdb.newest_frame(), []
    while frame is not None and (function := ours(number(frame.pc()))):
        if function in functions:
            return {}
        functions.append(function)
        frame = frame.older()
    if frame is None:
        return {}
    registers = KEPT[frame.architecture().name()]
    return {'pc': number(frame.pc())} | {name: register(frame, name) for name in registers}


def overwrite():
    """Does what a signal handler may do."""
    frame = gdb.newest_frame()
    architecture = frame.architecture().name()
    pointer = number(frame.read_register(KEPT[architecture][-1])) - RED_ZONE.get(architecture, 0)
    try:
        gdb.selected_inferior().write_memory(pointer - 128, b'\xa5' * 128)
        gdb.invalidate_cached_frames()  # the caller's pc has been read before
    except gdb.MemoryError:
        pass  # the stack has not grown there yet


def breakpoint(address, **options):
    """In an emulator it is one of hardware. At one of software, gdb would move a stop behind
    an instruction back, if that has one too.
    """
    native = gdb.selected_inferior().connection.type == 'native'
    kind = gdb.BP_BREAKPOINT if native else gdb.BP_HARDWARE_BREAKPOINT
    return gdb.Breakpoint(f'*{address}', type=kind, internal=True, **options)


def enough(address):
    return seen[address] >= ENOUGH and address not in elsewhere and 'COUNTED' not in os.environ


def stop_at(addresses):
    """Where it is not enough yet, the program stops if it runs on."""
    for address in addresses:
        if address in after and not (enough(address) or address in stops or address in names):
            stops[address] = breakpoint(address)


def single_step():
    address = pc()
    run('stepi')
    if ours(pc()) and pc() not in after[address]:  # it calls another body, or returns to one
        elsewhere.add(address)
        stop_at({address} | after[address])


def walk(name):
    """Steps through a body that has just been entered."""
    global steps
    expected, before, leaver = caller(), steps, None
    end = breakpoint(expected['pc'])
    while pc() != expected['pc']:
        if not ours(pc()):  # the target, or a function that it calls
            back = number(gdb.newest_frame().older().pc())
            there = breakpoint(back, temporary=True)
            run('continue')
            if there.is_valid():  # it has left the call, or called another body
                there.delete()
            continue
        if names.get(pc()) == 'leave':
            leaver = caller()
        steps += 1
        seen[pc()] += 1
        if enough(pc()):
            stop_at(after[pc()])
            if pc() in stops:
                stops.pop(pc()).delete()
        if seen[pc()] <= ENOUGH:
            overwrite()
            must = leaver if ours(pc()) == 'leave' else expected
            if caller() != must:
                wrong.append(f'{name}: at {pc():#x}: {caller()}, not {must}')
        if enough(pc()):
            run('continue')
        else:
            single_step()
    end.delete()
    if 'COUNTED' in os.environ:
        print(f'entered {name}: {steps - before} instructions')


for setting in ('language c', 'pagination off', 'confirm off', 'print thread-events off', 'backtrace past-main on',
                'breakpoint always-inserted on'):
    run(f'set {setting}')
if not gdb.selected_inferior().pid:
    run('starti')
for match in OURS.finditer(run('info functions ^vmtrampoline_[0-9]')):
    if not re.search('thunks|callback_block', match[0]):
        address = number(gdb.parse_and_eval(f'(long)&{match[0]}'))
        names[address] = match[1]
        # Between parts that are aligned there are nops.
        text = run(f'disassemble {address}')
        listed = re.findall(r'^(?:=>)? *(0x\w+) <.*?>:(.*)', text, re.M)
        for i, (at, code) in enumerate(listed):
            to = re.findall(r'0x\w+(?= <)', code) + [to for to, _ in listed[i + 1:i + 2]]
            after[int(at, 16)] = {int(address, 16) for address in to}
        for block in BLOCK.findall(text):
            if SHADOW_STACK.search(block):
                continue
            for at, offset in re.findall(r'^(?:=>)? *(0x\w+) <(.*)>:(?!\s*nop)', block, re.M):
                instructions[int(at, 16)] = match[1] + offset
        assert address in instructions
        breakpoint(address)
run('continue')
while gdb.selected_inferior().pid:
    if pc() in names:
        walk(names[pc()])
    run('continue')

print('\n'.join(wrong[:20]))
missed = [] if 'COUNTED' in os.environ else [instructions[at] for at in sorted(instructions.keys() - seen.keys())]
print(f'{sum(min(n, ENOUGH) for n in seen.values())} unwindings at {len(seen)} instructions of {len(names)} bodies, {len(wrong)} wrong,',
      f"not reached: {', '.join(missed) or 'none'}")
run(f'quit {int(bool(wrong or missed or not steps))}')
