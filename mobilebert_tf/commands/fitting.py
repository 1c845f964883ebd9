"""The training that every variant of fine-tuning shares, from a prepared model to the weights that are kept."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mobilebert_tf.commands import keeping, teaching
from mobilebert_tf.commands.training_options import parameters
from mobilebert_tf.data.shuffled import shuffled_batches
from mobilebert_tf.models import Model
from mobilebert_tf.run_directory import Run
from mobilebert_tf.tasks.inference import glance_at, measurement
from mobilebert_tf.tasks.task import Features, Outputs
from mobilebert_tf.training import loop, parts
from mobilebert_tf.training.best import Best
from mobilebert_tf.training.stage import Stage

if TYPE_CHECKING:
    from mobilebert_tf.commands.finetune import Finetune
    from mobilebert_tf.commands.labelled_data import LabelledData


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """The network that is fine-tuned: a model as it is, or rounded as in its file."""

    model: Model
    state: Sequence[Any]
    """Keras variables that training changes."""
    predict: Callable[[Mapping[str, Any]], Any]
    """Maps a batch to outputs, in training mode."""
    answer: Callable[[Features], Outputs]
    """Maps features [R, T] to outputs with the current weights."""


def fit(
    command: Finetune,
    run: Run,
    strategy: Any,
    stage: Stage,
    network: Network,
    data: LabelledData,
    features: Features,
    held_out: Features | None,
) -> dict[str, Any]:
    """Train, and restore the weights that are to be kept.

    Args:
      features: features of the training table, [R, T].
      held_out: features of the evaluation table, if there is one.

    Returns:
      Facts for metrics.json, beside the scores.

    Raises:
      FailedError: the loss is not a number, or a signal stopped it.
    """
    task = data.task
    variables = network.model.trainable_weights
    frozen = parts.chosen(command.freeze or "", variables, "freeze")
    trained = parts.trained(variables, frozen, "freeze")
    facts: dict[str, Any] = {
        "parameters": parameters(network.model),
        "training_examples": len(data.training),
        "learning_rate": stage.schedule.peak,
    }
    objective = task.objective(network.predict)
    if frozen:
        count = sum(math.prod(v.shape) for v in trained)
        facts["trained_parameters"] = count
        print(f"finetune: {count:,} of them are trained; {parts.shown(frozen)} stay as they are")
    if command.teacher:
        answers, facts["teacher"] = teaching.learn(command, task, data, features, held_out)
        features = {**features, **answers}
        objective = teaching.objective(command, task, network.predict)
    measure = how = best = None
    options = dataclasses.replace(command.loop_options(strategy), slices=command.accumulate_steps)
    if held_out:
        keeps_best = command.keeps_best(True)
        how = keeping.measuring(command.measure_every, stage, len(held_out["label"]), keeps_best)
        measure = measurement(network.answer, task, glance_at(held_out, how.rows))
        options = dataclasses.replace(options, measure_every=how.every)
        best = Best(run.directory, stage, network.state, task.score_name, command.patience) if keeps_best else None
    loop.train(
        stage,
        objective,
        trained,
        network.state,
        lambda start: shuffled_batches(features, stage.batch_size, command.seed, start),
        run.directory,
        options,
        factors=parts.factors(trained, command.layer_decay, network.model.config.num_hidden_layers),
        measure=measure,
        best=best,
        measures_first=True,
    )
    facts["kept"] = keeping.last(stage)
    if best and how and best.is_known:
        best.restore()
        facts["kept"] = keeping.best(best, stage, how)
        print(f"finetune: {keeping.line(facts['kept'], how)}")
    return facts
