"""A stand-in for the emulator in tests: runs `inside.py` on this machine, with invented numbers of instructions.

An inference costs a million for each token; a change of length half a million more if the graph grows, and a quarter
if it shrinks.
"""

import os
import runpy
import sys

from ai_edge_litert import interpreter

count, length = 1_000_000, None


def ask(_: int) -> int:
    global count
    count += 7  # what asking itself costs
    os.write(2, f"instructions {count}\n".encode())
    return 0


def call(runner, **values):
    global count, length
    before, length = length, next(iter(values.values())).shape[1]
    count += length * 1_000_000
    if before is not None and before != length:
        count += 500_000 if length > before else 250_000
    return run(runner, **values)


run = interpreter.SignatureRunner.__call__
interpreter.SignatureRunner.__call__ = call
os.getpgid = ask
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
