"""The tools' result message, by the protocol buffers library: the reference for this project's own reader."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FLOAT, _INT64, _INT32, _MESSAGE, _STRING = 2, 3, 5, 11, 9
_PARTS = {
    "LatencyMetrics": [(name, _FLOAT) for name in ("avg_ms", "min_ms", "max_ms", "stddev_ms", "median_ms", "p5_ms",
                       "p95_ms", "init_ms", "first_inference_ms", "average_warm_up_ms")],
    "MemoryMetrics": [("init_footprint_kb", _INT64), ("overall_footprint_kb", _INT64), ("peak_mem_mb", _FLOAT)],
    "MiscMetrics": [("model_size_mb", _FLOAT), ("num_runs", _INT32), ("num_warmup_runs", _INT32),
                    ("model_throughput_in_mb_per_sec", _FLOAT), ("throughput_fps", _FLOAT)],
}  # fmt: skip

_file = descriptor_pb2.FileDescriptorProto(name="benchmark_result.proto", package="played", syntax="proto2")
for _name, _fields in _PARTS.items():
    _message = _file.message_type.add(name=_name)
    for _number, (_field, _kind) in enumerate(_fields, 1):
        _message.field.add(name=_field, number=_number, type=_kind, label=1)
_whole = _file.message_type.add(name="BenchmarkResult")
_whole.field.add(name="name", number=1, type=_STRING, label=1)
for _number, (_field, _name) in enumerate(
    (("latency_metrics", "LatencyMetrics"), ("memory_metrics", "MemoryMetrics"), ("misc_metrics", "MiscMetrics")), 2
):
    _whole.field.add(name=_field, number=_number, type=_MESSAGE, type_name=f".played.{_name}", label=1)
_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file)
BenchmarkResult = message_factory.GetMessageClass(_pool.FindMessageTypeByName("played.BenchmarkResult"))
