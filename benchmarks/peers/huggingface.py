"""Hugging Face's MobileBERT, converted by litert-torch and quantized to int8 by AI Edge Quantizer."""

TITLE = "Hugging Face, litert-torch"
ENVIRONMENT = "huggingface"
PACKAGES = (
    "litert-torch==0.10.0",
    "ai-edge-quantizer==0.10.0",
    "ai-edge-litert==2.3.0",
    "transformers==5.24.0",
    "torch==2.14.1",
)
PYTHON = ((3, 10), (3, 13))
SHOWN = ("litert-torch", "ai-edge-quantizer", "transformers", "torch")
VARIABLES = {"TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_OFFLINE": "1"}
FILES = {"huggingface_float32.tflite": "float32", "huggingface_dynamic_int8.tflite": "dynamic int8"}
RUNTIME = "LiteRT"
TRAINS = False


def make(directory, order):
    """Write the files, each with one signature of the order's length."""
    import litert_torch
    import pytorch
    import torch
    from ai_edge_quantizer import quantizer, recipe

    ids = torch.ones(1, order["length"], dtype=torch.int32)
    sample = {"input_ids": ids, "input_mask": ids, "segment_ids": 0 * ids}
    float32, int8 = (directory / name for name in FILES)
    model = pytorch.with_tensors(pytorch.classifier(order["config"]))
    litert_torch.convert(model, sample_kwargs=sample).export(str(float32))
    rounded = quantizer.Quantizer(str(float32), recipe.dynamic_wi8_afp32()).quantize()
    rounded.export_model(str(int8))
