"""The paper's three strategies for ordering transfer and distillation, as lists of stages.

    progressive  layer 1, layer 2, ... layer L, then distillation   (PKT, the paper's choice)
    joint        all layers at once, then distillation              (JKT)
    auxiliary    one stage with all losses                          (AKT)

A plan is plain data, so it can be printed before any network is built.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import one_of, within
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stage import OptimizerOptions, Stage
from mobilebert_tf.transfer.terms import LAYER_TERMS, WORD_TERMS

STRATEGIES = ("progressive", "joint", "auxiliary")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferOptions:
    """The settings of a plan: strategy, steps, batches, learning rates and loss weights."""

    strategy: str = "progressive"
    transfer_steps: int = 10_000
    """Steps per layer. A stage that compares several layers takes this many for each, and so does the single stage of
    auxiliary transfer: every strategy makes the same number of updates, as in the paper's comparison."""
    distillation_steps: int = 500_000
    total_steps: int | None = None
    """Updates of all stages together, divided among them in the proportion of the two fields above."""
    batch_size: int = 32
    transfer_batch_size: int | None = None
    """Batch size of layer-wise stages; None: `batch_size`."""
    sequence_length: int | None = None
    """Word pieces read from each example; None: all of them."""
    transfer_sequence_length: int | None = None
    """Word pieces read in layer-wise stages; None: `sequence_length`."""
    whole_text: bool | None = None
    """Whether stages without word losses read text with no word masked; None: only if no stage has word losses."""
    group_by_length: bool = False
    """Whether a batch holds examples of similar length, which leaves little padding to compute."""
    initialization: str = "teacher"
    """teacher: embeddings and heads are copied from the teacher (paper §3.5). random: all weights are drawn from the
    seed. student: all weights are read from the student's model directory."""
    moments: str = "new"
    """new: each stage starts with a new optimizer, as in the released code. kept: moments carry over between stages."""
    transfer_learning_rate: float = 1.5e-3
    distillation_learning_rate: float = 1.5e-3
    layer_factor: float = 1.0
    """Factor of the learning rate for the blocks that a layer-wise stage compares."""
    lower_factor: float = 0.0
    """Factor of the learning rate for the blocks below those; 0 freezes them."""
    trains_embeddings: bool = False
    """Whether the embeddings train in layer-wise stages, at the rate of the blocks below."""
    layers_per_stage: int = 1
    """Layers that one stage of progressive transfer compares."""
    compares_embeddings: bool = False
    """Whether the embeddings' output is compared as a feature map too. The first layer-wise stage does so, and trains
    the embeddings."""
    transfer_shape: str = "linear"
    transfer_warmup: float = 0.1
    """Share of a layer-wise stage's steps that the learning rate takes to reach its peak."""
    transfer_end_factor: float = 0.1
    distillation_warmup: float = 0.02
    distillation_end_factor: float = 1e-4
    optimizer: OptimizerOptions = OptimizerOptions()
    feature_map: float = LAYER_TERMS["feature_map"].weight
    feature_map_mean: float = LAYER_TERMS["feature_map_mean"].weight
    feature_map_variance: float = LAYER_TERMS["feature_map_variance"].weight
    attention: float = LAYER_TERMS["attention"].weight
    relations: float = LAYER_TERMS["relations"].weight
    relation_heads: int = 1
    """Number of vectors that a token's query, key and value are each split into for relation transfer."""
    ground_truth_ratio: float = 0.5
    """alpha: weight of the loss on the true words; the loss on the teacher's predictions has 1 - alpha."""
    temperature: float = 1.0

    @classmethod
    def named(cls, plan: str, **changes: Any) -> TransferOptions:
        """The options of one of `PLANS` with `changes` to some of them; a change that is None is ignored.
        A change to `optimizer` is a mapping of its fields.

        Raises:
          UsageError: there is no such plan.
        """
        if plan not in PLANS:
            raise UsageError(f"--plan={plan}: choose from {', '.join(PLANS)}")
        overrides = {name: value for name, value in changes.items() if value is not None}
        optimizer = {**PLANS[plan].get("optimizer", {}), **overrides.pop("optimizer", {})}
        return cls(**{**PLANS[plan], **overrides, "optimizer": OptimizerOptions(**optimizer)})

    def without(self, names: str) -> TransferOptions:
        """The same options with some of the `ABLATIONS` applied, named with commas between.

        Raises:
          UsageError: a name is unknown.
        """
        options = self
        for name in filter(None, names.split(",")):
            if name not in ABLATIONS:
                raise UsageError(f"--without={names}: {name!r} is unknown; choose from {', '.join(ABLATIONS)}")
            options = dataclasses.replace(options, **ABLATIONS[name])
        return options

    @property
    def compared(self) -> tuple[tuple[str, float], ...]:
        """The terms that compare layers, each with its weight; terms of weight 0 are left out."""
        return tuple((name, getattr(self, name)) for name in LAYER_TERMS if getattr(self, name))

    @property
    def predicted(self) -> tuple[tuple[str, float], ...]:
        """The terms of the heads, each with its weight; terms of weight 0 are left out. Next sentence is never
        distilled."""
        true = self.ground_truth_ratio
        weights = {"masked_words": true, "distillation": 1.0 - true, "next_sentence": 1.0}
        return tuple((name, weight) for name, weight in weights.items() if weight)


ABLATIONS: dict[str, dict[str, Any]] = {
    "feature_maps": dict(feature_map=0.0, feature_map_mean=0.0, feature_map_variance=0.0),
    "attention": dict(attention=0.0),
    "relations": dict(relations=0.0),
    "distillation": dict(ground_truth_ratio=1.0),
    "opt": {},
}
"""The parts that the paper's ablation removes (FMT, AT, PD, OPT), as changes to the options."""

WITHOUT_OPT: dict[str, Any] = dict(normalization_type="layer_norm", hidden_act="gelu_tanh")
"""Changes to the student for the ablation "opt": the operations that MobileBERT replaced (paper §3.3)."""


EMBEDDINGS = -1

PLANS: dict[str, dict[str, Any]] = {
    # AdamW, with a warm-up and a decay in every stage, so that small runs end well too.
    "default": {},
    # 24 x 10,000 and 500,000 steps, lower layers frozen; the paper does not give the schedule within a stage.
    "paper": dict(optimizer=dict(name="lamb"), transfer_warmup=0.0, transfer_end_factor=1.0),
    # The released code: in its phase a layer trains at three times the base rate, on a sawtooth, and the layers
    # below it at a tenth of that. Moments start anew in every phase (the code sets them to zero between phases).
    "google": dict(
        optimizer=dict(name="lamb", bias_correction=False),
        layer_factor=3.0,
        lower_factor=0.3,
        transfer_shape="sawtooth",
    ),
    # Everything up to the compared layer trains at one rate, embeddings included; the gradient of each variable
    # is clipped on its own.
    "tf_models": dict(
        optimizer=dict(name="lamb", clips_each_variable=True),
        lower_factor=1.0,
        trains_embeddings=True,
        transfer_warmup=0.0,
        transfer_end_factor=1.0,
    ),
}
"""Published training recipes, as changes to the default options."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StagePlan(Stage):
    """One stage of a plan: a `Stage` with the layers it compares, the parts it trains and their initial weights."""

    pairs: tuple[tuple[int, int], ...]
    """Pairs (student's block, teacher's block), from 0, whose feature maps and attention are compared.
    EMBEDDINGS stands for the input of the first block; it has no attention."""
    trains: tuple[tuple[str, Annotated[float, within(0, 1e6)]], ...]
    """Parts of the student ("embeddings", "block_3"; "all" is everything), each with a factor of the learning rate."""
    losses: tuple[tuple[str, Annotated[float, within(0, 1e12)]], ...]
    """Names from `terms.TERMS` with their weights; terms that compare layers are averaged over `pairs`."""
    relation_heads: Annotated[int, within(1, 10**4)] = 1
    """Number of vectors that a token's query, key and value are each split into by the loss "relations"."""
    temperature: Annotated[float, within(0.01, 1e6)] = 1.0
    sequence_length: Annotated[int, within(2, 10**6)] | None = None
    """Word pieces read from each example; None: all."""
    whole_text: bool = False
    """Whether the words that are masked in the records are put back."""
    group_by_length: bool = False
    initialization: Annotated[str, one_of("teacher", "random", "student", "stage before")] = "stage before"
    moments: Annotated[str, one_of("new", "kept")] = "new"

    @property
    def layers(self) -> tuple[int, ...]:
        """The student's blocks that are compared."""
        return tuple(block for block, _ in self.pairs if block != EMBEDDINGS)

    @property
    def predicts(self) -> bool:
        """Whether the losses need the prediction heads."""
        return any(name in WORD_TERMS for name, _ in self.losses)


def plan(
    options: TransferOptions, num_layers: int, predicts: bool = True, taught_by: tuple[int, ...] | None = None
) -> tuple[StagePlan, ...]:
    """The stages of a strategy for a student of `num_layers` blocks.

    If the teacher predicts no words, distillation is replaced by a stage that compares all layers and trains
    everything.

    Args:
      predicts: whether the teacher has the heads for masked words and next sentence.
      taught_by: the teacher's block for each block of the student; defaults to the block of the same number.

    Raises:
      UsageError: the strategy is unknown, or a stage would train nothing.
    """
    if options.strategy not in STRATEGIES:
        raise UsageError(f"--strategy {options.strategy!r} is unknown; choose from {', '.join(STRATEGIES)}")
    if options.transfer_steps < 1 or options.distillation_steps < 1:
        raise UsageError(
            "a plan whose stages have no steps trains nothing; "
            "give --transfer_steps and --distillation_steps of at least 1"
        )
    if not options.compared:
        raise UsageError(
            "--without: leaving out feature maps, attention and relations leaves nothing to compare; "
            "`pretrain` needs no teacher"
        )
    all_pairs: Pairs = tuple(enumerate(taught_by or range(num_layers)))
    if options.compares_embeddings:
        all_pairs = ((EMBEDDINGS, EMBEDDINGS), *all_pairs)
    word_losses = options.predicted if predicts else ()
    if options.whole_text is None:
        options = dataclasses.replace(options, whole_text=not word_losses)
    layerwise: list[StagePlan] = []
    if options.strategy == "auxiliary":
        last = _final("auxiliary", all_pairs, (*options.compared, *word_losses), options)
        steps = num_layers * options.transfer_steps + options.distillation_steps
        last = _with_steps(last, steps)
    else:
        if predicts:
            last = _final("distillation", (), word_losses, options)
        else:
            last = _final("joint", all_pairs, options.compared, options)
        if options.strategy == "joint":
            layerwise = [_transfer("transfer", all_pairs, options)]
        else:
            layerwise = list(_layerwise(all_pairs, options))
    return placed(_to_total([*layerwise, last], options.total_steps), options.initialization)


def placed(stages: Sequence[StagePlan], initialization: str) -> tuple[StagePlan, ...]:
    """The stages as a sequence: each begins with the weights and at the example where the one before ended."""
    in_sequence, examples_read = [], 0
    for index, stage in enumerate(stages):
        start = "stage before" if index else initialization
        in_sequence.append(dataclasses.replace(stage, index=index, first_example=examples_read, initialization=start))
        examples_read += stage.steps * stage.batch_size
    return tuple(in_sequence)


def _to_total(stages: list[StagePlan], total: int | None) -> list[StagePlan]:
    """The stages scaled in proportion to `total` steps in all; the remainder goes to the last stage."""
    if total is None:
        return stages
    if total < len(stages):
        raise UsageError(f"--total_steps={total}: the plan has {len(stages)} stages, and each needs a step")
    planned = sum(stage.steps for stage in stages)
    steps = [max(1, total * stage.steps // planned) for stage in stages[:-1]]
    steps.append(total - sum(steps))
    if steps[-1] < 1:
        raise UsageError(f"--total_steps={total}: leaves no step for {stages[-1].name}; give more")
    return [_with_steps(stage, count) for stage, count in zip(stages, steps, strict=True)]


def _with_steps(stage: StagePlan, steps: int) -> StagePlan:
    """The same stage with another number of steps; its warm-up keeps its share of them."""
    warmup = stage.schedule.warmup_steps * steps // stage.steps
    return dataclasses.replace(
        stage, steps=steps, schedule=dataclasses.replace(stage.schedule, steps=steps, warmup_steps=warmup)
    )


def check(stages: tuple[StagePlan, ...], num_layers: int, teacher_layers: int) -> None:
    """Check a plan before any network is built.

    Raises:
      UsageError: a stage trains nothing, or names a part or a layer that the networks do not have.
    """
    parts = {"all", "embeddings", "pooler", "masked_words", "next_sentence", *(f"block_{i}" for i in range(num_layers))}
    for stage in stages:
        where = f"stage {stage.name}"
        if stage.steps < 1 or stage.batch_size < 1:
            raise UsageError(f"{where} trains nothing: it has {stage.steps} steps of {stage.batch_size} examples")
        if not any(factor for _, factor in stage.trains) or not stage.schedule.peak:
            raise UsageError(f"{where} trains nothing: no part of the student has a learning rate above 0")
        if not any(weight for _, weight in stage.losses) or (not stage.pairs and not stage.predicts):
            raise UsageError(f"{where} trains nothing: it has no loss with a weight above 0")
        if not stage.predicts and not any(part in _reached(stage) for part, factor in stage.trains if factor):
            raise UsageError(f"{where} trains nothing: its losses do not depend on {stage.trains[0][0]}")
        if stage.predicts and stage.whole_text:
            raise UsageError(f"{where}: predicts masked words, so its text must mask them; set whole_text to false")
        for part, _ in stage.trains:
            if part not in parts:
                raise UsageError(f"{where}: the student has no part {part!r}; choose from {', '.join(sorted(parts))}")
        for kind, names in (
            ("the student's layer", [f"{student_layer + 1}" for student_layer, _ in stage.pairs]),
            ("loss", [name for name, _ in stage.losses]),
            ("part", [part for part, _ in stage.trains]),
        ):
            if twice := [name for name in names if names.count(name) > 1]:
                raise UsageError(f"{where}: {kind} {twice[0]} appears twice; a stage may have it once")
        weighted = [name for name, weight in stage.losses if weight]
        if not stage.pairs and (of_layers := [name for name in weighted if name in LAYER_TERMS]):
            raise UsageError(f"{where}: {of_layers[0]} compares layers, but the stage has no pairs of layers")
        of_blocks = [name for name in weighted if name in LAYER_TERMS and LAYER_TERMS[name].of_blocks]
        for student_layer, teacher_layer in stage.pairs:
            if student_layer != EMBEDDINGS == teacher_layer and of_blocks:
                raise UsageError(
                    f"{where}: {of_blocks[0]} applies to blocks, and the teacher's embeddings are not a block"
                )
            if not (EMBEDDINGS <= student_layer < num_layers and EMBEDDINGS <= teacher_layer < teacher_layers):
                raise UsageError(
                    f"{where}: compares layer {student_layer + 1} of {num_layers} with the teacher's "
                    f"{teacher_layer + 1} of {teacher_layers}"
                )


def _reached(stage: StagePlan) -> set[str]:
    """The parts of the student that the compared layers depend on."""
    return {"all", "embeddings", *(f"block_{i}" for i in range(max(stage.layers, default=-1) + 1))}


Pairs = tuple[tuple[int, int], ...]


def _layerwise(every: Pairs, options: TransferOptions) -> Iterator[StagePlan]:
    """Stages of `layers_per_stage` layers each, from the lowest up; embeddings, if compared, are part of the first."""
    start = 1 if options.compares_embeddings else 0
    blocks, size = every[start:], options.layers_per_stage
    for first in range(0, len(blocks), size):
        pairs = blocks[first : first + size]
        last = first + len(pairs)
        name = f"transfer_{last}" if len(pairs) == 1 else f"transfer_{first + 1}_to_{last}"
        yield _transfer(name, every[:start] + pairs if first == 0 else pairs, options)


def map_layers(text: str, student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's block (from 0) for each block of the student.

    Args:
      text: "even": every n-th block; "last": the uppermost blocks; or the numbers of the teacher's layers, from 1,
        with commas between.
      student, teacher: number of blocks of each.

    Raises:
      UsageError: the student has more blocks than the teacher, or the numbers do not fit.
    """
    if text in ("even", "last") and student > teacher:
        raise UsageError(
            f"the student has {student} layers, more than the teacher's {teacher}; pair them with --layer_map"
        )
    if text == "even":
        return tuple((i + 1) * teacher // student - 1 for i in range(student))
    if text == "last":
        return tuple(range(teacher - student, teacher))
    words = text.split(",")
    if len(words) != student or not all(
        re.fullmatch("[0-9]{1,9}", word) and 1 <= int(word) <= teacher for word in words
    ):
        raise UsageError(
            f"--layer_map={text}: must be even, last, or {student} comma-separated numbers from 1 to {teacher}"
        )
    return tuple(int(word) - 1 for word in words)


def compared_layers(stages: Sequence[StagePlan], student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's block (from 0) that each block of the student is compared with last.

    Blocks that are never compared are assigned every n-th block of the teacher.
    """
    taught_by = {block: (block + 1) * teacher // student - 1 for block in range(student)}
    taught_by |= {
        block: teacher_block for stage in stages for block, teacher_block in stage.pairs if block != EMBEDDINGS
    }
    return tuple(max(0, taught_by[block]) for block in range(student))


def _transfer(name: str, pairs: Pairs, options: TransferOptions) -> StagePlan:
    blocks = [block for block, _ in pairs if block != EMBEDDINGS]
    steps = options.transfer_steps * len(blocks)
    trains = [(f"block_{layer}", options.layer_factor) for layer in blocks]
    if options.lower_factor:
        trains = [(f"block_{layer}", options.lower_factor) for layer in range(blocks[0])] + trains
    if (EMBEDDINGS, EMBEDDINGS) in pairs:
        trains = [("embeddings", options.layer_factor), *trains]
    elif options.trains_embeddings:
        trains = [("embeddings", options.lower_factor), *trains]
    return StagePlan(
        name=name,
        index=0,
        pairs=pairs,
        trains=tuple(trains),
        losses=options.compared,
        relation_heads=options.relation_heads,
        steps=steps,
        batch_size=options.transfer_batch_size or options.batch_size,
        sequence_length=options.transfer_sequence_length or options.sequence_length,
        whole_text=bool(options.whole_text),
        group_by_length=options.group_by_length,
        schedule=Schedule(
            peak=options.transfer_learning_rate,
            steps=steps,
            warmup_steps=_warmup(steps, options.transfer_warmup),
            end_factor=options.transfer_end_factor,
            shape=options.transfer_shape,
        ),
        optimizer=options.optimizer,
        moments=options.moments,
    )


def _final(name: str, pairs: Pairs, losses: tuple[tuple[str, float], ...], options: TransferOptions) -> StagePlan:
    return StagePlan(
        name=name,
        index=0,
        pairs=pairs,
        trains=(("all", 1.0),),
        losses=losses,
        relation_heads=options.relation_heads,
        temperature=options.temperature,
        steps=options.distillation_steps,
        batch_size=options.batch_size,
        sequence_length=options.sequence_length,
        whole_text=bool(options.whole_text) and not any(name in WORD_TERMS for name, _ in losses),
        group_by_length=options.group_by_length,
        schedule=Schedule(
            peak=options.distillation_learning_rate,
            steps=options.distillation_steps,
            warmup_steps=_warmup(options.distillation_steps, options.distillation_warmup),
            end_factor=options.distillation_end_factor,
        ),
        optimizer=options.optimizer,
        moments=options.moments,
    )


def _warmup(steps: int, share: float) -> int:
    return max(1, round(steps * share)) if share else 0
