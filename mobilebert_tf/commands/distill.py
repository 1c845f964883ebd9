"""teacher + records -> student model directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf import atomic, licences
from mobilebert_tf.commands import next_step
from mobilebert_tf.commands.distillation import Inputs, inputs_of, plan_of, student_config
from mobilebert_tf.commands.training_options import TrainingOptions, parameters, say_done
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option, whole_numbers
from mobilebert_tf.run_directory import Run
from mobilebert_tf.transfer import plan_file, plan_table, resuming, strategies
from mobilebert_tf.transfer.pairing import check_terms
from mobilebert_tf.transfer.strategies import StagePlan

if TYPE_CHECKING:
    from mobilebert_tf.models import PretrainingModel

_PLANS_OWN = "; default: the plan's"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distill(TrainingOptions):
    """Transfer a teacher's knowledge to a MobileBERT student, layer by layer, then distil it.

    Reads the teacher's model directory and pretraining records, and writes the student's model directory.
    --strategy and --plan decide the stages; --print_stages shows them and exits. The teacher comes from `pretrain`,
    or is any checkpoint that `convert` reads, plain BERT included; one without pre-training heads teaches through
    its layers alone.

      mobilebert-tf distill --teacher=teacher --student=mobilebert --records=records --output=student
      mobilebert-tf distill --teacher=teacher --student=mobilebert --records=records --output=x --print_stages

    Every stage has its own checkpoints. To try another setting from one stage on without repeating the earlier ones:

      mobilebert-tf distill ... --output=student --redo_stage=transfer_3 --transfer_learning_rate=3e-3

    On several machines, run the same command on each, with that machine's TF_CONFIG and one shared --output:

      TF_CONFIG='{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}' \\
          mobilebert-tf distill ... --distribution=multi_worker
    """

    teacher: str = option("model directory of the teacher", is_input=True)
    records: str = option("directory of pretraining records", is_input=True)
    held_out: str | None = option(
        "records that are only scored, every --measure_every steps and at the end", default=None, is_input=True
    )
    student: str = option(
        "preset or config.json of the student, or a model directory to train further",
        default="mobilebert",
        is_input=True,
    )
    strategy: str = option(
        "progressive: one layer after another, then distillation. joint: all layers at once, then distillation. "
        "auxiliary: one stage with all losses",
        default="progressive",
        choices=strategies.STRATEGIES,
    )
    plan: str = option(
        "schedule of the stages: default; paper (lower layers frozen, LAMB); google (lower layers at a tenth of the "
        "rate, sawtooth); tf_models (trains everything up to the layer); or a JSON file of stages, such as the "
        "stages.json of any run",
        default="default",
        is_input=True,
    )
    transfer_steps: int | None = option("steps per layer" + _PLANS_OWN + " (10,000)", default=None, least=1, most=10**9)
    distillation_steps: int | None = option(
        "steps of the last stage" + _PLANS_OWN + " (500,000)", default=None, least=1, most=10**9
    )
    total_steps: int | None = option(
        "steps of all stages together, split in the proportion of the two above", default=None, least=1, most=10**9
    )
    transfer_learning_rate: float | None = option(
        "peak rate of layer-wise stages" + _PLANS_OWN + " (1.5e-3)", default=None, least=0, most=10
    )
    distillation_learning_rate: float | None = option(
        "peak rate of the last stage" + _PLANS_OWN + " (1.5e-3)", default=None, least=0, most=10
    )
    transfer_batch_size: int | None = option(
        "examples per step of layer-wise stages; default: --batch_size", default=None, least=1, most=65_536
    )
    sequence_length: int | None = option(
        "word pieces of each example that are read; default: all", default=None, least=2, most=100_000
    )
    transfer_sequence_length: int | None = option(
        "the same for layer-wise stages; default: --sequence_length", default=None, least=2, most=100_000
    )
    optimizer: str | None = option(
        "adamw, or lamb for very large batches" + _PLANS_OWN, default=None, choices=("adamw", "lamb")
    )
    moments: str | None = option(
        "the optimizer's moments when a new stage begins: new, or kept from the stage before" + _PLANS_OWN + " (new)",
        default=None,
        choices=("new", "kept"),
    )
    initialization: str | None = option(
        "initial weights of the student: the teacher's embeddings and heads, or random; default: teacher, except that "
        "a --student that is a model directory keeps its own",
        default=None,
        choices=("teacher", "random"),
    )
    attention_weight: float | None = option(
        "weight of attention transfer; the feature-map terms have 100, 5000 and 5" + _PLANS_OWN + " (1)",
        default=None,
        least=0,
        most=1e6,
    )
    relation_weight: float | None = option(
        "weight of relation transfer (similarities among queries, among keys and among values), which works for any "
        "numbers of heads; default: 1 where teacher and student have different numbers of heads, else 0",
        default=None,
        least=0,
        most=1e6,
    )
    relation_heads: int | None = option(
        "vectors that relation transfer cuts each token's query, key and value into; default: the teacher's number of "
        "attention heads",
        default=None,
        least=1,
        most=10**4,
    )
    ground_truth_ratio: float | None = option(
        "alpha: weight of the true words against the teacher's predictions" + _PLANS_OWN + " (0.5)",
        default=None,
        least=0,
        most=1,
    )
    temperature: float | None = option(
        "divides the logits of teacher and student in distillation" + _PLANS_OWN + " (1)",
        default=None,
        least=0.01,
        most=1000,
    )
    layer_map: str = option(
        "which teacher layer teaches each student layer: even (every n-th), last (the uppermost), or the teacher's "
        "layer numbers from 1, comma-separated",
        default="even",
    )
    whole_text: bool | None = option(
        "read unmasked text in stages that predict no words; default: only if no stage predicts words",
        default=None,
    )
    group_by_length: bool = option("batch examples of similar length together, to compute less padding", False)
    layers_per_stage: int = option(
        "layers compared in one stage of progressive transfer", default=1, least=1, most=1000
    )
    compare_embeddings: bool = option("also compare the embeddings' output, and train them with the first layer", False)
    without: str = option(
        "ablations, comma-separated: feature_maps (no FMT), attention (no AT), relations (no RT), "
        "distillation (no PD: true words alone), "
        "opt (LayerNorm and GELU in the student)",
        default="",
    )
    teacher_dtype: str | None = option(
        "type of the teacher's activations; default: --dtype", default=None, choices=("float32", "bfloat16")
    )
    snapshots: str | None = option(
        "steps, counted over all stages, comma-separated, after which the student is also written to snapshots/STEP "
        "as a complete model directory: to see what more training brings, or to use it before the end",
        default=None,
        identity=False,
    )
    stop_after_stage: str | None = option(
        "stop after this stage of the plan; the same command without this flag goes on",
        default=None,
        identity=False,
    )
    redo_stage: str | None = option(
        "repeat this stage and all later ones with the flags of this command; earlier stages stay as they were",
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

        checkpoint = open_checkpoint(self.teacher)
        heads = checkpoint.heads
        if not {"masked_words", "next_sentence"} >= set(heads.present):
            raise UsageError(
                f"{self.teacher}: is fine-tuned ({heads}); give a pre-trained teacher, or let this one teach its task: "
                "finetune --teacher=... --teacher_layer_epochs=5"
            )
        predicts = {"masked_words", "next_sentence"} <= set(heads.present)
        student = student_config(self.student)
        layers = student.num_hidden_layers
        plan, taught_by = plan_of(self, checkpoint.config, student, predicts)
        strategies.check(plan, layers, checkpoint.config.num_hidden_layers)
        check_terms(plan, checkpoint.config, student)
        if any(stage.predicts for stage in plan) and not predicts:
            raise UsageError(
                f"{self.teacher}: has no heads for masked words and next sentence, which stage "
                f"{next(stage.name for stage in plan if stage.predicts)} of the plan needs"
            )
        for flag, stage in (("stop_after_stage", self.stop_after_stage), ("redo_stage", self.redo_stage)):
            if stage not in (None, *(one.name for one in plan)):
                raise UsageError(f"--{flag}={stage}: choose from {', '.join(one.name for one in plan)}")
        snapshots = self._snapshots(sum(stage.steps for stage in plan))
        if self.print_stages:
            print(plan_table.show(plan))
            return
        goes_on = dataclasses.replace(self, accept_changes=self.accept_changes or self.redo_stage is not None)
        with goes_on.open_run("distill", reopens=self.redo_stage is not None) as run:
            plan = self._resumed(run, plan)
            if self.is_done(run):
                return
            inputs = inputs_of(self, checkpoint, plan)
            with self.start(run) as strategy:
                self.begin(run, inputs.tokenizer, "records")
                self._train(run, strategy, plan, taught_by, inputs, snapshots)

    def _snapshots(self, steps: int) -> frozenset[int]:
        """Steps after which the student is written. Raises UsageError: one is beyond the last step of the plan."""
        wanted = whole_numbers(self.snapshots, "snapshots", 1, 10**12) if self.snapshots else []
        if wanted and max(wanted) > steps:
            raise UsageError(f"--snapshots={self.snapshots}: the plan has {steps:,} steps")
        return frozenset(wanted)

    def _resumed(self, run: Run, plan: tuple[StagePlan, ...]) -> tuple[StagePlan, ...]:
        """The stages of the run: those that stay as they were, then those of `plan`."""
        # Given again after a redo was interrupted, the same command goes on; it does not restart the stage.
        redone = run.record.get("redone")
        redo = self.redo_stage or redone
        if redo:
            plan = resuming.with_earlier_stages(run.directory, plan, redo)
        if self.redo_stage and (run.changed or redone != self.redo_stage):
            run.unfinish()
            if run.writes:
                resuming.forget_from(run.directory, self.redo_stage)
            # Recorded last: after a kill before this point the same command begins the stage again.
            run.record["redone"] = self.redo_stage
            run.reopen(self)
        elif run.changed:
            resuming.check_goes_on(run.directory, plan)
        return plan

    def _train(
        self,
        run: Run,
        strategy: Any,
        plan: tuple[StagePlan, ...],
        taught_by: tuple[int, ...],
        inputs: Inputs,
        snapshots: frozenset[int],
    ) -> None:
        from mobilebert_tf.data.pretraining_input import Reading, batches, clear_read_errors
        from mobilebert_tf.model_directory import save_model_directory
        from mobilebert_tf.training.loop import Snapshots
        from mobilebert_tf.transfer import held_out
        from mobilebert_tf.transfer import stages as transfer_stages

        records, scored = inputs.records, inputs.held_out

        def batches_of(stage: StagePlan) -> Any:
            return lambda start: batches(
                records,
                stage.batch_size,
                self.seed,
                stage.first_example + start * stage.batch_size,
                Reading(
                    length=stage.sequence_length,
                    whole_text=stage.whole_text,
                    group_by_length=stage.group_by_length,
                ),
            )

        def write_snapshot(step: int) -> None:
            snapshot = run.directory / "snapshots" / f"{step}"
            save_model_directory(snapshot, student, inputs.tokenizer)
            licences.pass_on(snapshot, *made_from)

        if run.writes:
            print(plan_table.show(plan))
        stop = [stage.name for stage in plan].index(self.stop_after_stage) + 1 if self.stop_after_stage else len(plan)
        with clear_read_errors(records, scored):
            teacher, student, made_from = self._networks(strategy, plan, inputs)
            print(f"distill: {parameters(teacher):,} parameters teach {parameters(student):,}")
            measure = None
            if scored:
                compared = held_out.Compared.of(plan)
                measure = held_out.measurement(student, scored, teacher, taught_by, compared, examples=held_out.GLANCE)
            if run.writes:
                atomic.write_json(run.directory / resuming.PLAN, plan_file.text_of(plan))
            transfer_stages.run(
                plan[:stop],
                teacher,
                student,
                batches_of,
                self.loop_options(strategy),
                run.directory,
                measure,
                Snapshots(snapshots, write_snapshot),
            )
            if not run.writes:
                return
            if stop < len(plan):
                print(
                    f"distill: stopped after {self.stop_after_stage} as asked; the same command without "
                    "--stop_after_stage goes on"
                )
                return
            metrics = {
                "parameters": parameters(student),
                **_scored(run.directory, teacher, student, plan, taught_by, inputs),
            }
        save_model_directory(run.directory, student, inputs.tokenizer, metrics=metrics)
        licences.pass_on(run.directory, *made_from)
        run.finish(**metrics)
        say_done("distill", run.directory, next_step.finetuning(self.output))

    def _networks(
        self, strategy: Any, plan: Sequence[StagePlan], inputs: Inputs
    ) -> tuple[PretrainingModel, PretrainingModel, list[Path]]:
        """The teacher as it teaches, the student as it begins, and the directories that their weights come from."""
        from mobilebert_tf.data.pretraining_input import one_pass
        from mobilebert_tf.model_directory import load_model_directory
        from mobilebert_tf.models import PretrainingModel
        from mobilebert_tf.training.dtypes import activations, frozen_copy
        from mobilebert_tf.transfer import initialization

        predicts = any(stage.predicts for stage in plan)
        with strategy.scope():
            with activations("float32"):  # the student begins with its weights as they are
                loaded = load_model_directory(self.teacher, self.seed)
            teacher, made_from = loaded.model, [loaded.files[0].parent]
            assert isinstance(teacher, PretrainingModel)
            student = PretrainingModel(inputs.config, self.seed, masked_words=predicts, next_sentence=predicts)
        if plan[0].initialization == "student":
            loaded = load_model_directory(self.student, self.seed)
            initialization.go_on_from(student, loaded.model)
            made_from.append(loaded.files[0].parent)
        elif plan[0].initialization == "teacher":
            first = next(iter(one_pass(inputs.records, initialization.EXAMPLES)))
            initialization.initialize_student(student, teacher, first)
        with strategy.scope():
            return frozen_copy(teacher, self.teacher_dtype or self.dtype), student, made_from


def _scored(
    directory: Path,
    teacher: PretrainingModel,
    student: PretrainingModel,
    plan: Sequence[StagePlan],
    taught_by: Sequence[int],
    inputs: Inputs,
) -> dict[str, Any]:
    """Results on --held_out, empty without it; also writes layers.json and attention.json for the report."""
    from mobilebert_tf.transfer import attention_maps, held_out

    records = inputs.held_out
    if not records:
        return {}
    compared = held_out.Compared.of(plan)
    metrics: dict[str, Any] = {"held_out": held_out.measurement(student, records, teacher, taught_by, compared)()}
    if any(stage.predicts for stage in plan):
        print(f"distill: held-out {held_out.show(metrics['held_out'])}")
        metrics["teacher_held_out"] = held_out.measurement(teacher, records)()
        metrics["teacher_agreement"] = metrics["held_out"]["teacher_agreement"]
    statistics = held_out.layer_statistics(teacher, student, records, taught_by, compared)
    atomic.write_json(directory / "layers.json", {"layers": statistics})
    if teacher.config.num_attention_heads == student.config.num_attention_heads:
        maps = attention_maps.compare(teacher, student, records, inputs.tokenizer, taught_by)
        atomic.write_json(directory / "attention.json", maps)
    return metrics
