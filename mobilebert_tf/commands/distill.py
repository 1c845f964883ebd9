"""teacher + records -> student model directory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.commands.training_options import TrainingOptions, done_line, parameters
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import Run, freed_if_nothing_was_made, open_run
from mobilebert_tf.tasks.files import read_json
from mobilebert_tf.transfer import strategies


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distill(TrainingOptions):
    """Transfer a teacher's knowledge to a MobileBERT student, layer by layer, then distil it.

    Reads a teacher's model directory and records, writes the student's. The plan of
    stages follows from --strategy; --print_stages shows it and exits. The teacher is what `pretrain`
    made, or any checkpoint that `convert` reads; plain BERT too, without its heads if it has none.

      mobilebert-tf distill --teacher=teacher --student=mobilebert --records=records --output=student
      mobilebert-tf distill --teacher=teacher --student=mobilebert --records=records --output=x --print_stages
    """

    output: str = option("directory to write")
    teacher: str = option("model directory of the teacher", is_input=True)
    records: str = option("directory of pretraining records", is_input=True)
    held_out: str | None = option("records that are only scored, at the end", default=None, is_input=True)
    student: str = option("preset of the student, or a config.json", default="mobilebert")
    strategy: str = option(
        "progressive: layer after layer, then distillation. joint: all layers at once, then distillation. "
        "auxiliary: one stage with all losses",
        default="progressive",
        choices=strategies.STRATEGIES,
    )
    plan: str = option(
        "whose schedule: paper (lower layers frozen), google (lower layers at a tenth of the rate, sawtooth), "
        "tf_models (everything up to the layer), default (as paper, with AdamW and a decay in every stage). Steps, "
        "rates and optimizer below change it",
        default="default",
        choices=tuple(strategies.PLANS),
    )
    transfer_steps: int = option(
        "steps per layer (progressive) or of the transfer stage (joint)", default=10_000, least=1
    )
    distillation_steps: int = option("steps of the last stage", default=500_000, least=1)
    transfer_learning_rate: float = option("peak rate of layer-wise stages", default=1.5e-3, least=0)
    distillation_learning_rate: float = option("peak rate of the last stage", default=1.5e-3, least=0)
    optimizer: str | None = option(
        "adamw, or lamb for very large batches; left out: the plan's", default=None, choices=("adamw", "lamb")
    )
    attention_weight: float = option(
        "weight of attention transfer; the feature maps' terms have 100, 5000 and 5", default=1.0
    )
    ground_truth_ratio: float = option(
        "alpha: weight of the true words against the teacher's", default=0.5, least=0, most=1
    )
    temperature: float = option("divides both sides' logits in distillation", default=1.0, least=0.01)
    layer_map: str = option(
        "the teacher's layer for each of the student's: even (every n-th), last, or their numbers from 1, "
        "comma-separated",
        default="even",
    )
    layers_per_stage: int = option("layers that a stage of progressive transfer compares", default=1, least=1)
    compare_embeddings: bool = option("compare the embeddings' output too, and train them with the first layer", False)
    without: str = option(
        "ablations, comma-separated: feature_maps (no FMT), attention (no AT), distillation (no PD: true words alone)",
        default="",
    )
    stop_after_stage: str | None = option(
        "end the command when this stage of the plan is done; without it the same command goes on",
        default=None,
        identity=False,
    )
    print_stages: bool = option("show the plan and exit", default=False, identity=False)

    def run(self) -> None:
        """Transfer, distil, score, write the model directory; or show the plan.

        Raises:
          UsageError: teacher, student or records do not fit together, or the output is another run's.
          FailedError: a loss is not a number, or the disk is full.
        """
        from mobilebert_tf.checkpoints.conversion import open_checkpoint

        options = strategies.TransferOptions.named(
            self.plan,
            strategy=self.strategy,
            optimizer=self.optimizer,
            transfer_steps=self.transfer_steps,
            distillation_steps=self.distillation_steps,
            transfer_learning_rate=self.transfer_learning_rate,
            distillation_learning_rate=self.distillation_learning_rate,
            attention=self.attention_weight,
            ground_truth_ratio=self.ground_truth_ratio,
            temperature=self.temperature,
            layers_per_stage=self.layers_per_stage,
            compares_embeddings=self.compare_embeddings,
        ).without(self.without)
        checkpoint = open_checkpoint(self.teacher)
        predicts = {"masked_words", "next_sentence"} <= set(checkpoint.heads.present)
        layers = student_layers(self.student)
        taught_by = strategies.map_layers(self.layer_map, layers, checkpoint.config.num_hidden_layers)
        stages = strategies.plan(options, layers, predicts, taught_by)
        if self.print_stages:
            print(strategies.show(stages, options))
            return
        if self.stop_after_stage not in (None, *(stage.name for stage in stages)):
            names = ", ".join(stage.name for stage in stages)
            raise UsageError(f"--stop_after_stage={self.stop_after_stage}: the plan has {names}")
        run = open_run(self, "distill", self.output)
        if run.finished:
            print(run.finished_line)
            return
        with freed_if_nothing_was_made(run):
            self._train(run, stages, options, taught_by)

    def _train(
        self,
        run: Run,
        stages: tuple[strategies.StagePlan, ...],
        options: strategies.TransferOptions,
        taught_by: tuple[int, ...],
    ) -> None:
        strategy = self.start()

        from mobilebert_tf.data.pretraining_input import batches, clear_read_errors, load_records, one_pass
        from mobilebert_tf.model_directory import load_model_directory, save_model_directory
        from mobilebert_tf.models import PretrainingModel
        from mobilebert_tf.tasks import pretraining
        from mobilebert_tf.tokenization import Tokenizer
        from mobilebert_tf.transfer import attention_maps
        from mobilebert_tf.transfer import stages as transfer_stages
        from mobilebert_tf.transfer.initialization import check_pair, initialize_student

        records = load_records(self.records)
        with strategy.scope():
            loaded = load_model_directory(self.teacher, self.seed)
            teacher, tokenizer = loaded.model, loaded.tokenizer
            if not isinstance(teacher, PretrainingModel):
                raise UsageError(f"{self.teacher}: is fine-tuned ({teacher.heads}); a teacher comes from pre-training")
            predicts = any(stage.predicts for stage in stages)
            if Tokenizer.from_vocab(records.vocab).vocab != tokenizer.vocab:
                raise UsageError(f"{self.records}: made with another vocabulary than the teacher {self.teacher}")
            config = pretraining.config_for(self.student, records, tokenizer)
            check_pair(teacher.config, config)
            scored = pretraining.load_held_out(self.held_out, config, tokenizer)
            student = PretrainingModel(config, self.seed, masked_words=predicts, next_sentence=predicts)
        print(strategies.show(stages, options))
        print(f"distill: {parameters(teacher):,} parameters teach {parameters(student):,}")
        with clear_read_errors(records, scored):
            initialize_student(student, teacher, next(iter(one_pass(records, self.batch_size))))
            atomic.write_json(run.directory / "stages.json", [dataclasses.asdict(stage) for stage in stages])
            done = transfer_stages.run(
                stages,
                options,
                teacher,
                student,
                lambda start: batches(records, self.batch_size, self.seed, start),
                self.batch_size,
                dataclasses.replace(
                    self.optimizer_options(), name=options.optimizer, bias_correction=options.bias_correction
                ),
                self.loop_options(),
                run.directory,
                self.stop_after_stage,
            )
            if not done:
                print(
                    f"distill: stopped after {self.stop_after_stage} as asked; the same command without "
                    "--stop_after_stage goes on"
                )
                return
            metrics: dict[str, Any] = {"parameters": parameters(student)}
            if scored and predicts:
                held_out = pretraining.score(student, scored, teacher)
                print(f"distill: held-out {pretraining.show(held_out)}")
                metrics |= {"held_out": held_out, "teacher_agreement": held_out["teacher_agreement"]}
            if scored:
                compared = attention_maps.compare(teacher, student, scored, tokenizer, taught_by)
                atomic.write_json(run.directory / "attention.json", compared)
        save_model_directory(run.directory, student, tokenizer, metrics=metrics)
        run.finish(**metrics)
        classifier = Path(self.output).with_name("classifier")
        finetune = (
            f"mobilebert-tf finetune --model={self.output} --train=train.tsv --eval=dev.tsv --output={classifier}"
        )
        print(done_line("distill", run.directory, finetune))


def student_layers(model: str) -> int:
    """Blocks of a preset, or of the configuration in a JSON file. Raises UsageError."""
    if not model.endswith(".json"):
        return MobileBertConfig.preset(model).num_hidden_layers
    return MobileBertConfig.from_dict(read_json(Path(model)), source=model).num_hidden_layers
