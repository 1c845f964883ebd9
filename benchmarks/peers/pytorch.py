"""Hugging Face's MobileBERT on PyTorch, unconverted."""

import os

TITLE = "Hugging Face, PyTorch"
ENVIRONMENT = "pytorch"
PACKAGES = ("torch==2.14.1", "transformers==5.24.0", "onnx==1.23.2", "onnxscript==0.7.2", "onnxruntime==1.32.0")
PYTHON = ((3, 10), (3, 13))
SHOWN = ("torch", "transformers")
VARIABLES = {"HF_HUB_OFFLINE": "1"}
FILES = {"model/model.safetensors": "float32"}
IMPORTS = ("torch", "transformers.models.mobilebert.modeling_mobilebert")
RUNTIME = "PyTorch"
TRAINS = True


def make(directory, order):
    """Write the model in Hugging Face's format."""
    classifier(order["config"]).save_pretrained(directory / "model")


def load(path, order):
    """A function from ids, mask and segments [1, T], T at will, to logits."""
    import torch
    import transformers

    torch.set_num_threads(order["threads"])
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.MobileBertForSequenceClassification.from_pretrained(os.path.dirname(path)).eval()

    def run(ids, mask, segments):
        with torch.inference_mode():
            values = [torch.from_numpy(one) for one in (ids, mask, segments)]
            return logits(model, *values).numpy()

    return run


def stepper(order):
    """A function that takes one fine-tuning step and returns its loss."""
    import numpy
    import torch

    torch.set_num_threads(order["threads"])
    model = classifier(order["config"]).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-5, weight_decay=0.01)
    batch = {name: torch.from_numpy(values).long() for name, values in numpy.load(order["batch"]).items()}

    def step():
        answer = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["input_mask"],
            token_type_ids=batch["segment_ids"],
            labels=batch["label"],
        )
        answer.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return float(answer.loss.detach())

    return step


def classifier(config):
    """Hugging Face's classifier with two labels, of the same shape as this project's."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    names = (
        "vocab_size", "embedding_size", "trigram_input", "hidden_size", "intra_bottleneck_size", "use_bottleneck",
        "use_bottleneck_attention", "key_query_shared_bottleneck", "num_attention_heads", "num_feedforward_networks",
        "intermediate_size", "hidden_act", "normalization_type", "layer_norm_eps", "num_hidden_layers",
        "max_position_embeddings", "type_vocab_size", "classifier_activation", "hidden_dropout_prob",
        "attention_probs_dropout_prob", "initializer_range",
    )  # fmt: skip
    shape = transformers.MobileBertConfig(**{name: config[name] for name in names}, num_labels=2)
    model = transformers.MobileBertForSequenceClassification(shape)
    # A newly built norm is the identity and would be folded away, which never happens to a trained one.
    with torch.no_grad():
        for values in model.parameters():
            if values.dim() < 2:
                values.add_(0.05 * torch.randn_like(values))
    return model.eval()


def with_tensors(model):
    """A module from ids, mask and segments by position to logits, the form that exporters need."""
    import torch

    class Tensors(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, input_mask, segment_ids):
            return logits(self.model, input_ids, input_mask, segment_ids)

    return Tensors().eval()


def logits(model, ids, mask, segments):
    """Logits [B, 2] for ids, mask and segments [B, T]."""
    return model(input_ids=ids, attention_mask=mask, token_type_ids=segments, return_dict=True).logits
