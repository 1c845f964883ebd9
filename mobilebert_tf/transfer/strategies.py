"""The three ways of the paper to order transfer and distillation, as lists of stages.

    progressive  layer 1, layer 2, ... layer L, then distillation   (PKT, the paper's choice)
    joint        all layers at once, then distillation              (JKT)
    auxiliary    one stage with all losses                          (AKT)

A plan is plain data: it can be printed before anything is built.
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
    """How much of what."""

    strategy: str = "progressive"
    transfer_steps: int = 10_000
    """Steps per layer. A stage that compares several has so many for each, and the one stage of
    auxiliary transfer has these too: every strategy makes equally many updates, as in the paper's comparison."""
    distillation_steps: int = 500_000
    total_steps: int | None = None
    """Updates of all stages together, divided in the proportion of the two above."""
    batch_size: int = 32
    transfer_batch_size: int | None = None
    """Of layer-wise stages; as the last stage if left out."""
    sequence_length: int | None = None
    """Word pieces of an example that are read; all of them if left out."""
    transfer_sequence_length: int | None = None
    """Of layer-wise stages; as the last stage if left out."""
    whole_text: bool | None = None
    """Whether stages without word losses read text in which no word is hidden; left out: if no stage has any."""
    group_by_length: bool = False
    """Whether examples of like length make a batch, so that padding is not computed."""
    initialization: str = "teacher"
    """teacher: embeddings and heads are the teacher's (paper §3.5). random: as the seed draws them.
    student: all weights are those of the model directory that the student is named by."""
    moments: str = "new"
    """new: an optimizer for each stage, as in the released code. kept: moments go from stage to stage."""
    transfer_learning_rate: float = 1.5e-3
    distillation_learning_rate: float = 1.5e-3
    layer_factor: float = 1.0
    """Of the rate, for the blocks that a layer-wise stage compares."""
    lower_factor: float = 0.0
    """Of the rate, for the blocks below them; 0 freezes these."""
    trains_embeddings: bool = False
    """Whether the embeddings train in layer-wise stages, as the blocks below do."""
    layers_per_stage: int = 1
    """Of progressive transfer."""
    compares_embeddings: bool = False
    """Whether the embeddings' output is a feature map too: it is compared with that of the first block's stage,
    in which the embeddings train."""
    transfer_shape: str = "linear"
    transfer_warmup: float = 0.1
    """Share of a layer-wise stage until its peak."""
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
    """Into how many vectors a token's query, key and value are cut for relation transfer."""
    ground_truth_ratio: float = 0.5
    """alpha: share of the true words against the teacher's in distillation."""
    temperature: float = 1.0

    @classmethod
    def named(cls, plan: str, **changes: Any) -> TransferOptions:
        """The options of one of `PLANS`, with changes to single ones; those that are None change nothing.
        Changes to `optimizer` are a mapping of its fields.

        Raises:
          UsageError: there is no such plan.
        """
        if plan not in PLANS:
            raise UsageError(f"--plan={plan}: there are {', '.join(PLANS)}")
        given = {name: value for name, value in changes.items() if value is not None}
        optimizer = {**PLANS[plan].get("optimizer", {}), **given.pop("optimizer", {})}
        return cls(**{**PLANS[plan], **given, "optimizer": OptimizerOptions(**optimizer)})

    def without(self, names: str) -> TransferOptions:
        """The same with these of `ABLATIONS`, comma-separated, left out.

        Raises:
          UsageError: a name is unknown.
        """
        options = self
        for name in filter(None, names.split(",")):
            if name not in ABLATIONS:
                raise UsageError(f"--without={names}: {name!r} is unknown; there are {', '.join(ABLATIONS)}")
            options = dataclasses.replace(options, **ABLATIONS[name])
        return options

    @property
    def compared(self) -> tuple[tuple[str, float], ...]:
        """Weights of the terms that compare layers, those of weight 0 left out."""
        return tuple((name, getattr(self, name)) for name in LAYER_TERMS if getattr(self, name))

    @property
    def predicted(self) -> tuple[tuple[str, float], ...]:
        """Weights of the heads' terms, those of weight 0 left out. Next sentence is never distilled."""
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
"""What the paper's ablation takes away (FMT, AT, PD, OPT), as changes to the options."""

WITHOUT_OPT: dict[str, Any] = dict(normalization_type="layer_norm", hidden_act="gelu_tanh")
"""What the ablation "opt" changes in the student: the operations that MobileBERT replaced (paper §3.3)."""


EMBEDDINGS = -1

PLANS: dict[str, dict[str, Any]] = {
    # AdamW, a warm-up and a decay in every stage, so that small runs end well too.
    "default": {},
    # 24 x 10,000 and 500,000 steps, lower layers frozen; the schedule of a phase is not in the paper.
    "paper": dict(optimizer=dict(name="lamb"), transfer_warmup=0.0, transfer_end_factor=1.0),
    # The released code: a layer in its phase at three times the rate in a sawtooth, those below at a
    # tenth of that, fresh moments in every phase (it zeroes them at the borders).
    "google": dict(
        optimizer=dict(name="lamb", bias_correction=False),
        layer_factor=3.0,
        lower_factor=0.3,
        transfer_shape="sawtooth",
    ),
    # Everything up to the layer at one rate, embeddings included; each variable's gradient clipped by itself.
    "tf_models": dict(
        optimizer=dict(name="lamb", clips_each_variable=True),
        lower_factor=1.0,
        trains_embeddings=True,
        transfer_warmup=0.0,
        transfer_end_factor=1.0,
    ),
}
"""Published ways of doing it, as changes to the defaults."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StagePlan(Stage):
    """One stage of a plan: what it compares, what it trains, from where, and as every `Stage` for how long and how."""

    pairs: tuple[tuple[int, int], ...]
    """Blocks (from 0) whose feature maps and attention are compared: the student's, the teacher's.
    EMBEDDINGS stands for what goes into the first block; it has no attention."""
    trains: tuple[tuple[str, Annotated[float, within(0, 1e6)]], ...]
    """Parts of the student ("embeddings", "block_3"; "all" is everything), each with its factor of the rate."""
    losses: tuple[tuple[str, Annotated[float, within(0, 1e12)]], ...]
    """Names from `terms.TERMS` with their weights; those of layers are averaged over `pairs`."""
    relation_heads: Annotated[int, within(1, 10**4)] = 1
    """Vectors that a token's query, key and value are cut into, where the losses have relations."""
    temperature: Annotated[float, within(0.01, 1e6)] = 1.0
    sequence_length: Annotated[int, within(2, 10**6)] | None = None
    """Word pieces of an example that are read; None: all."""
    whole_text: bool = False
    """Whether the words that the records hide are put back."""
    group_by_length: bool = False
    initialization: Annotated[str, one_of("teacher", "random", "student", "stage before")] = "stage before"
    moments: Annotated[str, one_of("new", "kept")] = "new"

    @property
    def layers(self) -> tuple[int, ...]:
        """The student's blocks that are compared."""
        return tuple(ours for ours, _ in self.pairs if ours != EMBEDDINGS)

    @property
    def predicts(self) -> bool:
        """Whether the heads are needed."""
        return any(name in WORD_TERMS for name, _ in self.losses)


def plan(
    options: TransferOptions, num_layers: int, predicts: bool = True, taught_by: tuple[int, ...] | None = None
) -> tuple[StagePlan, ...]:
    """The stages of a strategy for a student of `num_layers` blocks.

    With a teacher that predicts no words a stage that compares all layers and trains everything
    takes the place of distillation.

    Args:
      predicts: whether the teacher has the heads for masked words and next sentence.
      taught_by: the teacher's block for each of the student's; the same one if left out.

    Raises:
      UsageError: the strategy is unknown, or a stage would train nothing.
    """
    if options.strategy not in STRATEGIES:
        raise UsageError(f"--strategy {options.strategy!r} is unknown; there are {', '.join(STRATEGIES)}")
    if options.transfer_steps < 1 or options.distillation_steps < 1:
        raise UsageError(
            "a plan whose stages have no steps trains nothing; "
            "give --transfer_steps and --distillation_steps of at least 1"
        )
    if not options.compared:
        raise UsageError(
            "--without: feature maps, attention and relations all left out leave nothing to compare; "
            "`pretrain` needs no teacher"
        )
    every: Pairs = tuple(enumerate(taught_by or range(num_layers)))
    if options.compares_embeddings:
        every = ((EMBEDDINGS, EMBEDDINGS), *every)
    words = options.predicted if predicts else ()
    if options.whole_text is None:
        options = dataclasses.replace(options, whole_text=not words)
    layerwise: list[StagePlan] = []
    if options.strategy == "auxiliary":
        last = _final("auxiliary", every, (*options.compared, *words), options)
        steps = num_layers * options.transfer_steps + options.distillation_steps
        last = _with_steps(last, steps)
    else:
        if predicts:
            last = _final("distillation", (), words, options)
        else:
            last = _final("joint", every, options.compared, options)
        if options.strategy == "joint":
            layerwise = [_transfer("transfer", every, options)]
        else:
            layerwise = list(_layerwise(every, options))
    return placed(_to_total([*layerwise, last], options.total_steps), options.initialization)


def placed(stages: Sequence[StagePlan], initialization: str) -> tuple[StagePlan, ...]:
    """The stages in their order: each begins where the one before ended."""
    found, seen = [], 0
    for index, stage in enumerate(stages):
        start = "stage before" if index else initialization
        found.append(dataclasses.replace(stage, index=index, first_example=seen, initialization=start))
        seen += stage.steps * stage.batch_size
    return tuple(found)


def _to_total(stages: list[StagePlan], total: int | None) -> list[StagePlan]:
    """The same proportions with `total` steps in all; what does not divide goes to the last stage."""
    if total is None:
        return stages
    if total < len(stages):
        raise UsageError(f"--total_steps={total}: the plan has {len(stages)} stages, each needs a step")
    whole = sum(stage.steps for stage in stages)
    steps = [max(1, total * stage.steps // whole) for stage in stages[:-1]]
    steps.append(total - sum(steps))
    if steps[-1] < 1:
        raise UsageError(f"--total_steps={total}: leaves no step for {stages[-1].name}; give more")
    return [_with_steps(stage, count) for stage, count in zip(stages, steps, strict=True)]


def _with_steps(stage: StagePlan, steps: int) -> StagePlan:
    """The same stage, its schedule stretched."""
    warmup = stage.schedule.warmup_steps * steps // stage.steps
    return dataclasses.replace(
        stage, steps=steps, schedule=dataclasses.replace(stage.schedule, steps=steps, warmup_steps=warmup)
    )


def check(stages: tuple[StagePlan, ...], num_layers: int, teacher_layers: int) -> None:
    """Look at a plan before anything is built.

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
            raise UsageError(f"{where}: predicts hidden words, so its text must hide them; set whole_text to false")
        for part, _ in stage.trains:
            if part not in parts:
                raise UsageError(f"{where}: the student has no part {part!r}; there are {', '.join(sorted(parts))}")
        for what, names in (
            ("the student's layer", [f"{ours + 1}" for ours, _ in stage.pairs]),
            ("loss", [name for name, _ in stage.losses]),
            ("part", [part for part, _ in stage.trains]),
        ):
            if twice := [name for name in names if names.count(name) > 1]:
                raise UsageError(f"{where}: {what} {twice[0]} is there twice; a stage has one of each")
        weighted = [name for name, weight in stage.losses if weight]
        if not stage.pairs and (of_layers := [name for name in weighted if name in LAYER_TERMS]):
            raise UsageError(f"{where}: {of_layers[0]} compares layers, and the stage has no pairs of them")
        of_blocks = [name for name in weighted if name in LAYER_TERMS and LAYER_TERMS[name].of_blocks]
        for ours, theirs in stage.pairs:
            if ours != EMBEDDINGS == theirs and of_blocks:
                raise UsageError(f"{where}: {of_blocks[0]} is of blocks, and the teacher's embeddings have none of it")
            if not (EMBEDDINGS <= ours < num_layers and EMBEDDINGS <= theirs < teacher_layers):
                raise UsageError(
                    f"{where}: compares layer {ours + 1} of {num_layers} with the teacher's {theirs + 1} of "
                    f"{teacher_layers}"
                )


def _reached(stage: StagePlan) -> set[str]:
    """Parts of the student that the compared layers depend on."""
    return {"all", "embeddings", *(f"block_{i}" for i in range(max(stage.layers, default=-1) + 1))}


Pairs = tuple[tuple[int, int], ...]


def _layerwise(every: Pairs, options: TransferOptions) -> Iterator[StagePlan]:
    """Stages of so many layers each, from below; the embeddings go with the first."""
    start = 1 if options.compares_embeddings else 0
    blocks, size = every[start:], options.layers_per_stage
    for first in range(0, len(blocks), size):
        pairs = blocks[first : first + size]
        last = first + len(pairs)
        name = f"transfer_{last}" if len(pairs) == 1 else f"transfer_{first + 1}_to_{last}"
        yield _transfer(name, every[:start] + pairs if first == 0 else pairs, options)


def map_layers(text: str, student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's block (from 0) for each of the student's.

    Args:
      text: "even": every n-th; "last": the uppermost; or the teacher's layers by number, from 1,
        comma-separated.
      student, teacher: how many blocks each has.

    Raises:
      UsageError: the student has more blocks than the teacher, or the numbers do not fit.
    """
    if text in ("even", "last") and student > teacher:
        raise UsageError(f"the student has {student} layers, more than the teacher's {teacher}; name them: --layer_map")
    if text == "even":
        return tuple((i + 1) * teacher // student - 1 for i in range(student))
    if text == "last":
        return tuple(range(teacher - student, teacher))
    words = text.split(",")
    if len(words) != student or not all(
        re.fullmatch("[0-9]{1,9}", word) and 1 <= int(word) <= teacher for word in words
    ):
        raise UsageError(
            f"--layer_map={text}: must be even, last, or {student} numbers from 1 to {teacher} with commas between"
        )
    return tuple(int(word) - 1 for word in words)


def compared_layers(stages: Sequence[StagePlan], student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's block (from 0) that each of the student's is compared with last; every n-th where it never is."""
    found = {ours: (ours + 1) * teacher // student - 1 for ours in range(student)}
    found |= {ours: theirs for stage in stages for ours, theirs in stage.pairs if ours != EMBEDDINGS}
    return tuple(max(0, found[ours]) for ours in range(student))


def _transfer(name: str, pairs: Pairs, options: TransferOptions) -> StagePlan:
    blocks = [ours for ours, _ in pairs if ours != EMBEDDINGS]
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
