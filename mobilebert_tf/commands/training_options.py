"""Options shared by the training commands, and their translation into options of the training loop."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf.commands import next_step
from mobilebert_tf.errors import UsageError, first_line
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import Run, join_run, open_run
from mobilebert_tf.training import cluster

if TYPE_CHECKING:
    from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Flags shared by `pretrain`, `distill` and `finetune`."""

    output: str = option("directory to write; with several workers, one that all of them can reach")
    batch_size: int = option("examples per step, over all devices", default=32, least=1, most=65_536)
    optimizer: str | None = option("adamw, or lamb for very large batches", default="adamw", choices=("adamw", "lamb"))
    weight_decay: float = option(
        "weight decay: share of each matrix that a step subtracts, times the learning rate",
        default=0.01,
        least=0,
        most=100,
    )
    clip_norm: float = option("largest global norm of the gradient, 0 for no limit", default=1.0, least=0, most=1e6)
    seed: int = option("random seed for initial weights, data order and dropout", default=0, least=0, most=2**32 - 1)
    dtype: str = option(
        "type of activations; weights stay float32. float16 is not offered: MobileBERT's [CLS] overflows it",
        default="float32",
        choices=("float32", "bfloat16"),
    )
    distribution: str = option(
        "default: one device. mirrored: all accelerators of this machine. multi_worker: every process that TF_CONFIG "
        "names, the same command in each. tpu: the one of --tpu; written from TensorFlow's documentation, never run",
        default="default",
        choices=("default", "mirrored", "multi_worker", "tpu"),
    )
    tpu: str = option("name or address of the TPU; local: the one of this machine", default="local", identity=False)
    steps_per_call: int = option(
        "steps inside one call of the compiled function; also steps per log row", default=10, least=1, most=10**4
    )
    checkpoint_every: int = option("steps between checkpoints", default=200, identity=False, least=1, most=10**9)
    keep_checkpoints: int = option("checkpoints kept per stage", default=2, identity=False, least=1, most=10**4)
    measure_every: int | None = option(
        "steps between measurements on held-out text; each stage also ends with one",
        default=1000,
        identity=False,
        least=1,
        most=10**9,
    )
    accept_changes: bool = option(
        "go on in --output although flags have changed since the run began; run.json keeps the earlier values",
        default=False,
        identity=False,
    )

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes. Raises UsageError: TF_CONFIG is wrong."""
        return self.distribution != "multi_worker" or cluster.from_environment().is_chief

    def open_run(self, name: str, reopens: bool = False) -> contextlib.AbstractContextManager[Run]:
        """The run in --output, new or to be continued.

        Raises:
          UsageError: the directory belongs to another run.
          FailedError: another process works in it.
        """
        if not self.is_chief:
            return join_run(self, name, self.output, self.accept_changes)
        return open_run(self, name, self.output, self.accept_changes, reopens)

    def is_done(self, run: Run) -> bool:
        """Whether nothing is left to do, which is printed. If not, call `begin` once the inputs are read."""
        if run.finished and not run.changed:
            print(run.finished_line)
            return True
        return False

    def begin(self, run: Run, tokenizer: Tokenizer, flag: str) -> None:
        """Write the vocabulary of a new run, or accept the changed flags of a continued one.

        Raises:
          UsageError: `flag` gives a continued run another vocabulary.
        """
        from mobilebert_tf.tokenizer_files import read_vocabulary, write_tokenizer

        own_vocab = run.directory / "vocab.txt"
        if not (run.directory / "tokenizer.json").exists():  # written last, so that a kill leaves no half of both
            if run.writes:
                write_tokenizer(run.directory, tokenizer)
        elif not read_vocabulary(own_vocab).reads_like(tokenizer):
            raise UsageError(
                f"--{flag}: its word pieces differ from {own_vocab}, which the run in {run.directory} has learned; "
                f"give --{flag} with the same ones, or another --output"
            )
        run.accept_changes(self)

    def refuse_idle_changes(self, run: Run, lengthens: Sequence[str], scores: Sequence[str]) -> None:
        """Raise UsageError if the changed flags of a finished run would train nothing.

        Args:
          lengthens: options that make the training longer when raised; the message suggests the first.
          scores: options that only the score depends on.
        """
        changed = {name: pair for name, pair in run.changed.items() if name not in scores}
        if run.finished and changed and not any(_is_more(*changed[name]) for name in lengthens if name in changed):
            raise UsageError(
                f"{self.output}: is finished, so another --{[*changed][0]} would change nothing; ask for more "
                f"--{lengthens[0]}, or give another --output"
            )

    def optimizer_options(self) -> Any:
        from mobilebert_tf.training.stage import OptimizerOptions

        name = self.optimizer or "adamw"
        return OptimizerOptions(name=name, weight_decay=self.weight_decay, clip_norm=self.clip_norm)

    def loop_options(self, strategy: Any) -> Any:
        from mobilebert_tf.training.loop import LoopOptions

        return LoopOptions(
            steps_per_call=self.steps_per_call,
            checkpoint_every=self.checkpoint_every,
            keep_checkpoints=self.keep_checkpoints,
            measure_every=self.measure_every or LoopOptions.measure_every,
            strategy=strategy,
            writes=self.is_chief,
        )

    def _given_to_all(self, run: Run) -> dict[str, Any]:
        """Flags that all workers must share: those that shape the result, and those that say when workers meet."""
        changed = {name: now for name, (_, now) in run.changed.items()}  # not in the record yet
        meet = {name: getattr(self, name) for name in ("measure_every", "stop_after_stage") if hasattr(self, name)}
        shared = {**run.record["identity"], **changed, **meet}
        return {name if name == "command" else f"--{name}": value for name, value in shared.items()}

    @contextlib.contextmanager
    def start(self, run: Run) -> Iterator[Any]:
        """Start TensorFlow as the flags ask; yields the distribution strategy, in whose scope models are built.

        Workers with different commands are refused: they would train anyway, each in its own way.
        At the end workers wait for each other: to the chief, which still writes, one that left early would look lost.
        """
        from mobilebert_tf import quiet

        quiet.start_tensorflow()
        import keras
        import tensorflow as tf

        from mobilebert_tf.training import loop, replicas

        strategy = _STRATEGIES[self.distribution](tf, self.tpu)  # first: it decides which devices exist
        loop.set_up(self.seed)
        keras.config.set_dtype_policy("mixed_bfloat16" if self.dtype == "bfloat16" else "float32")
        if not self.is_chief:
            print("another worker writes what this one helps to train")
        replicas.require_same(strategy, self._given_to_all(run), "give the same command in each process")
        yield strategy
        replicas.count_workers(strategy, True)


def _tpu(tf: Any, address: str) -> Any:
    """The strategy for a TPU, set up as in TensorFlow's guide to TPUs."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (tf.errors.OpError, OSError, ValueError, RuntimeError) as error:  # OSError: the name is looked up over HTTP
        raise UsageError(f"--distribution=tpu --tpu={address}: no TPU answers there ({first_line(error)})") from None


def _multi_worker(tf: Any, _: str) -> Any:
    from mobilebert_tf.training import rendezvous

    with rendezvous.announced(cluster.from_environment()):
        return tf.distribute.MultiWorkerMirroredStrategy()


_STRATEGIES: dict[str, Callable[[Any, str], Any]] = {
    "default": lambda tf, _: tf.distribute.get_strategy(),
    "mirrored": lambda tf, _: tf.distribute.MirroredStrategy(),
    "multi_worker": _multi_worker,
    "tpu": _tpu,
}


def _is_more(was: Any, now: Any) -> bool:
    """Whether a value became larger; what is no number (a table, or None, where its size decides) may have."""
    return now > was if isinstance(was, int | float) and isinstance(now, int | float) else True


def parameters(model: Any) -> int:
    """Number of trainable parameters."""
    import numpy as np

    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def say_done(name: str, directory: Path, next_line: str) -> None:
    """Print the last lines of every training command."""
    print(f"{name}: wrote {directory}")
    next_step.say(next_line)
