"""Any MobileBERT or BERT checkpoint -> any other kind of checkpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

from mobilebert_tf import atomic, licences
from mobilebert_tf.commands import next_step
from mobilebert_tf.config import HEADS
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import find_run, open_run

WORLDS = ("keras", "huggingface", "tf1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Convert:
    """Convert a checkpoint between this project, Hugging Face and TensorFlow 1, bit for bit.

    The kind of the input is recognised: a Hugging Face directory (model.safetensors, also in
    shards), Google's TensorFlow 1 checkpoint (a directory or a prefix such as
    DIR/mobilebert_variables.ckpt), or a model directory of this project. Models are MobileBERT,
    IB-BERT and plain BERT, bare or with the heads for pre-training, sequence and token
    classification, and question answering. Every tensor of the input must be needed, and every
    tensor that is needed must be there, in the right shape.

    Examples:
      mobilebert-tf convert --input=hf-model --output=model --to=keras
      mobilebert-tf convert --input=uncased_L-24_H-128_B-512_A-4_F-4_OPT --output=hf-model --to=huggingface
      mobilebert-tf convert --input=classifier --output=hf-model --to=huggingface --dry_run
    """

    input: str = option("checkpoint to read: a directory, or a TensorFlow checkpoint's prefix", is_input=True)
    output: str = option("directory to write; it must be new or empty")
    to: str = option("kind of checkpoint to write", default="keras", choices=WORLDS)
    head: str | None = option(
        "the head to read, where a file has several or only calls it `classifier` or `output_weights`; "
        "default: as the configuration says",
        default=None,
        choices=HEADS,
    )
    config: str | None = option(
        "preset or bert_config.json, for a TensorFlow checkpoint that has none", default=None, is_input=True
    )
    dtype: str = option(
        "type of the weights in a Hugging Face directory; float16 and bfloat16 have half the size",
        default="float32",
        choices=("float32", "float16", "bfloat16"),
    )
    vocab: str | None = option("vocabulary, if none lies beside the input", default=None, is_input=True)
    allow_missing: bool = option(
        "fill missing weights of a head or the pooler with those of a new model", default=False
    )
    allow_extra: bool = option(
        "ignore weights that the architecture has no use for, if none is of embeddings or blocks", default=False
    )
    dry_run: bool = option("check and describe the input, and write nothing", default=False, identity=False)

    def run(self) -> None:
        """Read, check, write.

        Raises:
          UsageError: the input is no checkpoint, is damaged or contradicts itself, the other
            side cannot hold it, or the output is taken.
        """
        from mobilebert_tf.checkpoints import conversion, google_config, huggingface_config, sentence_vectors, summary
        from mobilebert_tf.checkpoints.checkpoint import Allowed

        if self.dtype != "float32" and self.to != "huggingface":
            raise UsageError(f"--dtype={self.dtype}: needs --to=huggingface; other checkpoints hold float32")
        reading = conversion.Reading(Allowed(self.allow_missing, self.allow_extra), self.head, self.config, self.vocab)
        checkpoint = conversion.open_checkpoint(self.input, reading)
        if self.to == "huggingface":
            huggingface_config.to_huggingface(checkpoint.config, checkpoint.heads, checkpoint.architecture.labels)
        print(summary.describe(checkpoint, min(128, checkpoint.config.max_position_embeddings)))
        if self.dry_run:
            return
        if Path(self.input).is_file():  # the run is identified by all files of the model, not by the one that was named
            self = dataclasses.replace(self, input=str(checkpoint.path))
        done = find_run(self, "convert", self.output)
        if done and done.finished:
            print(done.finished_line)
            return
        with atomic.directory_aside(self.output) as aside, open_run(self, "convert", str(aside)) as run:
            more = {"dtype": self.dtype} if self.to == "huggingface" else {}
            warnings = conversion.WORLDS[self.to](checkpoint, aside, **more)
            licences.pass_on(aside, checkpoint.files[0].parent)
            run.finish(world=self.to, arrays=len(checkpoint.weights), not_needed=list(checkpoint.passed_over))
        if checkpoint.architecture.tokenizer is None:
            warnings.append(f"there is no vocabulary beside {self.input}; put its vocab.txt into {self.output}")
        if self.to == "huggingface":
            warnings += huggingface_config.deviations(checkpoint.config, checkpoint.heads, checkpoint.architecture.task)
        if self.to == "tf1":
            warnings += google_config.deviations(checkpoint.config, checkpoint.heads)
        if difference := sentence_vectors.difference(checkpoint.architecture.modules):
            warnings.append(f"{difference}; --task=embedding refuses this model, but a classifier can start from it")
        for warning in warnings:
            print(f"warning: {warning}")
        size = sum(weight.size for weight in checkpoint.weights)
        print(f"\nconvert: wrote {self.output} ({len(checkpoint.weights):,} arrays, {size:,} parameters, {self.to})")
        next_step.say(next_step.line("model info", self.output))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Show what a checkpoint of any kind holds: parts, heads, size, cost and origin.

    Examples:
      mobilebert-tf model info demo/student
      mobilebert-tf model info hf-model --sequence_length=384
    """

    POSITIONAL: ClassVar[str] = "input"
    """The option that can be given without its name."""

    input: str = option("checkpoint: a directory, or a TensorFlow checkpoint's prefix")
    sequence_length: int = option(
        "word pieces of the input that the cost is given for", default=128, least=1, most=100_000
    )
    head: str | None = option("the head to read, where a file has several", default=None, choices=HEADS)
    config: str | None = option("preset or bert_config.json, for a TensorFlow checkpoint that has none", default=None)

    def run(self) -> None:
        """Open and describe. Raises UsageError: it is no checkpoint, or contradicts itself."""
        from mobilebert_tf.checkpoints import conversion, summary

        reading = conversion.Reading(head=self.head, config=self.config)
        print(summary.describe(conversion.open_checkpoint(Path(self.input), reading), self.sequence_length))
