"""A study: its file, its table by hand, and a real run."""

import itertools
import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mobilebert_tf import cli, command_line
from mobilebert_tf.benchmarks import defaults_table, study, study_table
from mobilebert_tf.benchmarks.report import study_pictures
from mobilebert_tf.errors import FailedError, UsageError

STUDIES = Path(study.__file__).parent / "studies"


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.json")), ids=lambda path: path.stem)
def test_our_own_studies_are_sound(path: Path) -> None:
    """Names, steps and baselines are right, and every flag of every variant exists in its command."""
    plan = study.read(str(path))
    inputs = dict.fromkeys(re.findall(r"\{(\w+)\}", path.read_text()), "x")
    for variant in plan.variants:
        for run in itertools.chain(*study._chains(plan, variant, 0, inputs, Path("work"))):
            command_line.check(run.words)


def content() -> dict:
    return {
        "about": "rates",
        "chain": {
            "tuned": {
                "command": "finetune",
                "seeds": 2,
                "flags": {"model": "{model}", "train": "{table}", "eval": "{table}", "epochs": 1, "max_seq_length": 24},
            }
        },
        "variants": {"slow": {"tuned": {"learning_rate": 1e-5}}, "fast": {"tuned": {"learning_rate": 1e-2}}},
        "baseline": "slow",
        "figures": {"accuracy": {"step": "tuned", "at": "evaluation.accuracy", "percent": True}},
    }


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"baseline": "none"}, "the baseline 'none' is not one of the variants"),
        ({"variants": {"slow": {"other": {}}}}, "variant 'slow': there is no step 'other'"),
        ({"figures": {"x": {"step": "other", "at": "y"}}}, "figure 'x': there is no step 'other'"),
        ({"chain": 3}, "chain: is 3; it must be an object"),
        ({"chain": {"../../x": {"command": "vocab", "flags": {}}}}, "'../../x' is not a plain name"),
        ({"variants": {"slow": {}, "a b": {}, "A-B": {}}}, "two are called 'a-b'"),
        ({"variants": {"slow": {}, "+": {}}}, "variant '\\+': has no letter or digit"),
        (
            {"variants": {"slow": {"tuned": None}}},
            "variant 'slow': leaves out step 'tuned', which figure 'accuracy' is read from",
        ),
        ({"repetitions": 3}, "unknown field 'repetitions'"),
        ({"variants": {"slow": {"tuned": {"command": 5}}}}, "'slow': step 'tuned': command: is 5; it must be the name"),
        ({"variants": {"slow": {"tuned": {"output": "x"}}}}, "step 'tuned': output: is set by the study"),
        (
            {"chain": {"tuned": {"command": "finetune", "flags": {"debug": True}}}},
            "chain: step 'tuned': debug: does not go with a study",
        ),
        ({"variants": {}}, "study.json: variants: is empty"),
        ({"seeds": 0}, "seeds: is 0; it must be a whole number"),
        (
            {"published": [{"name": "a", "source": "b", "figures": {"f1": "90 %"}}]},
            "published 'a': there is no figure 'f1'",
        ),
    ],
)
def test_broken_studies_are_refused(change: dict, expected: str, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps({**content(), **change}))
    with pytest.raises(UsageError, match=expected):
        study.read(str(tmp_path / "study.json"))


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"epochz": 1}, "step 'tuned': there is no flag --epochz (did you mean epochs?)"),
        ({"batch_size": -3}, "step 'tuned': --batch_size=-3: must be at least 1"),
        ({"command": "finetun"}, "step 'tuned': there is no command `finetun`"),
    ],
)
def test_every_command_is_checked_before_the_first_runs(
    change: dict, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "_execute", lambda run: pytest.fail(f"{run.words} was run"))
    file = tmp_path / "study.json"
    file.write_text(json.dumps({**content(), "variants": {"slow": {}, "fast": {"tuned": change}}}))
    words = [
        f"--study={file}",
        f"--work={tmp_path / 'w'}",
        f"--output={tmp_path / 'o.json'}",
        "--inputs=model=m,table=t",
    ]
    assert cli.run(["benchmark", "study", *words]) == 2
    assert f"{file}: variant 'fast', {expected}" in capsys.readouterr().err


def test_a_figure_is_a_number_or_the_mean_of_those_that_fit() -> None:
    metrics = {"held_out": {"layer_1/feature_map": 0.25, "layer_2/feature_map": 0.75, "layer_1/attention": 9.0}}
    assert study.value_at(metrics, "held_out.layer_*/feature_map") == 0.5
    assert study.value_at({"evaluation": {"accuracy": 0.75}}, "evaluation.accuracy") == 0.75
    with pytest.raises(FailedError, match="has no figure held_out.x"):
        study.value_at(metrics, "held_out.x")


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("evaluation", "a run's figure evaluation is an object of accuracy, loss, not a number"),
        ("evaluation.loss", "a run's figure evaluation.loss is null, not a number"),
        ("evaluation.accuracy.x", "a run has no figure evaluation.accuracy.x; it has evaluation"),
    ],
)
def test_a_figure_that_is_no_number_stops_a_study_at_its_step(
    at: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line stops the study before its later steps."""
    later = {"command": "finetune", "flags": {"model": "{tuned}", "train": "{table}"}}
    changed = {
        **content(), "chain": {**content()["chain"], "later": later}, "figures": {"x": {"step": "tuned", "at": at}},
    }  # fmt: skip
    (tmp_path / "study.json").write_text(json.dumps(changed))
    monkeypatch.chdir(tmp_path)
    executed: list[study._Run] = []

    def execute(run: study._Run) -> None:
        executed.append(run)
        run.directory.mkdir(parents=True)
        (run.directory / "metrics.json").write_text(json.dumps({"evaluation": {"accuracy": 0.5, "loss": None}}))

    monkeypatch.setattr(study, "_execute", execute)
    words = ["benchmark", "study", "--study=study.json", "--work=work", "--inputs=model=m,table=t", "--output=a.json"]
    assert cli.run(words) == 1
    error = capsys.readouterr().err.strip()
    assert message in error and "correct the study's figure 'x'" in error and len(error.splitlines()) == 1
    monkeypatch.setattr(study, "_execute", executed.append)  # a step without figures, such as vocab
    assert cli.run([*words[:3], "--work=other", "--inputs=model=m,table=t", "--output=b.json"]) == 1
    assert "metrics.json: step tuned writes no such file; correct the study's figure 'x'" in capsys.readouterr().err
    assert [run.step for run in executed] == ["tuned", "tuned"]


def test_an_earlier_result_of_another_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.json").write_text(json.dumps(content()))
    earlier = STUDIES.parent / "results" / "demo-2026-12-01.json"
    words = [f"--study={tmp_path}/study.json", f"--work={tmp_path}/work", f"--output={tmp_path}/a.json"]
    assert cli.run(["benchmark", "study", *words, "--inputs=model=m,table=t", f"--earlier={earlier}"]) == 2
    assert "is a result of the kind 'pipeline'; give one of the kind 'study'" in capsys.readouterr().err


def test_a_table_has_medians_intervals_and_p_values() -> None:
    """Means of five ± t(4) s / sqrt(5), and the paired t-test written out."""
    first_scores, second_scores = np.array([0.80, 0.82, 0.81, 0.84, 0.83]), np.array([0.78, 0.80, 0.80, 0.79, 0.82])
    document = {
        "settings": {"baseline": "b", "figures": {"score": {"percent": True, "digits": 3}}},
        "subjects": [
            {"name": name, "rounds": [{"figures": {"score": value}} for value in values]}
            for name, values in (("a", first_scores), ("b", second_scores))
        ],
    }
    half = 2.7764451 * 100 * first_scores.std(ddof=1) / np.sqrt(5)
    difference = first_scores - second_scores
    t = difference.mean() / (difference.std(ddof=1) / np.sqrt(5))
    p = 2 * stats.t.sf(abs(t), 4)
    (first, second) = study_table.rows(document)
    assert first == ("a", f"82.0 % ± {half:.1f} (p = {p:.2g})", "5")
    assert second[1].startswith("80.0 % ±") and "p =" not in second[1]
    assert study_table.head(document) == ("", "score", "runs")
    assert study_table.published_rows(document) == []
    document["settings"]["published"] = [{"name": "c", "source": "its authors", "figures": {"score": "90 %"}}]
    assert study_table.published_rows(document) == [("*c*", "*90 %*", "*its authors*")]
    document["settings"]["published"].append({**document["settings"]["published"][0], "name": "RTE: d"})
    assert len(study_table.published_rows(document)) == 1  # nothing was measured on RTE
    document["subjects"][0]["name"] = "RTE: a"
    assert study_table.published_rows(document)[1][0] == "*RTE: d*"


def test_repetitions_on_one_training_count_once() -> None:
    """Two distilled students are fine-tuned twice each; the four runs are not independent evidence of distillation."""

    def rounds(name: str, losses: list[float], scores: list[list[float]]) -> dict:
        return {
            "name": name,
            "rounds": [
                {
                    "figures": {"loss": loss, "score": score},
                    "commands": [f"distill --seed={seed} --output={name}", f"finetune --seed={repeat} --output={name}"],
                }
                for seed, loss in enumerate(losses)
                for repeat, score in enumerate(scores[seed])
            ],
        }

    a, b = rounds("a", [0.35, 0.346], [[0.8, 0.9], [0.7, 0.8]]), rounds("b", [0.352, 0.349], [[0.6], [0.5]])
    form = {"percent": False, "digits": 4}
    settings = {"baseline": "b", "figures": {"loss": form, "score": form}}
    (first, second) = study_table.rows({"settings": settings, "subjects": [a, b]})
    p = stats.ttest_rel([0.35, 0.346], [0.352, 0.349]).pvalue
    half = stats.t.ppf(0.975, 1) * np.std([0.35, 0.346], ddof=1) / np.sqrt(2)
    assert first[1] == f"0.3480 ± {half:.4f} (p = {p:.2g})"
    assert first[2].startswith("0.8000 ±") and (first[3], second[3]) == ("2 x 2", "2")


def test_a_table_of_defaults_has_the_best_of_the_other_rates() -> None:
    """Figures are means over two seeds; the best other rate excludes the default, even if that is better."""
    scores = {
        "by default": (0.75, 0.77),
        "0.00008": (0.70, 0.74),
        "0.0008": (0.69, 0.71),
        "0.00005, 3 passes": (0.5, 0.52),
    }
    subjects = [
        {
            "name": f"a table, of some kind: {setting}",
            "rounds": [
                {"figures": {"accuracy": score, "majority class": 0.5, "training rows": 2490}} for score in accuracies
            ],
        }
        for setting, accuracies in scores.items()
    ]
    assert defaults_table.rows({"subjects": subjects}) == [
        ("a table", "2,490", "50.0%", "76.0%", "72.0% (8e-5)", "51.0%")
    ]


def test_a_variant_may_do_without_a_step(tmp_path: Path) -> None:
    """A flag that names the step is dropped with it; in other variants it names the step's directory."""
    taught = {"tuned": {"teacher": "{tutor}"}}
    changed = content() | {
        "chain": {"tutor": {"command": "finetune", "flags": {"model": "{model}"}}, **content()["chain"]},
        "variants": {"slow": {"tutor": None}, "taught": taught},
    }
    (tmp_path / "study.json").write_text(json.dumps(changed))
    plan = study.read(str(tmp_path / "study.json"))
    inputs = {"model": "m", "table": "t"}
    alone, shown = (next(study._chains(plan, name, 0, inputs, Path("work"))) for name in ("slow", "taught"))
    assert [run.step for run in alone] == ["tuned"]
    assert [run.step for run in shown] == ["tutor", "tuned"]
    assert "--teacher=work/taught/tutor-0/only" in shown[1].words


def finished(work: Path, runs: list[study._Run]) -> None:
    """Write the files that the commands of a chain would leave, without running them."""
    for run in runs:
        directory = work / run.directory
        directory.mkdir(parents=True)
        accuracy = 0.5 + len(str(run.words)) % 7 / 100
        (directory / "metrics.json").write_text(json.dumps({"evaluation": {"accuracy": accuracy}}))
        (directory / "run.json").write_text(json.dumps({"seconds": 1.5}))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_study_keeps_its_rounds_and_goes_on_from_them(
    sent: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stop in the third of four rounds; then continue on a machine without the runs and without their inputs."""
    (tmp_path / "study.json").write_text(json.dumps({**content(), "seeds": 2}))
    monkeypatch.chdir(tmp_path)
    executed: list[study._Run] = []

    def execute(run: study._Run, most: int) -> None:
        if len(executed) == most:
            if sent == signal.SIGINT:  # which background jobs of a shell ignore
                raise KeyboardInterrupt
            os.kill(os.getpid(), sent)
        executed.append(run)
        finished(tmp_path, [run])

    words = ["benchmark", "study", "--study=study.json", "--work=work", "--inputs=model=m,table=t"]
    monkeypatch.setattr(study, "_execute", lambda run: execute(run, 5))
    assert cli.run([*words, "--output=a.json"]) == 1
    captured = capsys.readouterr()
    assert "--earlier=a.json" in captured.out and "interrupted" in captured.err
    first = json.loads((tmp_path / "a.json").read_text())
    assert [len(subject["rounds"]) for subject in first["subjects"]] == [3, 2]

    shutil.rmtree(tmp_path / "work")
    executed.clear()
    monkeypatch.setattr(study, "_execute", lambda run: execute(run, 99))
    assert cli.run([*words, "--output=b.json", "--earlier=a.json"]) == 0
    assert len(executed) == 3
    second = json.loads((tmp_path / "b.json").read_text())
    for before, after in zip(first["subjects"], second["subjects"], strict=True):
        assert len(after["rounds"]) == 4
        taken = [{"commit": first["made_by"]["commit"], **measured} for measured in before["rounds"]]
        assert after["rounds"][: len(taken)] == taken

    executed.clear()
    assert cli.run([*words, "--output=c.json", "--earlier=b.json", "--seeds=1"]) == 0
    assert not executed
    assert [len(subject["rounds"]) for subject in json.loads((tmp_path / "c.json").read_text())["subjects"]] == [2, 2]


@pytest.mark.slow
def test_a_study_repeats_and_goes_on(classifier_directory: Path, labelled_table: Path, tmp_path: Path, capsys) -> None:  # noqa: ANN001
    (tmp_path / "study.json").write_text(json.dumps({**content(), "seeds": 2}))
    words = ["benchmark", "study", f"--study={tmp_path / 'study.json'}", f"--work={tmp_path / 'work'}"]
    assert cli.run([*words, f"--output={tmp_path / 'a.json'}"]) == 2
    assert "needs an input 'model'" in capsys.readouterr().err
    words.append(f"--inputs=model={classifier_directory},table={labelled_table}")
    assert cli.run([*words, f"--output={tmp_path / 'a.json'}"]) == 0
    written = json.loads((tmp_path / "a.json").read_text())
    for subject in written["subjects"]:
        # Two seeds with two repetitions each, all with different seeds.
        seeds = {one["commands"][0].split("--seed=")[1].split()[0] for one in subject["rounds"]}
        assert seeds == {"0", "1", "2", "3"}
    weights = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("model.weights.h5")}
    assert len(weights) == 8
    assert cli.run([*words, f"--output={tmp_path / 'b.json'}"]) == 0
    assert weights == {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("model.weights.h5")}
    assert json.loads((tmp_path / "b.json").read_text())["subjects"] == written["subjects"]


def by_amount(figures: dict[str, list[float]]) -> dict:
    subjects = [
        {"name": name, "rounds": [{"figures": {"right": value}} for value in values]}
        for name, values in figures.items()
    ]
    return {"kind": "study", "subjects": subjects, "settings": {"figures": {"right": {"percent": True, "digits": 1}}}}


def test_a_picture_of_variants_that_differ_by_an_amount() -> None:
    """Each kind has a line and each amount a place; names without amounts, or with only two, give no picture."""
    names = {f"{amount} rows: {kind}": [0.5, 0.7] for amount in ("8", "64", "1,000") for kind in ("ours", "tf-idf")}
    drawn = study_pictures.picture(by_amount(names))
    assert drawn and all(f">{text}<" in drawn for text in ("8", "64", "1,000", "rows", "ours", "tf-idf", "right"))
    assert drawn == study_pictures.picture(by_amount(names))
    assert study_pictures.picture(by_amount({"a": [0.5], "b": [0.6]})) is None
    assert study_pictures.picture(by_amount({"8 rows": [0.5], "64 rows": [0.6]})) is None
    amount = study_pictures.amount_of("auxiliary, 8,000 updates")
    assert amount == study_pictures.Amount(8000.0, "updates", "auxiliary")
    assert study_pictures.amount_of("2.3 million word pieces") == study_pictures.Amount(2.3e6, "word pieces", "")


def test_every_picture_of_the_page_is_there() -> None:
    page = STUDIES.parent / "README.md"
    linked = re.findall(r"!\[[^]]*\]\((pictures/[^)]*)\)", page.read_text())
    assert linked and all((page.parent / name).exists() for name in linked)
