"""The program that runs in a rival's environment: `side.py ORDER.json` prints a line of JSON.

An order has `peer`, the name of a module next to this one, and `do`:

    make    write the peer's files into `directory`
    time    load `path`, and time it on the rows of `inputs`, an .npz with ids, mask and segments [N, T] and, for
            texts at their own lengths, `real` [N], the number of word pieces in each row that are not padding
    step    time fine-tuning steps on a batch
    say     only report the versions
"""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).parent


def main(path):
    order = json.loads(pathlib.Path(path).read_text())
    sys.path.insert(0, str(HERE))
    peer = importlib.import_module(order["peer"])
    answer = {"make": make, "time": measure, "step": steps, "say": lambda *_: {}}[order["do"]](peer, order)
    answer["versions"] = {name: importlib.metadata.version(name) for name in peer.SHOWN}
    sys.stdout.flush()
    print("\n" + json.dumps(answer), flush=True)
    # Some runtimes crash during shutdown.
    os._exit(0)


def make(peer, order):
    peer.make(pathlib.Path(order["directory"]), order)
    return {}


def measure(peer, order):
    import numpy

    timing, load_of = _beside("timing"), _beside("load")
    memory = _beside("memory")
    rows = numpy.load(order["inputs"])
    values = [rows[name].astype(numpy.int64) for name in ("ids", "mask", "segments")]
    # The runtime is imported before the clock starts, as it is for this project's files.
    for name in peer.IMPORTS:
        importlib.import_module(name)
    before, load = memory.held(), load_of.Load()
    start = time.perf_counter()
    run = peer.load(order["path"], order)
    load_ms = round((time.perf_counter() - start) * 1e3, 2)
    real = rows["real"] if order["own_lengths"] else [values[0].shape[1]] * len(values[0])
    each = [[one[number : number + 1, : int(real[number])] for one in values] for number in range(len(values[0]))]
    first = time.perf_counter()
    answer = run(*each[0])
    first_ms = round((time.perf_counter() - first) * 1e3, 2)
    after = memory.held()

    def call(number):
        return run(*each[number])

    timing.warm(call, len(each), order["warm_up"])
    clocks = [load_of.clock_mhz()]
    # At least `passes` inferences of every text.
    runs = max(order["runs"], len(each) * order["passes"]) if order["own_lengths"] else order["runs"]
    samples = timing.samples(call, len(each), runs, order["seconds"])
    clocks.append(load_of.clock_mhz())
    queries = len(samples)
    if order["own_lengths"]:
        # The mean over texts of each text's median.
        samples = [round(float(numpy.mean([numpy.median(samples[one :: len(each)]) for one in range(len(each))])), 4)]
    return {
        "samples": samples,
        "queries": queries,
        "load_ms": load_ms,
        "first_ms": first_ms,
        "finite": bool(numpy.isfinite(answer).all()),
        "memory_mib": {key: round(after[key] - before[key], 1) for key in after} if before and after else None,
        "peak_memory_mib": memory.peak_memory(),
        "foreign_cores": load.foreign_cores(),
        "clock_mhz": clocks,
    }


def steps(peer, order):
    memory, load = _beside("memory"), _beside("load").Load()
    began = time.perf_counter()
    step = peer.stepper(order)
    built = time.perf_counter()
    loss = step()
    first = time.perf_counter()
    step()
    samples = []
    for _ in range(order["steps"]):
        start = time.perf_counter()
        step()
        samples.append(time.perf_counter() - start)
    return {
        "samples": samples,
        "build_seconds": built - began,
        "first_step_seconds": first - built,
        "first_loss": loss,
        "peak_memory_mib": memory.peak_memory(),
        "foreign_cores": load.foreign_cores(),
    }


def _beside(name):
    """A module of `benchmarks/files` that imports nothing from this package."""
    spec = importlib.util.spec_from_file_location("_files_" + name, HERE.parent / "files" / (name + ".py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1])
