"""`quantization.json`, and the recipes that a network can be fine-tuned for."""

import dataclasses
import json

import pytest

from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.aware import recipe as aware_recipe
from mobilebert_tf.export.aware import stored
from mobilebert_tf.export.quantize.ranges import Ranges
from mobilebert_tf.export.recipes import RECIPES, Rule

from .conftest import made


def test_what_is_written_is_read(directory):
    trained = made("24_blocks").trained
    assert stored.read(directory) is None
    stored.write(directory, trained)
    loaded = stored.read(directory)
    assert (loaded.ranges, loaded.breaks, loaded.recipe.rules) == (trained.ranges, trained.breaks, trained.recipe.rules)
    assert any(loaded.breaks)
    static, full = RECIPES["static_int8"], RECIPES["static_int8_full"]
    assert loaded.is_for(static) and loaded.is_for(dataclasses.replace(static, name="mine", half=False))
    assert not loaded.is_for(full) and not loaded.is_for(dataclasses.replace(static, target="mediapipe"))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda values: values | {"weights_sha256": "0" * 64},
            "its ranges were trained with other weights than those of model.weights.h5",
        ),
        (
            lambda values: {key: value for key, value in values.items() if key != "ranges"},
            "has no 'ranges'; fine-tune again",
        ),
        (
            lambda values: values | {"ranges": {"embeddings/input": [1]}},
            "embeddings/input: is [1]; it must be a list of length 2",
        ),
        (
            lambda values: values | {"ranges": {"embeddings/input": [None, 1.0]}},
            "embeddings/input: [0]: is None; it must be a number",
        ),
        (lambda values: values | {"rules": [{"layer": "x"}]}, "rules: [0]: unknown field 'layer'"),
        (lambda values: values | {"breaks": 3}, "breaks: is 3; it must be a list"),
        (lambda values: [values], "it must be an object; fine-tune again"),
    ],
)
def test_damaged_or_of_other_weights(directory, change, message):
    stored.write(directory, made("student").trained)
    path = directory / stored.FILE
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UsageError) as error:
        stored.read(directory)
    assert str(path) in str(error.value) and message in str(error.value) and "\n" not in str(error.value)


def test_trained_ranges_take_the_place_of_measured_ones():
    material = made("student")
    tensors = [name for pair in stored._products(material.floats) for name in pair]
    ends = {name: (-1e3, 1e3) for name in [*tensors, "other"]}
    measured = Ranges(by_tensor=ends, nearest=ends, largest=7.0, examples=3)
    ranges = material.trained.instead_of(measured, material.floats)
    assert (ranges.largest, ranges.examples, ranges.by_tensor["other"]) == (7.0, 3, (-1e3, 1e3))
    # All but the head's result and its input, the sum of the last block: the head is dynamic.
    assert {name for name in tensors if ranges.by_tensor[name] == (-1e3, 1e3)} == {
        "block_2/output_bottleneck/add_1", "classifier/logits",
    }  # fmt: skip
    assert ranges.nearest == ranges.by_tensor  # trained ends must not be moved
    alone = material.trained.instead_of(None, material.floats)
    assert alone.by_tensor == {name: ranges.by_tensor[name] for name in alone.by_tensor}
    assert alone.largest == float("inf")  # unknown without measuring, so float16 is not allowed


def test_ranges_of_another_network():
    with pytest.raises(FailedError, match="has a range for block_.*, which this network lacks"):
        made("24_blocks").trained.instead_of(None, made("student").floats)


def test_rule_that_knows_more_of_a_name_than_training():
    trained = made("student").trained
    rules = (*trained.recipe.rules, Rule(layers="query_key/add"))
    changed = dataclasses.replace(trained, recipe=dataclasses.replace(trained.recipe, rules=rules))
    with pytest.raises(FailedError, match="treat the layer block_1/query_key and its result in a file"):
        changed.instead_of(None, made("student").floats)


@pytest.mark.parametrize(
    "rules, message",
    [
        ([{"activations": "dynamic"}], "has no static activations"),
        ([{"operators": ["ADD", "FULLY_CONNECTED"], "activations": "int8"}], "has a rule for ADD"),
        (
            [{"operators": "EMBEDDING_LOOKUP", "activations": "int8"}],
            "makes EMBEDDING_LOOKUP static, but training imitates only tables whose rows are used in float",
        ),
        ([{"activations": "int8"}, {"layers": "query", "activations": "int16"}], "both|in both int8 and int16"),
        ([{"layers": "(", "activations": "int8"}], "is not a regular expression"),
    ],
)
def test_recipes_that_training_does_not_imitate(tmp_path, rules, message):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"name": "mine", "rules": rules}))
    with pytest.raises(UsageError, match=message):
        aware_recipe.find_recipe(str(path))


@pytest.mark.parametrize(
    "name, message",
    [
        ("dynamic_int8", "--quantization_recipe=dynamic_int8: has no static activations"),
        ("static_int8_full", "--quantization_recipe=static_int8_full: has a rule for [*]"),
        ("static", "--quantization_recipe: there is no recipe 'static'"),
        ("static_int8,dynamic_int8", "must be one recipe"),
        ("no.json", "no.json: no such file"),
    ],
)
def test_names_that_are_not_right(name, message):
    with pytest.raises(UsageError, match=message):
        aware_recipe.find_recipe(name)


def test_recipes_of_ones_own(tmp_path):
    path = tmp_path / "mine.json"
    rules = [{"weights": "int4", "activations": "int16"}, {"layers": "^block_1/", "weights": "float32"}]
    path.write_text(json.dumps({"name": "mine", "rules": rules}))
    recipe = aware_recipe.find_recipe(str(path))

    def rule(layer):
        return aware_recipe.rule_of(recipe, "FULLY_CONNECTED", aware_recipe.result_of(layer))

    assert (
        rule("block_1/query") is None and rule("block_11/query").bits == 4 and rule("classifier").activation_bits == 16
    )
