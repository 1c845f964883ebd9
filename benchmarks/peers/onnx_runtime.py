"""Hugging Face's MobileBERT on ONNX Runtime, in float32 and dynamic int8; one file runs texts of any length."""

TITLE = "Hugging Face, ONNX Runtime"
ENVIRONMENT = "pytorch"
PACKAGES = ()
PYTHON = ((3, 10), (3, 13))
SHOWN = ("onnxruntime", "onnx", "torch", "transformers")
VARIABLES = {"HF_HUB_OFFLINE": "1"}
FILES = {"onnx_runtime_float32.onnx": "float32", "onnx_runtime_dynamic_int8.onnx": "dynamic int8"}
IMPORTS = ("onnxruntime",)
RUNTIME = "ONNX Runtime"
TRAINS = False


def make(directory, order):
    """Write the files, which accept any length."""
    import pytorch
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    ids = torch.ones(1, order["length"], dtype=torch.int64)
    length = torch.export.Dim("length", min=2, max=order["config"]["max_position_embeddings"])
    float32, int8 = (directory / name for name in FILES)
    torch.onnx.export(
        pytorch.with_tensors(pytorch.classifier(order["config"])),
        (ids, ids, 0 * ids),
        str(float32),
        input_names=["input_ids", "input_mask", "segment_ids"],
        output_names=["logits"],
        dynamo=True,
        dynamic_shapes=({1: length}, {1: length}, {1: length}),
        external_data=False,
    )
    quantize_dynamic(str(float32), str(int8), weight_type=QuantType.QInt8)


def load(path, order):
    """A function from ids, mask and segments [1, T], T at will, to logits."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = order["threads"], 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run(ids, mask, segments):
        inputs = {"input_ids": ids, "input_mask": mask, "segment_ids": segments}
        return session.run(None, {name: inputs[name] for name in names})[0]

    return run
