"""A stand-in for `benchmark_model` in tests: it prints and writes what one does, with invented times.

The device's `behaviour.json` controls it: `kind` (tflite or litert), `wording` (new or old), `gpu` (runs, partial,
silent or refuses), `garbage`, `seconds` (its running time), `wrong_outputs`, `median`.
"""

import json
import os
import sys
import time
from pathlib import Path

HELP = {
    "tflite": "usage: benchmark_model <flags>\nFlags:\n\t--num_runs=50\n\t--num_threads=-1\n\t--use_xnnpack=true\n",
    "litert": "usage: benchmark_model <flags>\nFlags:\n\t--num_threads=-1\n\t--use_npu=false\n\t--use_gpu=false\n",
}


def main() -> int:
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])
    own = json.loads((Path(os.environ["PHONE"]) / "behaviour.json").read_text())
    kind = own.get("kind", "tflite")
    if "help" in flags:
        print(HELP[kind])
        return 0
    time.sleep(own.get("seconds", 0))
    gpu = flags.get("use_gpu") == "true"
    if own.get("garbage"):
        sys.stdout.buffer.write(b"\xff\xfe\x00 count=oops Inference (avg): none\n")
        return 0
    if gpu and own.get("gpu") == "refuses":
        print(
            "ERROR: Restored original execution plan after delegate application failure.\nERROR: Benchmarking failed."
        )
        return 1
    print("INFO: STARTING!")
    delegation(gpu, own)
    if path := flags.get("output_filepath"):
        Path(path).write_bytes(outputs(flags, own, gpu))
    median = float(own.get("median", 2.0))
    write_proto(flags, own, median)
    print(TRANSCRIPTS[kind, own.get("wording", "new")].format(m=median, us=int(median * 1000)))
    return 0


def delegation(gpu: bool, own: dict) -> None:
    if own.get("wording") == "old":
        name = "TfLiteGpuDelegateV2" if gpu else "TfLiteXNNPackDelegate"
        print(f"INFO: Replacing 120 node(s) with delegate ({name}) node, yielding 1 partitions.")
        return
    if gpu and own.get("gpu", "runs") in ("runs", "partial"):
        taken = 120 if own.get("gpu", "runs") == "runs" else 100
        print(f"INFO: Replacing {taken} out of 120 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 "
              "partitions for subgraph 0.")  # fmt: skip
    if not gpu or own.get("gpu") != "runs":
        print("INFO: Replacing 110 out of 120 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 4 "
              "partitions for the whole graph.")  # fmt: skip


def outputs(flags: dict, own: dict, gpu: bool) -> bytes:
    """LiteRT's outputs on this machine for the value files; those of an accelerator that runs differ slightly."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(flags["graph"])
    runner = interpreter.get_signature_runner(flags["signature_to_run_for"])
    files = {}
    for word in flags["input_layer_value_files"].split(","):
        # The last colon ends the name; colons within the name are doubled.
        name, _, path = word.rpartition(":")
        files[name.replace("::", ":")] = path
    assert list(files) == flags["input_layer"].split(",")
    # Inputs are resized to the given shapes, and a value file of another size is refused.
    shapes = [[int(size) for size in shape.split(",")] for shape in flags["input_layer_shape"].split(":")]
    shape_of = dict(zip(files, shapes, strict=True))
    feeds = {key: np.fromfile(files[about["name"]], about["dtype"]).reshape(shape_of[about["name"]])
             for key, about in runner.get_input_details().items()}  # fmt: skip
    (values,) = runner(**feeds).values()
    if gpu and own.get("gpu", "runs") in ("runs", "partial"):
        values = values * np.float32(1.0001)
    if own.get("wrong_outputs"):
        values = -values
    return values.tobytes()


def write_proto(flags: dict, own: dict, median: float) -> None:
    if own.get("wording") == "old" or "result_file_path" not in flags:
        return
    from result_message import BenchmarkResult

    result = BenchmarkResult()
    latency = result.latency_metrics
    latency.avg_ms, latency.min_ms, latency.max_ms, latency.stddev_ms = median * 1.1, median / 2, median * 3, 0.1
    latency.median_ms, latency.p5_ms, latency.p95_ms = median, median * 0.9, median * 2
    latency.init_ms, latency.first_inference_ms, latency.average_warm_up_ms = 30.5, 9.25, 4.0
    result.memory_metrics.init_footprint_kb, result.memory_metrics.overall_footprint_kb = 2048, 4096
    result.misc_metrics.num_runs = max(int(flags["num_runs"]), 1)
    Path(flags["result_file_path"]).write_bytes(result.SerializeToString())


TRANSCRIPTS = {
    ("tflite", "new"): (
        "INFO: Loaded model\nINFO: The input model file size (MB): 1.2\nINFO: Initialized session in 30.5ms.\n"
        "INFO: Running benchmark for at least 3 iterations\n"
        "INFO: count=3 first=9250 curr=4000 min=4000 max=9250 avg=5750 std=2474 p5=4000 median=4000 p95=9250\n\n"
        "INFO: Running benchmark for at least 50 iterations\n"
        "INFO: count=50 first={us} curr={us} min=1000 max=6000 avg=2200.5 std=100 p5=1800 median={us} p95=4000\n\n"
        "INFO: Inference timings in us: Init: 30500, First inference: 9250, Warmup (avg): 5750, "
        "Inference (avg): 2200.5\n"
        "INFO: Memory footprint delta from the start of the tool (MB): init=2 overall=4\n"
    ),
    ("tflite", "old"): (
        "Initialized session in 30.5ms\n"
        "count=3 first=9250 curr=4000 min=4000 max=9250 avg=5750 std=2474\n\n"
        "count=50 first=2100 curr=2000 min=1000 max=6000 avg=2200.5 std=100\n\n"
        "Inference timings in us: Init: 30500, First inference: 9250, Warmup (avg): 5750, Inference (avg): 2200.5\n"
        "Unconsumed cmdline flags: --result_file_path=x --output_filepath=y\n"
    ),
    ("litert", "new"): (
        "INFO: [benchmark_litert_model.h:71] \n========== BENCHMARK RESULTS ==========\n"
        "INFO: [benchmark_litert_model.h:72] Model initialization: 30.50 ms\n"
        "INFO: [benchmark_litert_model.h:73] Warmup (first):       9.25 ms\n"
        "INFO: [benchmark_litert_model.h:75] Warmup (avg):         5.75 ms (3 runs)\n"
        "INFO: [benchmark_litert_model.h:77] Inference (avg):      2.20 ms (50 runs)\n"
        "INFO: [benchmark_litert_model.h:80] Inference (min):      1.00 ms\n"
        "INFO: [benchmark_litert_model.h:82] Inference (max):      6.00 ms\n"
        "INFO: [benchmark_litert_model.h:84] Inference (std):      0.10\n"
        "INFO: [benchmark_litert_model.h:90] Throughput:           0.67 MB/s\n"
        "INFO: [benchmark_litert_model.h:99] \nMemory Usage:\n"
        "INFO: [benchmark_litert_model.h:100] Init footprint:       2.00 MB\n"
        "INFO: [benchmark_litert_model.h:102] Overall footprint:    4.00 MB\n"
        "INFO: [benchmark_litert_model.h:112] Peak memory usage not available. (peak_mem_mb <= 0)\n"
        "INFO: [benchmark_litert_model.h:115] ======================================\n"
    ),
}
TRANSCRIPTS["litert", "old"] = TRANSCRIPTS["litert", "new"].replace("Warmup (first): ", "First inference:")

if __name__ == "__main__":
    sys.exit(main())
