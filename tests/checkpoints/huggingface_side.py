"""PyTorch's side of `test_transformers.py`, in a process of its own because it crashes beside TensorFlow.

python huggingface_side.py make DIRECTORY        random models, their outputs, a tokenizer's ids
python huggingface_side.py check DIRECTORY       the same models after conversion by this project
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

SMALL = dict(
    vocab_size=90,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=40,
)
MOBILEBERT = dict(SMALL, embedding_size=12, intra_bottleneck_size=16)
TINY = dict(
    use_bottleneck_attention=True, key_query_shared_bottleneck=False, num_feedforward_networks=2, num_hidden_layers=4
)
ARCHITECTURES = {
    "mobilebert": ("MobileBert", MOBILEBERT),
    "no_pooler": ("MobileBert", dict(MOBILEBERT, classifier_activation=False)),
    "tiny": ("MobileBert", {**MOBILEBERT, **TINY}),
    "without_opt": ("MobileBert", dict(MOBILEBERT, normalization_type="layer_norm", hidden_act="gelu")),
    "bert": ("Bert", SMALL),
}
KINDS = (
    "Model",
    "ForPreTraining",
    "ForMaskedLM",
    "ForNextSentencePrediction",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
)


def make(place: Path) -> None:
    for name, (family, values) in ARCHITECTURES.items():
        for kind in KINDS:
            torch.manual_seed(3)
            labels = 3 if kind in ("ForSequenceClassification", "ForTokenClassification") else 2
            config = getattr(transformers, f"{family}Config")(**values, num_labels=labels)
            model = getattr(transformers, family + kind)(config).eval()
            with torch.no_grad():
                for parameter in model.parameters():
                    # Weights of initial size hardly change a hidden state.
                    parameter.add_(0.15 * torch.randn_like(parameter))
            directory = place / f"{name}-{kind}"
            model.save_pretrained(directory / "theirs")
            np.savez(directory / "outputs.npz", **run(model))
    vocab, texts = (json.loads((place / "tokenizer.json").read_text())[key] for key in ("vocab", "texts"))
    directory = place / "tokenizer"
    tokenizer = tokenizer_of(vocab, directory / "theirs")
    config = transformers.MobileBertConfig(**{**MOBILEBERT, "vocab_size": len(tokenizer)})
    transformers.MobileBertModel(config).save_pretrained(directory / "theirs")
    tokenizer.save_pretrained(directory / "theirs")
    (directory / "ids.json").write_text(json.dumps(ids_of(tokenizer, texts)))


def tokenizer_of(vocab: str, directory: Path) -> transformers.BertTokenizerFast:
    """Load a tokenizer from a directory, which versions 4 and 5 read alike; their arguments have different names."""
    directory.mkdir(parents=True)
    shutil.copy(vocab, directory / "vocab.txt")
    tokenizer = transformers.BertTokenizerFast.from_pretrained(directory)
    assert len(tokenizer) == len(Path(vocab).read_text(encoding="utf-8").splitlines())
    return tokenizer


def check(place: Path) -> list[str]:
    """Differences from the models before conversion, one a line."""
    problems = []
    for name, (family, _) in ARCHITECTURES.items():
        for kind in KINDS:
            directory = place / f"{name}-{kind}"
            cls = getattr(transformers, family + kind)
            before = cls.from_pretrained(directory / "theirs").eval()
            after, info = cls.from_pretrained(directory / "back", output_loading_info=True)
            problems += [f"{directory.name}: {key} {names}" for key, names in info.items() if names]
            one, other = before.state_dict(), after.eval().state_dict()
            if list(one) != list(other) or not all(torch.equal(one[key], other[key]) for key in one):
                problems.append(f"{directory.name}: weights differ")
            outputs = np.load(directory / "outputs.npz")
            problems += [f"{directory.name}: {k} differs" for k, v in run(after).items() if not (v == outputs[k]).all()]
    texts = json.loads((place / "tokenizer.json").read_text())["texts"]
    for name, ids in (("back", "ids.json"), ("long", "long_ids.json")):
        tokenizer = transformers.AutoTokenizer.from_pretrained(place / "tokenizer" / name)
        if ids_of(tokenizer, texts) != json.loads((place / "tokenizer" / ids).read_text()):
            problems.append(f"tokenizer {name}: ids differ")
        if tokenizer("the cat", "sat")["token_type_ids"] != [0, 0, 0, 0, 1, 1]:
            problems.append(f"tokenizer {name}: pairs differ")
    return problems


def run(model) -> dict[str, np.ndarray]:
    """The inputs, and everything that the model returns for three texts of different length."""
    random = np.random.default_rng(0)
    ids = random.integers(1, 90, (3, 20))
    mask = (np.arange(20) < np.array([[20], [13], [4]])).astype(np.int64)
    segments = (np.arange(20) >= 7).astype(np.int64) * mask
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
    # The default attention does not return its probabilities.
    model.set_attn_implementation("eager")
    with torch.no_grad():
        outputs = model(
            **{name: torch.tensor(value) for name, value in inputs.items()},
            output_hidden_states=True,
            output_attentions=True,
        )
    arrays = dict(inputs)
    for name, value in outputs.items():
        for number, tensor in enumerate(value if isinstance(value, tuple) else [value]):
            arrays[f"{name}_{number}" if isinstance(value, tuple) else name] = tensor.numpy()
    return arrays


def ids_of(tokenizer, texts: list[str]) -> list[list[int]]:
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        found = check(Path(sys.argv[2]))
        print("\n".join(found))
        sys.exit(bool(found))
