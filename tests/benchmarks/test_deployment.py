"""`benchmark deployment`: figures of real exports against their own report.json."""

import json
import shutil
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.report import deployment


def test_a_row_a_file_with_the_figures_of_its_export(
    export_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thin, wide = tmp_path / "thin", tmp_path / "wide"
    shutil.copytree(export_directory, thin)
    shutil.copytree(export_directory, wide)
    report = json.loads((thin / "report.json").read_text())
    longest = str(max(report["sequence_lengths"]))
    report["variants"][0]["passed"] = False
    report["variants"][0]["instructions"] = {longest: 12.34}
    timed = report["variants"][0]["latency_ms"][longest]
    timed |= {"median": 1.25, "foreign_cores": 0.0, "threads": 1}
    (thin / "report.json").write_text(json.dumps(report))
    timed["foreign_cores"] = 64.0
    (wide / "report.json").write_text(json.dumps(report))

    assert cli.run(["benchmark", "deployment", f"--exports={thin},{wide}", f"--output={tmp_path / 'd.json'}"]) == 0
    assert "less Keras's" in capsys.readouterr().out
    rows = deployment.rows(json.loads((tmp_path / "d.json").read_text()))
    files = [variant for variant in report["variants"] if variant["file"]]
    assert len(rows) == 2 * (1 + len(files))
    assert rows[0] == ("thin, Keras", "", f"{report['keras']['accuracy']:.1%}", "", "", "", "", "")
    first = files[0]
    assert rows[1][:3] == (
        f"thin, {first['file']} (rejected)",
        f"{first['bytes'] / 1e6:.1f} MB",
        f"{first['metrics']['accuracy']:.1%}",
    )
    assert rows[1][3] == f"{100 * first['difference']['low']:+.1f} to {100 * first['difference']['high']:+.1f}"
    assert rows[1][4:6] == (f"{first['parity']['decision_agreement']:.1%}", "12.3 million")
    assert rows[1][6] == "1.25 ms"
    busy = rows[2 + len(files)]
    assert busy[0] == f"wide, {first['file']} (rejected)" and busy[6] == "", "a busy machine's time is none"


def test_times_of_two_machines_have_a_column_each(
    export_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns have the machines' names; a single machine is named in the note."""
    written = tmp_path / "d.json"
    for name, machine in (("thin", "A"), ("wide", "B")):
        shutil.copytree(export_directory, tmp_path / name)
        report = json.loads((tmp_path / name / "report.json").read_text())
        report["made_by"]["machine"] |= {"model": machine, "cores": 2}
        for variant in report["variants"]:
            for timed in variant["latency_ms"].values():
                timed |= {"foreign_cores": 0.0, "threads": 1}
        (tmp_path / name / "report.json").write_text(json.dumps(report))
    words = ["benchmark", "deployment", f"--output={written}"]
    assert cli.run([*words, f"--exports={tmp_path / 'thin'},{tmp_path / 'wide'}"]) == 0
    assert "Host: A and B, not a phone." in capsys.readouterr().out
    document = json.loads(written.read_text())
    assert deployment.head(document)[6:8] == ("host: A", "host: B")
    for row in deployment.rows(document):
        if "Keras" not in row[0]:
            assert len(row) == 9 and [bool(cell) for cell in row[6:8]] == [
                row[0].startswith(n) for n in ("thin", "wide")
            ]
    for subject in document["subjects"]:
        subject.pop("machine", None)
    assert deployment.head(document)[6:8] == ("host: A", "host: B"), "an older result says it of the export"
    written.unlink()
    assert cli.run([*words, f"--exports={tmp_path / 'thin'}"]) == 0
    document = json.loads(written.read_text())
    assert deployment.head(document)[6] == "host" and "Host: A, not a phone." in deployment.note(document)


def test_the_directory_here_has_a_name(export_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(export_directory)
    assert cli.run(["benchmark", "deployment", "--exports=.", f"--output={tmp_path / 'd.json'}"]) == 0
    first = json.loads((tmp_path / "d.json").read_text())["subjects"][0]
    assert first["name"] == f"{export_directory.name}, Keras"


def test_what_is_no_export_is_refused(
    export_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = ["benchmark", "deployment", f"--output={tmp_path / 'd.json'}"]
    assert cli.run([*words, f"--exports={tmp_path / 'empty'}"]) == 2
    assert "has no report.json; give directories that `export` wrote" in capsys.readouterr().err
    assert cli.run([*words, f"--exports={export_directory},{export_directory}"]) == 2
    assert "two are called" in capsys.readouterr().err
    shutil.copytree(export_directory, tmp_path / "unscored")
    report = json.loads((tmp_path / "unscored" / "report.json").read_text())
    report |= {"variants": [{**variant, "metrics": {}, "difference": None} for variant in report["variants"]]}
    (tmp_path / "unscored" / "report.json").write_text(json.dumps(report))
    assert cli.run([*words, f"--exports={export_directory},{tmp_path / 'unscored'}"]) == 2
    assert "unscored: has no scores; export it with --evaluation" in capsys.readouterr().err
    shutil.copytree(export_directory, tmp_path / "endless")
    report = json.loads((export_directory / "report.json").read_text())
    del report["sequence_lengths"]
    (tmp_path / "endless" / "report.json").write_text(json.dumps(report))
    assert cli.run([*words, f"--exports={tmp_path / 'endless'}"]) == 2
    assert "report.json: has no sequence_lengths; run the command that wrote it again" in capsys.readouterr().err
    shutil.copytree(export_directory, tmp_path / "other")
    report = json.loads((export_directory / "report.json").read_text())
    report["keras"]["examples"] += 1
    (tmp_path / "other" / "report.json").write_text(json.dumps(report))
    assert cli.run([*words, f"--exports={export_directory},{tmp_path / 'other'}"]) == 2
    assert "has the number of examples" in capsys.readouterr().err
    assert not (tmp_path / "d.json").exists()
