"""The program that runs inside the emulator, on Python with only NumPy and LiteRT: `inside.py ORDER.json`.

An order has `path`, `inputs` (an .npz with SIGNATURE/INPUT), `signatures` and `changes`, pairs of signatures of one
graph; outputs are written to `outputs`, an .npz with SIGNATURE/OUTPUT. The emulator is asked for its instruction count
before and after the counted inference. For a change the first signature of the pair runs, then the second twice: only
the first of these two inferences has to resize the graph.
"""

import json
import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

ASKED = 0x7AC0DE


def ask():
    """Make the emulator print the number of instructions so far: its plugin recognises this system call."""
    try:
        os.getpgid(ASKED)
    except OSError:
        pass


def main():
    with open(sys.argv[1]) as file:
        order = json.load(file)
    rows, arrays = dict(np.load(order["inputs"])), {}
    ask()
    ask()  # the difference is the cost of asking itself
    interpreter = Interpreter(order["path"], num_threads=1)
    calls = {}
    for signature in order["signatures"]:
        call = calls[signature] = call_of(interpreter, signature, rows)
        call()
        os.write(2, ("signature %s\n" % (signature or "")).encode())
        ask()
        outputs = call()
        ask()
        arrays.update({(signature or "") + "/" + name: values for name, values in outputs.items()})
    for before, after in order["changes"]:
        if before not in calls:
            calls[before] = call_of(interpreter, before, rows)
        calls[before]()
        os.write(2, f"signature {before} > {after}\n".encode())
        ask()
        calls[after]()
        ask()
        calls[after]()
        ask()
    np.savez(order["outputs"], **arrays)


def call_of(interpreter, signature, rows):
    prefix = (signature or "") + "/"
    feeds = {name[len(prefix) :]: values[0] for name, values in rows.items() if name.startswith(prefix)}
    return named(interpreter, signature, feeds) if signature else plain(interpreter, feeds)


def named(interpreter, signature, feeds):
    runner = interpreter.get_signature_runner(signature)
    return lambda: runner(**feeds)


def plain(interpreter, feeds):
    interpreter.allocate_tensors()

    def call():
        for index, value in feeds.items():
            interpreter.set_tensor(int(index), value)
        interpreter.invoke()
        return {one["name"]: interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()}

    return call


main()
