"""Plans of stages, and the losses and trained parts of a stage."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.training.loop import LoopOptions
from mobilebert_tf.training.optimizers import Optimizer
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stage import OptimizerOptions
from mobilebert_tf.transfer import initialization, losses, objectives, pairing, plan_table, stages, strategies


def config(preset, **changes):
    return MobileBertConfig.preset(preset, vocab_size=50, **changes)


def batch(seed=0):
    random = np.random.default_rng(seed)
    mask = np.ones((4, 10), np.int32)
    mask[1, 6:] = 0
    return {
        "input_ids": random.integers(0, 50, (4, 10)).astype(np.int32),
        "input_mask": mask,
        "segment_ids": random.integers(0, 2, (4, 10)).astype(np.int32),
        "masked_lm_positions": random.integers(0, 6, (4, 3)).astype(np.int32),
        "masked_lm_ids": random.integers(0, 50, (4, 3)).astype(np.int32),
        "masked_lm_weights": np.ones((4, 3), np.float32),
        "next_sentence_labels": random.integers(0, 2, 4).astype(np.int32),
    }


def test_progressive_is_one_stage_a_layer_and_then_distillation():
    plan = strategies.plan(strategies.TransferOptions(transfer_steps=7, distillation_steps=9), 3)
    assert [(s.name, s.layers, s.trains, s.predicts, s.steps) for s in plan] == [
        ("transfer_1", (0,), (("block_0", 1.0),), False, 7),
        ("transfer_2", (1,), (("block_1", 1.0),), False, 7),
        ("transfer_3", (2,), (("block_2", 1.0),), False, 7),
        ("distillation", (), (("all", 1.0),), True, 9),
    ]


def test_joint_and_auxiliary():
    joint = strategies.plan(strategies.TransferOptions(strategy="joint"), 3)
    assert [(s.layers, s.predicts) for s in joint] == [((0, 1, 2), False), ((), True)]
    auxiliary = strategies.plan(strategies.TransferOptions(strategy="auxiliary"), 3)
    assert [(s.layers, s.trains, s.predicts) for s in auxiliary] == [((0, 1, 2), (("all", 1.0),), True)]


def test_the_printed_plan_has_a_line_a_stage():
    plan = strategies.plan(strategies.TransferOptions(), 24)
    lines = plan_table.show(plan).splitlines()
    assert len(lines) == 27
    assert "layer 24" in lines[24] and "500,000" in lines[25]


@pytest.mark.parametrize("plan", ["default", "google"])
def test_every_strategy_makes_equally_many_updates(plan):
    """All strategies have 240,000 + 500,000 steps, as in the paper's comparison."""
    for strategy in strategies.STRATEGIES:
        stages_ = strategies.plan(strategies.TransferOptions.named(plan, strategy=strategy), 24)
        assert sum(stage.steps for stage in stages_) == 740_000
    two = strategies.plan(strategies.TransferOptions(layers_per_stage=5), 24)
    assert [stage.steps for stage in two] == [50_000] * 4 + [40_000, 500_000]


def test_a_total_is_divided_in_proportion():
    plan = strategies.plan(strategies.TransferOptions(total_steps=741), 24)
    assert [stage.steps for stage in plan] == [10] * 24 + [501]
    assert [stage.schedule.steps for stage in plan] == [stage.steps for stage in plan]
    # Warm-ups are shares: a tenth of a layer's steps and a fiftieth of distillation's.
    assert (plan[0].schedule.warmup_steps, plan[-1].schedule.warmup_steps) == (1, 10)
    with pytest.raises(UsageError, match="has 25 stages"):
        strategies.plan(strategies.TransferOptions(total_steps=24), 24)


def test_stages_have_their_own_batches_and_lengths():
    options = strategies.TransferOptions(
        transfer_steps=10, distillation_steps=10, batch_size=4, transfer_batch_size=16, transfer_sequence_length=32
    )
    plan = strategies.plan(options, 2)
    assert [(s.batch_size, s.sequence_length) for s in plan] == [(16, 32), (16, 32), (4, None)]
    # The example at which each stage begins, in the order of the records.
    assert [s.first_example for s in plan] == [0, 160, 320]
    assert [s.initialization for s in plan] == ["teacher", "stage before", "stage before"]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"steps": 0}, "trains nothing: it has 0 steps"),
        ({"trains": ()}, "trains nothing: no part"),
        ({"trains": (("block_0", 0.0),)}, "trains nothing: no part"),
        ({"schedule": Schedule(peak=0.0, steps=5)}, "trains nothing: no part"),
        ({"trains": (("block_1", 1.0),)}, "trains nothing: its losses do not depend on block_1"),
        ({"trains": (("pooler", 1.0),)}, "trains nothing: its losses do not depend on pooler"),
        ({"losses": ()}, "trains nothing: it has no loss"),
        ({"losses": (("attention", 0.0),)}, "trains nothing: it has no loss"),
        ({"pairs": ()}, "trains nothing: it has no loss"),
        ({"trains": (("block_9", 1.0), ("block_0", 1.0))}, "no part 'block_9'"),
        ({"pairs": ((0, 7),)}, "with the teacher's 8 of 2"),
    ],
)
def test_a_stage_that_trains_nothing_is_refused(change, said):
    first, *others = strategies.plan(strategies.TransferOptions(), 2)
    strategies.check((first, *others), 2, 2)
    with pytest.raises(UsageError, match=said):
        strategies.check((dataclasses.replace(first, **change), *others), 2, 2)


def multiplier(plan, layer, step):
    """The multiplier of a block's rate at a step of the whole plan."""
    for stage in plan:
        if step < stage.steps:
            factor = dict(stage.trains).get(f"block_{layer}", 0.0)
            schedule = dataclasses.replace(stage.schedule, peak=factor)
            return float(schedule.at(step)) if factor else 0.0
        step -= stage.steps
    raise AssertionError("beyond the plan")


# Values printed by the released code, google-research/mobilebert `optimization.py`, for 24 phases of 10,000 steps.
@pytest.mark.parametrize(
    "step, layer, value",
    [
        (1, 0, 0.003),
        (500, 0, 1.5),
        (1000, 0, 2.9846),
        (5000, 0, 2.9121),
        (9999, 0, 2.703),
        (10000, 0, 0.0),
        (10000, 1, 0.0),
        (10500, 0, 0.15),
        (10500, 1, 1.5),
        (11000, 0, 0.2985),
        (11000, 1, 2.9846),
        (11000, 2, 0.0),
        (239999, 23, 2.703),
        (239999, 5, 0.2703),
    ],
)
def test_googles_plan_has_its_rates(step, layer, value):
    plan = strategies.plan(strategies.TransferOptions.named("google"), 24)
    # The values have four digits.
    assert multiplier(plan, layer, step) == pytest.approx(value, rel=1e-3, abs=1e-9)


def test_the_named_plans():
    google, paper, tf_models = (strategies.TransferOptions.named(name) for name in ("google", "paper", "tf_models"))
    assert (google.optimizer.name, google.optimizer.bias_correction) == ("lamb", False)
    assert tf_models.optimizer.clips_each_variable and not paper.optimizer.clips_each_variable
    third = strategies.plan(google, 4)[2]
    assert third.trains == (("block_0", 0.3), ("block_1", 0.3), ("block_2", 3.0))
    assert strategies.plan(paper, 4)[2].trains == (("block_2", 1.0),)
    everything = (("embeddings", 1.0), ("block_0", 1.0), ("block_1", 1.0), ("block_2", 1.0))
    assert strategies.plan(tf_models, 4)[2].trains == everything
    for options in (google, paper, tf_models):
        stages_ = strategies.plan(options, 24)
        assert [s.steps for s in stages_] == [10_000] * 24 + [500_000]
        last = stages_[-1]
        # 10,000 steps of warm-up, then a decay to 1.5e-7.
        assert (last.schedule.peak, last.schedule.warmup_steps, last.schedule.end_factor) == (1.5e-3, 10_000, 1e-4)
    assert "layer 3 / layers 1-2" in plan_table.show(strategies.plan(google, 4)).splitlines()[3]
    with pytest.raises(UsageError, match="choose from default, paper"):
        strategies.TransferOptions.named("mine")


def test_lower_layers_move_at_their_factor():
    """One step of plain Adam moves every weight by its rate, so block 0 moves a tenth as far as block 1."""
    student = PretrainingModel(config("debug_student"))
    stage = strategies.plan(strategies.TransferOptions.named("google"), 2)[1]
    trained = stages.trainable_variables(student, stage)
    before = [np.asarray(variable) for variable, _ in trained]
    optimizer = Optimizer(
        OptimizerOptions(weight_decay=0.0, clip_norm=0.0), [v for v, _ in trained], [factor for _, factor in trained]
    )
    optimizer.apply([tf.ones(v.shape) for v, _ in trained], tf.constant(1e-3), tf.constant(0, tf.int64))
    for (variable, factor), old in zip(trained, before, strict=True):
        moved = old - np.asarray(variable)
        # Float32 near 1: the difference has a rounding error of 6e-8.
        np.testing.assert_allclose(moved, 1e-3 * factor, atol=3e-7)
    assert {factor for _, factor in trained} == {0.3, 3.0}


@pytest.mark.parametrize("change", [{"strategy": "magic"}, {"transfer_steps": 0}, {"distillation_steps": 0}])
def test_plans_that_make_no_sense_are_refused(change):
    with pytest.raises(UsageError):
        strategies.plan(strategies.TransferOptions(**change), 2)


def test_ablations_leave_their_terms_out():
    """Omitted terms are neither computed nor shown; the remaining ones are unchanged."""
    teacher, student = PretrainingModel(config("debug_teacher")), PretrainingModel(config("debug_student"))
    whole = strategies.TransferOptions()
    stages = strategies.plan(whole, 2)
    for name, gone, word in (
        ("feature_maps", {"feature_map", "feature_map_mean", "feature_map_variance"}, "FMT"),
        ("attention", {"attention"}, "AT"),
        ("distillation", {"distillation"}, "KD"),
    ):
        ablated = strategies.plan(whole.without(name), 2)
        assert word in plan_table.show(stages) and word not in plan_table.show(ablated)
        for one, other in ((stages[0], ablated[0]), (stages[-1], ablated[-1])):
            assert dataclasses.replace(other, losses=one.losses) == one
            before = objectives.transfer(teacher, student, one)(batch())
            after = objectives.transfer(teacher, student, other)(batch())
            assert set(before) - set(after) == gone & set(before)
            assert all(float(after[key]) == float(before[key]) for key in set(after) - {"loss"})
    with pytest.raises(UsageError, match="nothing to compare"):
        strategies.plan(whole.without("feature_maps,attention"), 2)
    with pytest.raises(UsageError, match="'fmt' is unknown"):
        whole.without("fmt")


def test_stopped_after_a_stage_it_ends_the_same(tmp_path):
    options = strategies.TransferOptions(transfer_steps=2, distillation_steps=2)
    plan = strategies.plan(options, 2)[1:]

    def run(directory, stages_run=2):
        directory.mkdir(exist_ok=True)
        keras.utils.set_random_seed(7)
        teacher, student = PretrainingModel(config("debug_teacher")), PretrainingModel(config("debug_student"))

        def batches(stage):
            return lambda start: tf.data.Dataset.from_tensors(batch()).repeat().skip(start)

        stages.run(plan[:stages_run], teacher, student, batches, LoopOptions(steps_per_call=1), directory)
        return [np.asarray(w) for w in student.trainable_weights]

    run(tmp_path / "parts", 1)
    assert [path.name for path in (tmp_path / "parts" / "checkpoints").iterdir()] == ["01-transfer_2"]
    parts, whole = run(tmp_path / "parts"), run(tmp_path / "whole")
    for one, other in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_progressive_stage_trains_its_block_alone():
    student = PretrainingModel(config("debug_student"))
    plan = strategies.plan(strategies.TransferOptions(), 2)
    assert {w.path.split("/")[0] for w, _ in stages.trainable_variables(student, plan[1])} == {"block_1"}
    assert len(stages.trainable_variables(student, plan[2])) == len(student.trainable_weights)


def test_the_objective_is_the_weighted_sum_of_its_terms():
    teacher, student = PretrainingModel(config("debug_teacher")), PretrainingModel(config("debug_student"))
    options = strategies.TransferOptions(ground_truth_ratio=0.25)
    auxiliary = dataclasses.replace(options, strategy="auxiliary")
    for stage in (*strategies.plan(options, 2), *strategies.plan(auxiliary, 2)):
        terms = {k: float(v) for k, v in objectives.transfer(teacher, student, stage)(batch()).items()}
        expected = 0.0
        if stage.layers:
            expected += (
                100 * terms["feature_map"]
                + 5000 * terms["feature_map_mean"]
                + 5 * terms["feature_map_variance"]
                + terms["attention"]
            ) / len(stage.layers)
        if stage.predicts:
            expected += 0.25 * terms["masked_word_loss"] + 0.75 * terms["distillation"] + terms["next_sentence_loss"]
        assert terms["loss"] == pytest.approx(expected, rel=1e-5)  # float32 sums of a few terms


def test_nothing_is_dropped_out_in_transfer():
    """Two calls give the same loss; a public version left the teacher's dropout active."""
    teacher = PretrainingModel(config("debug_teacher", hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5))
    student = PretrainingModel(config("debug_student", attention_probs_dropout_prob=0.5))
    options = strategies.TransferOptions()
    objective = objectives.transfer(teacher, student, strategies.plan(options, 2)[-1])
    assert float(objective(batch())["loss"]) == float(objective(batch())["loss"])


def test_the_student_starts_from_the_teachers_tables_and_heads():
    teacher, student = PretrainingModel(config("debug_teacher")), PretrainingModel(config("debug_student"))
    teacher.encoder.embeddings.norm.gamma.assign(np.linspace(0.5, 2, 32))
    teacher.encoder.embeddings.norm.beta.assign(np.linspace(-1, 1, 32))
    blocks = [np.asarray(w) for w in student.encoder.blocks[0].trainable_weights]
    initialization.initialize_student(student, teacher, batch())
    np.testing.assert_array_equal(student.encoder.embeddings.word_table, teacher.encoder.embeddings.word_table)
    np.testing.assert_array_equal(student.masked_words.extra_table, teacher.masked_words.extra_table)
    np.testing.assert_array_equal(student.next_sentence.dense.kernel, teacher.next_sentence.dense.kernel)
    for before, after in zip(blocks, student.encoder.blocks[0].trainable_weights, strict=True):
        np.testing.assert_array_equal(before, after)
    # The embedding norm is converted so that the feature map before the first block is nearly
    # the teacher's. Copying gamma and beta unchanged, or swapping them, gives 0.87 and 1.35
    # here; the conversion gives 0.19.
    own, reference = (np.asarray(m.encoder(batch(), num_layers=0)["sequence_output"]) for m in (student, teacher))
    assert np.abs(own - reference).mean() < 0.25 * np.abs(reference).mean()


def plain_bert(**changes):
    sizes = dict(hidden_size=32, embedding_size=32, intra_bottleneck_size=32, intermediate_size=48, num_hidden_layers=2)
    values = {**sizes, "num_attention_heads": 4, "max_position_embeddings": 64, **changes}
    return PretrainingModel(
        MobileBertConfig.preset("bert_base", vocab_size=50, **values), masked_words=False, next_sentence=False
    )


def test_a_wide_table_gives_its_principal_components():
    """Compare with the singular value decomposition, the table of this rank that is nearest to the teacher's."""
    teacher = plain_bert()
    student = PretrainingModel(config("debug_student", embedding_size=8), masked_words=False, next_sentence=False)
    pairing.check_pair(teacher.config, student.config)
    initialization.initialize_student(student, teacher, batch())
    inputs = {**batch(), "segment_ids": np.zeros((4, 10), np.int32)}
    words = np.asarray(teacher.encoder.embeddings.word_table, np.float64)
    mean = words.mean(axis=0)
    left, values, right = np.linalg.svd(words - mean, full_matrices=False)
    nearest = (left[:, :8] * values[:8]) @ right[:8] + mean
    rest = (
        np.asarray(teacher.encoder.embeddings.position_table)[:10]
        + np.asarray(teacher.encoder.embeddings.type_table)[0]
    )
    summed = np.asarray(student.encoder.embeddings.sum(inputs["input_ids"], inputs["segment_ids"]))
    # Float32 products of vectors near 0.02.
    np.testing.assert_allclose(summed, nearest[inputs["input_ids"]] + rest, atol=1e-7)


def test_a_teacher_without_heads_has_a_plan_without_words():
    options = strategies.TransferOptions(transfer_steps=3, distillation_steps=4)
    plan = strategies.plan(options, 2, predicts=False)
    assert [(s.name, s.layers, s.predicts) for s in plan] == [
        ("transfer_1", (0,), False),
        ("transfer_2", (1,), False),
        ("joint", (0, 1), False),
    ]
    assert "MLM" not in plan_table.show(plan)
    teacher = plain_bert()
    student = PretrainingModel(config("debug_student"), masked_words=False, next_sentence=False)
    initialization.initialize_student(student, teacher, batch())
    terms = objectives.transfer(teacher, student, plan[-1])(batch())
    by_layer = {f"layer_{layer}/{name}" for layer in (1, 2) for name in ("feature_map", "attention")}
    whole = {"loss", "feature_map", "feature_map_mean", "feature_map_variance", "attention"}
    assert set(terms) == whole | by_layer
    trained = {variable.path.split("/")[0] for variable, _ in stages.trainable_variables(student, plan[-1])}
    assert trained == {"embeddings", "block_0", "block_1"}


def test_layers_are_mapped():
    assert strategies.map_layers("even", 3, 3) == (0, 1, 2)
    assert strategies.map_layers("even", 6, 24) == (3, 7, 11, 15, 19, 23)
    assert strategies.map_layers("even", 4, 6) == (0, 2, 3, 5)
    assert strategies.map_layers("last", 2, 5) == (3, 4)
    assert strategies.map_layers("1,1,4", 3, 4) == (0, 0, 3)
    for text, student, teacher in (("even", 3, 2), ("1,2", 3, 4), ("1,5", 2, 4), ("0,1", 2, 4), ("a,b", 2, 4)):
        with pytest.raises(UsageError, match="layer_map"):
            strategies.map_layers(text, student, teacher)


def test_a_deeper_teacher_teaches_by_its_mapped_layers():
    """Every term compares with the teacher's layer given by the plan, computed here from the two encoders."""
    teacher = PretrainingModel(config("debug_teacher", num_hidden_layers=5))
    student = PretrainingModel(config("debug_student"))
    options = strategies.TransferOptions()
    plan = strategies.plan(options, 2, taught_by=(1, 4))
    assert "layers 2:5" in plan_table.show(plan)
    terms = objectives.transfer(teacher, student, plan[1])(batch())
    teacher_outputs, student_outputs = teacher.encoder(batch()), student.encoder(batch())
    mask = batch()["input_mask"]
    expected = losses.feature_map(teacher_outputs["feature_maps"][5], student_outputs["feature_maps"][2], mask)
    assert float(terms["feature_map"]) == pytest.approx(float(expected), rel=1e-6)
    expected = losses.attention(teacher_outputs["attention_scores"][4], student_outputs["attention_scores"][1], mask)
    assert float(terms["attention"]) == pytest.approx(float(expected), rel=1e-5)


def test_several_layers_a_stage_and_the_embeddings():
    options = strategies.TransferOptions(layers_per_stage=2, compares_embeddings=True)
    plan = strategies.plan(options, 5)
    assert [(s.name, s.layers) for s in plan] == [
        ("transfer_1_to_2", (0, 1)),
        ("transfer_3_to_4", (2, 3)),
        ("transfer_5", (4,)),
        ("distillation", ()),
    ]
    assert plan[0].trains[0] == ("embeddings", 1.0) and plan[1].trains == (("block_2", 1.0), ("block_3", 1.0))
    assert "embeddings + layers 1-2" in plan_table.show(plan)
    teacher, student = PretrainingModel(config("debug_teacher")), PretrainingModel(config("debug_student"))
    stage = strategies.plan(options, 2)[0]
    terms = objectives.transfer(teacher, student, stage)(batch())
    teacher_maps, student_maps = teacher.encoder(batch())["feature_maps"], student.encoder(batch())["feature_maps"]
    mask = batch()["input_mask"]
    expected = sum(float(losses.feature_map(a, b, mask)) for a, b in zip(teacher_maps, student_maps, strict=True))
    assert float(terms["feature_map"]) == pytest.approx(expected, rel=1e-5)  # float32 sums of three terms


@pytest.mark.parametrize("change", [{"hidden_size": 64}, {"type_vocab_size": 3}, {"embedding_size": 8}])
def test_pairs_that_do_not_fit_are_refused_by_field(change):
    with pytest.raises(UsageError, match=next(iter(change))):
        pairing.check_pair(config("debug_teacher"), config("debug_student", **change))


def test_attention_needs_equal_heads_and_relations_a_common_divisor():
    """The debug pair has 4 heads, and widths of 48 and 16 inside a block."""
    teacher, other = config("debug_teacher"), config("debug_student", num_attention_heads=2)
    pairing.check_terms(strategies.plan(strategies.TransferOptions(), 2), teacher, config("debug_student"))
    with pytest.raises(UsageError, match="4 and the student 2; relations"):
        pairing.check_terms(strategies.plan(strategies.TransferOptions(), 2), teacher, other)
    options = strategies.TransferOptions(attention=0.0, relations=1.0, relation_heads=3)
    with pytest.raises(UsageError, match="3 relation heads .* choose from 1, 2, 4, 8, 16"):
        pairing.check_terms(strategies.plan(options, 2), teacher, other)


def test_relations_in_a_plan():
    """A student with fewer heads is compared in eight parts, and the term equals the loss on both encoders."""
    teacher = PretrainingModel(config("debug_teacher"))
    student = PretrainingModel(config("debug_student", num_attention_heads=2))
    options = strategies.TransferOptions(attention=0.0, relations=2.0, relation_heads=8, strategy="auxiliary")
    (plan,) = strategies.plan(options, 2)
    pairing.check_terms((plan,), teacher.config, student.config)
    assert "2 RT" in plan_table.show((plan,))
    terms = objectives.transfer(teacher, student, plan)(batch())
    targets, outputs = teacher.encoder(batch())["queries_keys_values"], student.encoder(batch())["queries_keys_values"]
    mask = batch()["input_mask"]
    expected = [float(losses.relations(a, b, mask, heads=8)) for a, b in zip(targets, outputs, strict=True)]
    assert [float(terms[f"layer_{layer}/relations"]) for layer in (1, 2)] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "predicts, stated, expected",
    [
        (False, None, [True, True, True]),  # no words are predicted, so none are hidden
        (True, None, [False, False, False]),
        (True, True, [True, True, False]),  # distillation needs hidden words in any case
        (False, False, [False, False, False]),
    ],
)
def test_which_stages_read_whole_text(predicts, stated, expected):
    plan = strategies.plan(strategies.TransferOptions(whole_text=stated), 2, predicts=predicts)
    assert [stage.whole_text for stage in plan] == expected


def test_hidden_words_cannot_be_predicted_from_whole_text():
    *_, last = strategies.plan(strategies.TransferOptions(), 2)
    with pytest.raises(UsageError, match="distillation: predicts .* whole_text"):
        strategies.check((dataclasses.replace(last, whole_text=True),), 2, 2)
