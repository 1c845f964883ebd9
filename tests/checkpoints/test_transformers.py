"""Random models of `transformers`: imported and compared, exported, loaded there, compared again.

Needs the extra `huggingface` (torch and transformers); skipped without it.
"""

import json

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.model_directory import load_model_directory

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'mobilebert_tf[huggingface]'")
transformers = pytest.importorskip("transformers", reason="needs the extra: pip install 'mobilebert_tf[huggingface]'")

pytestmark = pytest.mark.transformers

SMALL = dict(
    vocab_size=90,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=40,
    num_labels=3,
)
MOBILEBERT = dict(SMALL, embedding_size=12, intra_bottleneck_size=16)
ARCHITECTURES = {
    "mobilebert": ("MobileBert", MOBILEBERT),
    "no_pooler": ("MobileBert", {**MOBILEBERT, "classifier_activation": False}),
    "tiny": (
        "MobileBert",
        {
            **MOBILEBERT,
            "use_bottleneck_attention": True,
            "key_query_shared_bottleneck": False,
            "num_feedforward_networks": 2,
            "num_hidden_layers": 4,
        },
    ),
    "without_opt": ("MobileBert", {**MOBILEBERT, "normalization_type": "layer_norm", "hidden_act": "gelu"}),
    "bert": ("Bert", SMALL),
}
KINDS = {
    "Model": "last_hidden_state",
    "ForPreTraining": "prediction_logits",
    "ForMaskedLM": "logits",
    "ForNextSentencePrediction": "logits",
    "ForSequenceClassification": "logits",
    "ForTokenClassification": "logits",
    "ForQuestionAnswering": "start_logits",
}
# As for the golden files: relative to the largest value of the tensor, two roundings of float32 a layer.
TOLERANCE = 1e-5


def assert_close(ours, theirs) -> None:
    theirs = theirs.detach().numpy() if hasattr(theirs, "detach") else np.asarray(theirs)
    assert np.abs(np.asarray(ours) - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_there_and_back(name, kind, tmp_path):
    family, values = ARCHITECTURES[name]
    torch.manual_seed(3)
    model = getattr(transformers, family + kind)(getattr(transformers, f"{family}Config")(**values)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # At their initial size the weights hardly move a hidden state.
            parameter.add_(0.15 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path / "theirs")
    random = np.random.default_rng(0)
    ids = random.integers(1, 90, (3, 20))
    mask = (np.arange(20) < np.array([[20], [13], [4]])).astype(np.int64)
    segments = (np.arange(20) >= 7).astype(np.int64) * mask
    theirs = run(model, ids, mask, segments)

    loaded = load_model_directory(tmp_path / "theirs").model
    inputs = {
        "input_ids": ids.astype(np.int32),
        "input_mask": mask.astype(np.int32),
        "segment_ids": segments.astype(np.int32),
        "masked_lm_positions": np.tile(np.arange(20, dtype=np.int32), (3, 1)),
    }
    outputs = loaded.encoder(inputs)
    for ours, hidden in zip(outputs["feature_maps"], theirs["hidden_states"], strict=True):
        assert_close(ours, hidden)
    for scores, attention in zip(outputs["attention_scores"], theirs["attentions"], strict=True):
        scores = np.asarray(scores, np.float64)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        assert_close(powers / powers.sum(axis=-1, keepdims=True), attention)
    for ours, wanted in compared(kind, loaded(inputs), theirs):
        assert_close(ours, wanted)

    for source, to in (("theirs", "keras"), ("keras", "tf1"), ("tf1", "back")):
        world = "huggingface" if to == "back" else to
        flags = [f"--input={tmp_path / source}", f"--output={tmp_path / to}", f"--to={world}"]
        assert cli.run(["convert", *flags]) == 0
    again, info = type(model).from_pretrained(tmp_path / "back", output_loading_info=True)
    problems = {key: names for key, names in info.items() if names and key != "error_msgs"}
    assert not problems
    for one, other in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert one[0] == other[0] and torch.equal(one[1], other[1])
    repeated = run(again.eval(), ids, mask, segments)
    assert torch.equal(repeated[KINDS[kind]], theirs[KINDS[kind]])


def run(model, ids, mask, segments):
    ids, mask, segments = map(torch.tensor, (ids, mask, segments))
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
    with torch.no_grad():
        return model(**given, output_hidden_states=True, output_attentions=True)


def compared(kind, ours, theirs):
    if kind == "Model":
        yield ours["sequence_output"], theirs["last_hidden_state"]
        yield ours["pooled_output"], theirs["pooler_output"]
    elif kind == "ForPreTraining":
        yield ours["masked_word_logits"], theirs["prediction_logits"]
        yield ours["next_sentence_logits"], theirs["seq_relationship_logits"]
    elif kind == "ForMaskedLM":
        yield ours["masked_word_logits"], theirs["logits"]
    elif kind == "ForNextSentencePrediction":
        yield ours["next_sentence_logits"], theirs["logits"]
    elif kind == "ForQuestionAnswering":
        yield ours["start_logits"], theirs["start_logits"]
        yield ours["end_logits"], theirs["end_logits"]
    else:
        yield ours, theirs["logits"]


def test_the_tokenizer_goes_along(shared_data, tmp_path):
    """Their tokenizer -> here -> there: the same ids, also of a word of 150 letters, which only Google's rule keeps."""
    tokenizer = transformers.BertTokenizerFast(vocab_file=str(shared_data / "vocab" / "vocab.txt"))
    config = transformers.MobileBertConfig(**{**MOBILEBERT, "vocab_size": 30522})
    transformers.MobileBertModel(config).save_pretrained(tmp_path / "theirs")
    tokenizer.save_pretrained(tmp_path / "theirs")
    texts = [*json.loads((shared_data / "unicode" / "blns.json").read_text()), "the " + "run" * 50, "Ünïcödé"]
    wanted = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    here = load_model_directory(tmp_path / "theirs").tokenizer
    assert here.rules.max_characters_per_word == 100
    assert [here.encode(text).ids for text in texts] == wanted
    flags = [f"--input={tmp_path / 'theirs'}", f"--output={tmp_path / 'back'}", "--to=huggingface"]
    assert cli.run(["convert", *flags]) == 0
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "back")
    assert [again(text, add_special_tokens=False)["input_ids"] for text in texts] == wanted
    pair = again("the cat", "sat")
    assert pair["token_type_ids"] == [0, 0, 0, 0, 1, 1]
