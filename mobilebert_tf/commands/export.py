"""`export`: fine-tuned model directory -> verified `.tflite` files."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf import atomic, licences, provenance, quiet, run_directory
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.ship import android_demo, publish, verify_directory
from mobilebert_tf.options import option
from mobilebert_tf.tasks import NAMES
from mobilebert_tf.text_table import some

if TYPE_CHECKING:
    from mobilebert_tf.commands.export_texts import Texts
    from mobilebert_tf.export.aware.stored import Trained
    from mobilebert_tf.export.make.variants import Checks, Made
    from mobilebert_tf.export.recipes import Recipe
    from mobilebert_tf.exported import Report
    from mobilebert_tf.model_directory import LoadedModel
    from mobilebert_tf.tasks.examples import Example
    from mobilebert_tf.tasks.task import Task
    from mobilebert_tf.tokenization import Tokenizer

MOST_DROP = 0.2
"""Largest --max_drop that is accepted: a larger number was probably meant in points."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Turn a fine-tuned model into .tflite files and prove that they are right.

    The trained network is first rewritten: norms without statistics fold into their
    neighbours, the last block computes only what the head reads, and so on; the answers
    stay the same. Every recipe gives one file, with one signature per sequence length over shared weights. XNNPACK
    packs the weights for each of them, or only once with --one_graph or a weight cache of the runtime. Inputs are
    `input_ids`, `input_mask`, `segment_ids` (int32 [1, T]); the output is `logits` (regression: `score`; sentence
    embeddings: `embedding`; entities: `token_logits`; questions: `start_logits` and `end_logits`). Files for
    MediaPipe (output `probabilities`; vocabulary and labels inside) and for a GPU have the longest length alone.

    Each file is run with LiteRT, compared with the Keras model in every signature, checked for operators that a plain
    runtime lacks and for padding that leaks into the answer, scored, and timed. A file that misses its gate goes to
    rejected/, and the command ends with status 1 after finishing the others.

    Writes RECIPE.tflite, vocab.txt, tokenizer.json, labels.txt, task.json, and report.json with report.html and
    report.md made from it, which say which file to ship. RECIPE.contract.json has all that an app must know about its
    file, and examples with that file's answers; SHA256SUMS has the checksum of every file. `mobilebert-tf export
    verify OUTPUT` checks a copy against both, on any machine.

    --explain shows where a quantised file loses precision: how far each layer is from the float32 file, how much of
    that is its own error, and what the logits gain, and what it costs, when a block or a kind of layer finds its ranges
    at run time or stays in float32. Writes explain.json, and RECIPE_mended.json, a recipe for the next export with up
    to three changes that are worth it.

    A classifier from Hugging Face or TensorFlow 1 has no task.json; the task that is assumed is printed, and flags
    change it.

    Examples:
      mobilebert-tf export --model=runs/classifier --evaluation=dev.tsv --output=runs/exported
      mobilebert-tf export --model=hf-sst2 --evaluation=dev.tsv --text_column=sentence --output=app
      mobilebert-tf export --model=runs/classifier --sequence_lengths=32,64,128 --recipes=dynamic_int8 --output=app
      mobilebert-tf export --model=runs/classifier --evaluation=dev.tsv --output=films --android_demo=android_demo
      mobilebert-tf export --model=runs/classifier --evaluation=dev.tsv --recipes=static_int8 --explain --output=why
      mobilebert-tf export --model=mobilebert_mini --task=embedding --evaluation=sts.tsv --text_column=sentence1 \\
        --text_pair_column=sentence2 --label_column=score --output=embedder
      mobilebert-tf export --model=runs/classifier --evaluation=dev.tsv --recipes=why/static_int8_mended.json \\
        --output=mended
      mobilebert-tf export --model=runs/classifier --evaluation=dev.tsv --calibration=train.tsv --max_drop=0.005 \\
        --output=within_half_a_point
    """

    model: str = option("fine-tuned model directory", is_input=True)
    task: str | None = option(
        "kind of task; default: what the model was fine-tuned for. embedding: sentence embeddings of any model",
        None,
        choices=NAMES,
    )
    output: str = option("directory for the files", identity=False)
    recipes: str | None = option(
        "comma-separated: float32, float16, dynamic_int8, static_int8, dynamic_int8_per_tensor and "
        "static_int8_per_tensor (both for old runtimes), static_int8_full, static_int16x8, weight_int4, dynamic_int4, "
        "mediapipe (for its TextClassifier or TextEmbedder) and gpu (for a GPU delegate), both of one length, or a "
        "recipe file of your own that ends in .json; default: float32, float16, dynamic_int8 and, where there is text "
        "to calibrate on, static_int8",
        None,
    )
    sequence_lengths: str | None = option(
        "lengths of the signatures in word pieces, comma-separated; default: the task's max_seq_length and those "
        "of 32, 64, 128 and 256 that are shorter",
        None,
    )
    one_graph: bool = option(
        "all lengths (then by default also 16, 24, 48, 96 ...) share one graph, which apps resize: a file takes memory "
        "and loading time of one length; a text of another length than the one before costs a millisecond more (24 "
        "layers)",
        False,
    )
    without_rewrites: str = option(
        "rewrites of the network to leave out, comma-separated, to see what each brings: "
        "fold_norms, fold_attention_scale, first_token_only, mean_early, join_products, share_mask, cut_positions, "
        "join_tables",
        "",
    )
    equalize: bool = option(
        "where there is text, scale the channels of activations that static files round to one size; the weights "
        "absorb the scales (LayerNorm and gelu need an extra multiplication)",
        True,
    )
    compare_rewrites: bool = option(
        "also convert and time the float32 network without each rewrite, and report what each brings", False
    )
    evaluation: str | None = option("labelled table for score and parity", None, is_input=True)
    calibration: str | None = option(
        "table of texts, best the task's own training text, for the scales of static files, and for parity where there "
        "is no --evaluation; default: --evaluation; without either, random ids and no static scales",
        None,
        is_input=True,
    )
    contract_examples: str | None = option(
        "table whose texts may become the contracts' examples, word for word, and so be part of every app with a "
        "contract; default: built-in sentences, none of them from your tables",
        None,
        is_input=True,
    )
    text_column: str | None = option("column of the text; default: as in training", None)
    text_pair_column: str | None = option("column of the second text, for pairs; default: as in training", None)
    label_column: str | None = option("column of the label; default: as in training", None)
    min_agreement: float | None = option(
        "gate: least share of examples that a file decides as Keras does (embeddings: least mean cosine); default: "
        "each recipe's own",
        None,
        least=0,
        most=1,
    )
    max_score_drop: float | None = option(
        "gate: largest loss of the score against Keras, as a share: 0.02 is two points; default: each recipe's own",
        None,
        least=0,
        most=1,
    )
    max_error: float | None = option(
        "gate: largest error of a logit relative to the largest logit; default: each recipe's own",
        None,
        least=0,
        most=1e6,
    )
    android_demo: str | None = option(
        "directory android_demo of this project: also copy the files to the assets of its app, under the name of "
        "--output; a finished export is copied without being made again",
        None,
        identity=False,
    )
    calibration_examples: int = option(
        "number of rows of --calibration to run, of all lengths", 256, least=1, most=10**7
    )
    score_examples: int = option("largest number of rows to score; 0: all", 0, least=0, most=10**9)
    parity_examples: int = option(
        "largest number of rows to compare with Keras in every signature", 256, least=1, most=10**7
    )
    max_drop: float | None = option(
        "also search for the cheapest mixture of precisions, part by part of the network, that loses no more than "
        "this much of the score, as a share: 0.005 is half a point. A random half of the rows of --evaluation is used "
        "for the search, the rest scores the result; writes cheapest.tflite and cheapest.json, its recipe",
        None,
        least=0,
        most=100,
    )
    cost: str = option(
        "cost that --max_drop minimises: instructions on a phone (Cortex-A76), estimated from the file; or "
        "milliseconds on this machine, for servers like it",
        "instructions",
        choices=("instructions", "milliseconds"),
    )
    counter: str | None = option(
        "command that counts the instructions of a file for --max_drop, as for `benchmark instructions`; default: they "
        "are estimated",
        None,
    )
    explain: bool = option(
        "compare quantised files with float32 layer by layer, and report what to leave in float32", False
    )
    explain_examples: int = option(
        "rows to run for --explain, of all lengths, from those of --parity_examples", 256, least=1, most=10**7
    )
    threads: int = option("threads of LiteRT, also for timing", 1, least=1, most=1024)
    rounds: int = option(
        "rounds of the latency measurement, the files in random order; fewer than 8 cannot tell which is faster",
        21,
        least=1,
        most=10**4,
    )
    runs: int = option("timed inferences per file, length and round", 5, least=1, most=10**6)

    def run(self) -> None:
        """Convert, verify, score, time, publish.

        Raises:
          UsageError: the model is no fine-tuned classifier, or a table is wrong.
          FailedError: a file missed its gate or could not be made; the others are written.
        """
        from mobilebert_tf.export.aware import stored
        from mobilebert_tf.export.recipes import in_one_graph, parse_recipes, with_content
        from mobilebert_tf.export.rewrite.rules import REWRITES, parse_rewrites

        rewrites = parse_rewrites(self.without_rewrites)
        trained = stored.read(Path(self.model))
        if trained and rewrites != tuple(REWRITES):
            raise UsageError(f"--without_rewrites: the ranges of {self.model} need all rewrites; leave it out")
        has_ranges = bool(self.calibration or self.evaluation or trained)
        if self.android_demo:
            android_demo.check(Path(self.android_demo), Path(self.output))
        recipes = parse_recipes(self.recipes, has_ranges)
        recipes = in_one_graph(recipes) if self.one_graph else recipes
        recipes = [dataclasses.replace(one, gate=dataclasses.replace(one.gate, **self._limits)) for one in recipes]
        self._check_search(recipes)
        command = dataclasses.replace(self, recipes=with_content(self.recipes))
        unsigned = not (Path(self.output) / verify_directory.SUMS).exists()
        with run_directory.open_run(command, "export", self.output, reopens=unsigned) as run:
            if run.finished:
                _sign(run)
                print(run.finished_line)
            else:
                self._export(run, recipes, rewrites, trained)
            if self.android_demo and any(run.directory.glob(f"*{verify_directory.CONTRACT}")):
                place, there = android_demo.put(Path(self.android_demo), run.directory)
                print(f"android_demo: {place} has {', '.join(there)}; the app shows what is there when it is built")
                print(f"next: {shlex.join(['make', '-C', str(Path(self.android_demo).resolve().parent), 'android'])}")
            _fail_if_rejected(run.record["summary"]["rejected"], run.directory)

    def _export(
        self, run: run_directory.Run, recipes: list[Recipe], rewrites: tuple[str, ...], trained: Trained | None
    ) -> None:
        quiet.start_tensorflow()
        from mobilebert_tf.commands import export_summary, export_texts
        from mobilebert_tf.export.make import variants
        from mobilebert_tf.export.ship import golden, report
        from mobilebert_tf.export.verify.examples import spread
        from mobilebert_tf.model_directory import load_model_for
        from mobilebert_tf.models import TaskModel

        loaded = load_model_for(self.model, self.task)
        assert isinstance(loaded.model, TaskModel)
        task, lengths = self._task(loaded, recipes)
        texts = export_texts.read(self, task, loaded.tokenizer)
        texts = texts.after(trained) if trained else texts
        own = golden.usable(task.read(self.contract_examples, labelled=False), task) if self.contract_examples else []
        if self.contract_examples and not own:
            raise UsageError(f"--contract_examples={self.contract_examples}: all its texts are too long to be examples")
        shown = f"rows of {Path(self.contract_examples).name}" if self.contract_examples else "built-in sentences"

        with publish.built_apart(run.directory) as building:
            checks = self._checks(task, loaded.tokenizer, texts, trained)
            made = variants.make_variants(loaded.model, lengths, recipes, checks, building, rewrites)
            found = report.report_of(
                model={"name": Path(self.model).resolve().name, "weights_sha256": provenance.sha256(*loaded.files)},
                lengths=lengths,
                rewrites=rewrites,
                calibrated_on=texts.calibrated_on,
                compared_on=texts.compared_on,
                shown=shown,
                task=task,
                made=made,
            )
            recipes += [made.searched.recipe] if made.searched else []
            examples = spread(own, export_texts.POOL), texts.pool
            passed_on = self._write(building, loaded, task, recipes, made, found, examples)
            publish.publish(building, run.directory, [recipe.name for recipe in recipes])
        run.finish(rejected=[row.name for row in made.variants if not row.passed])
        _sign(run)
        shown += "" if own else " (--contract_examples=TABLE: yours)"
        export_summary.print_summary(run.directory, task, made, found, passed_on, shown)

    def _task(self, loaded: LoadedModel, recipes: Sequence[Recipe]) -> tuple[Task, list[int]]:
        """The model's task with the columns and the longest length of this command's flags, and all lengths."""
        from mobilebert_tf.export.convert.lengths import parse_lengths
        from mobilebert_tf.export.mediapipe import metadata

        assert loaded.task is not None
        if self.task and loaded.task.name != self.task:
            raise UsageError(f"{self.model}: is for --task={loaded.task.name}, not for {self.task}; leave --task out")
        shared = any(recipe.one_graph for recipe in recipes)
        lengths = parse_lengths(self.sequence_lengths, loaded.task.max_seq_length, loaded.config, shared)
        columns = {name: getattr(self, name) for name in ("text_column", "text_pair_column", "label_column")}
        given = {name: value for name, value in columns.items() if value}
        task: Task = dataclasses.replace(loaded.task, max_seq_length=lengths[-1], **given)
        if any(recipe.target == "mediapipe" for recipe in recipes):
            metadata.check_model(loaded.tokenizer, task)
        if task.has_labels and not (loaded.files[0].parent / "task.json").exists():
            print(_made_up(self.model, task), flush=True)
        return task, lengths

    @property
    def _limits(self) -> dict[str, float]:
        """Fields of every recipe's gate that flags set."""
        wanted = {
            "max_relative_error": self.max_error,
            "min_decision_agreement": self.min_agreement,
            "max_score_drop": self.max_score_drop,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _check_search(self, recipes: Sequence[Recipe]) -> None:
        from mobilebert_tf.benchmarks import programs
        from mobilebert_tf.export.recipes import SEARCHED

        if self.max_drop is None:
            if self.counter is not None:
                raise UsageError("--counter: is for --max_drop; `mobilebert-tf benchmark instructions` counts files")
            if self.cost != "instructions":
                raise UsageError(f"--cost={self.cost}: is for --max_drop; add it, or leave this out")
            return
        if self.max_drop > MOST_DROP:
            raise UsageError(
                f"--max_drop={self.max_drop:g}: must be at most {MOST_DROP}; it is a share, so half a point is 0.005"
            )
        if any(recipe.name == SEARCHED for recipe in recipes):
            raise UsageError(f"--recipes: {SEARCHED!r} is the name of --max_drop's own recipe; rename yours")
        if not self.evaluation or not self.calibration:
            raise UsageError("--max_drop: needs --evaluation for scores, and other texts as --calibration")
        if Path(self.evaluation).resolve() == Path(self.calibration).resolve():
            raise UsageError(
                "--max_drop: --calibration must not be the texts of --evaluation; the training text is best"
            )
        if self.counter is not None:
            if self.cost != "instructions":
                raise UsageError(f"--counter: counts instructions, and --cost={self.cost} asks for {self.cost}")
            programs.words_of(self.counter, "counter")

    def _write(
        self,
        building: Path,
        loaded: LoadedModel,
        task: Task,
        recipes: Sequence[Recipe],
        made: Made,
        found: Report,
        examples: tuple[list[Example], list[Example]],
    ) -> list[str]:
        """Write what lies beside the .tflite files; returns the names of licence files that came with the model."""
        from mobilebert_tf.export.choose import explain_report
        from mobilebert_tf.export.ship import contract, report
        from mobilebert_tf.reporting import export_report
        from mobilebert_tf.tasks.files import save_task_files

        save_task_files(building, loaded.tokenizer, task)
        passed_on = licences.pass_on(building, loaded.files[0].parent)
        print("export: examples of what the files answer, for their contracts", flush=True)
        own, pool = examples
        contract.write_contracts(building, recipes, made.variants, task, loaded.tokenizer, own, pool, found.model)
        atomic.write_json(building / "report.json", report.as_json(found))
        export_report.write(building)
        if self.explain:
            explained = explain_report.as_json(found.model, task.max_seq_length, found.parity_examples, made.explained)
            atomic.write_json(building / "explain.json", explained)
        own_recipes = [
            made.searched.recipe if made.searched else None,
            *(one.mended for one in made.explained.values()),
        ]
        for recipe in filter(None, own_recipes):
            atomic.write_text(building / f"{recipe.name}.json", explain_report.recipe_line(recipe) + "\n")
        return passed_on

    def _checks(self, task: Task, tokenizer: Tokenizer, texts: Texts, trained: Trained | None) -> Checks:
        """Data and settings for making and checking the files."""
        from mobilebert_tf.benchmarks.files.host import Settings
        from mobilebert_tf.export.choose.cost import Counted, Estimated, Milliseconds
        from mobilebert_tf.export.make.variants import Checks

        latency = Settings(threads=self.threads, rounds=self.rounds, runs=self.runs)
        # For some 25 files; those that this cannot tell apart are ranked by operations.
        searching = dataclasses.replace(latency, rounds=min(self.rounds, 9), runs=2 * self.runs)
        instructions = Counted(counter=self.counter) if self.counter else Estimated()
        cost = instructions if self.cost == "instructions" else Milliseconds(settings=searching)
        return Checks(
            calibration_features=texts.calibration,
            parity_features=texts.compared,
            scored_features=texts.scored,
            task=task,
            tokenizer=tokenizer,
            model=self.model,
            equalizes=self.equalize,
            compares_rewrites=self.compare_rewrites,
            latency=latency,
            explained_examples=self.explain_examples if self.explain else 0,
            trained=trained,
            max_drop=self.max_drop,
            limits=self._limits,
            cost=cost,
        )


def _made_up(model: str, task: Task) -> str:
    """Line on the task assumed for a classifier from elsewhere, with the flags that change it."""
    texts = f"column {task.text_column!r}"
    if task.text_pair_column:
        texts = f"columns {task.text_column!r} and {task.text_pair_column!r}"
    return (
        f"export: {model} has no task.json, so its labels are taken to be {some(task.labels, 4)}, given by name "
        f"or by number from 0 in column {task.label_column!r} (--label_column); texts in {texts} (--text_column, "
        f"--text_pair_column); up to {task.max_seq_length} word pieces (--sequence_lengths)"
    )


def _sign(run: run_directory.Run) -> None:
    """Write the checksums of a finished run, the last file of an export, unless they exist: a kill may come before.

    They come from the run's record, not from the files, so that a file that has changed since then shows.
    """
    path = run.directory / verify_directory.SUMS
    if path.exists():
        return
    hashes = {name: output["sha256"] for name, output in run.record["outputs"].items()}
    hashes[run_directory.RECORD] = provenance.sha256(run.directory / run_directory.RECORD)
    atomic.write_text(path, verify_directory.sums_text(hashes))


def _fail_if_rejected(rejected: list[str], directory: Path) -> None:
    if rejected:
        raise FailedError(f"{', '.join(rejected)} missed the gate; {directory / 'report.json'} has the reason")
