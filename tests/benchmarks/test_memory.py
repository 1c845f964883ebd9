"""`benchmark memory`: files are made once, each is loaded with every cache, and the table's figures."""

import mmap
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.files import host
from mobilebert_tf.benchmarks.files.configuration import Configuration
from mobilebert_tf.benchmarks.files.memory import held
from mobilebert_tf.benchmarks.report import memory as report
from mobilebert_tf.commands.benchmark_memory import BenchmarkMemory


def result() -> dict:
    """A result of one recipe with one length and with two, without a cache and with one in a file."""

    def subject(lengths: list, cache: str, private: float, used: float, loads: list) -> dict:
        rounds = [
            {
                "samples": [1.0], "load_ms": load, "first_ms": 2.0, "memory_mib": {"private": private, "shared": 3.0},
                "memory_used_mib": {"private": used, "shared": 3.0}, "foreign_cores": 0.0,
                **({"cache_written": number == 0, "cache_bytes": 21_000_000} if cache == "file" else {}),
            }
            for number, load in enumerate(loads)
        ]  # fmt: skip
        return {
            "name": f"m, {len(lengths)}, {cache}", "title": "m", "sequence_lengths": lengths, "sha256": "0" * 64,
            "bytes": 1, "sequence_length": lengths[-1], "rounds": rounds, "summary": {"median": 1.0, "runs": 3},
            "configuration": {"threads": 1, "accelerator": "cpu", "api": "CompiledModel", "weight_cache": cache},
            "validity": {"verdict": "ok", "reasons": []},
        }  # fmt: skip

    made_by = {"command": "a", "date": "2026-11-29T06:00:00+00:00", "machine": {"model": "some processor"}}
    return {
        "schema_version": 2, "kind": "memory", "unit": "ms", "where": "host", "made_by": made_by, "settings": {},
        "runtime": {"name": "LiteRT"},
        "subjects": [
            subject([128], "off", 20, 20, [100, 110, 90]), subject([64, 128], "off", 40, 44, [150, 220, 180]),
            subject([128], "file", 5, 5, [300, 50, 50]), subject([64, 128], "file", 5, 5.5, [300, 60, 55]),
        ],
    }  # fmt: skip


@pytest.mark.skipif(held() is None, reason="this system does not tell what a process holds")
def test_pages_of_a_file_that_was_just_made_are_not_private(tmp_path: Path):
    size, page = 32 << 20, mmap.PAGESIZE
    (tmp_path / "made").write_bytes(b"\1" * size)  # not yet on the disk, so its pages are dirty
    before = held()
    with (tmp_path / "made").open("r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        assert sum(mapped[place] for place in range(0, size, page)) == size // page
        with_file = held()
        # Memory directly from the system, since a bytearray may get memory that was freed before and kept.
        with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as own:
            own.write(b"\1" * size)
            with_memory = held()
    # Python itself may take or return up to 8 MiB meanwhile; a page table for 32 MiB is 64 KiB.
    assert abs(with_file["private"] - before["private"]) < 8 and with_file["shared"] - before["shared"] > 24
    assert with_memory["private"] - with_file["private"] > 24


def test_all_are_compared_with_one_length_without_a_cache():
    written = result()
    assert schema.fault(written) is None
    rows = [dict(zip(report.HEAD, row, strict=True)) for row in report.rows(written)]
    assert [row["to one length"] for row in rows] == ["", "2.20", "0.25", "0.28"]
    assert rows[1]["load, to one length"] == "2.00", "the median of 1.5, 2 and 2: paired by round"
    assert rows[2]["load"] == "50 ms", "the process that wrote the cache's file is no warm one"
    assert rows[3]["load, to one length"] == "0.58", "the median of 60/110 and 55/90"
    assert rows[3]["bytes of the cache"] == "21.0 MB"
    assert rows[0]["bytes of the cache"] == "" and "some processor" in report.markdown(written)


def test_what_is_invalid_is_named_and_has_no_times():
    """Memory does not depend on how busy a machine is, nor does its ratio; times and their ratios do."""
    plain = [dict(zip(report.HEAD, row, strict=True)) for row in report.rows(result())]
    for number in (0, 1):
        written = result()
        written["subjects"][number]["validity"] = {"verdict": "invalid", "reasons": ["a busy machine"]}
        shown = [dict(zip(report.HEAD, row, strict=True)) for row in report.rows(written)]
        assert [row["private"] for row in shown] == [row["private"] for row in plain]
        assert [row["to one length"] for row in shown] == [row["to one length"] for row in plain]
        assert shown[number]["load"] == shown[number]["first inference"] == ""
        # Without times of the file of one length there are no ratios to them.
        assert [row["load, to one length"] != "" for row in shown] == [
            row["load, to one length"] != "" and number not in (0, at) for at, row in enumerate(plain)
        ]
        assert f"Times not shown, since invalid: m, {number + 1}, off: a busy machine" in report.markdown(written)


def test_a_file_that_was_never_run_has_no_row():
    written = result()
    written["subjects"][1] |= {"rounds": [], "validity": {"verdict": "invalid", "reasons": ["it is refused"]}}
    assert len(report.rows(written)) == 3 and "m, 2, off: it is refused" in report.markdown(written)


def test_ctrl_c_keeps_what_was_measured_though_a_file_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Of three files one has failed, one has two rounds, and one has not been run yet."""
    jobs = []
    for name in ("a", "b", "c"):
        path = tmp_path / f"{name}.tflite"
        path.write_text(name)
        jobs.append((name, host.Job(path=path, configuration=Configuration(compiled=True), lengths=(16,))))
    seen = {
        "samples": [1.0], "load_ms": 1.0, "first_ms": 1.0, "foreign_cores": 0.0, "sequence_length": 16,
        "memory_mib": {"private": 1.0, "shared": 1.0},
    }  # fmt: skip

    def turns(asked, settings, temporary, show_progress, failures):
        failures[asked[1]] = "b: refused"
        yield asked[0], [dict(seen)]
        yield asked[0], [dict(seen)]
        raise KeyboardInterrupt

    monkeypatch.setattr(BenchmarkMemory, "_jobs", lambda self: jobs)
    monkeypatch.setattr(host, "turns", turns)
    with pytest.raises(KeyboardInterrupt):
        BenchmarkMemory(output=str(tmp_path / "a.json"), files=str(tmp_path)).run()
    written = schema.read(tmp_path / "a.json")
    assert [len(one["rounds"]) for one in written["subjects"]] == [2, 0, 0]
    assert "until it was stopped" in capsys.readouterr().out


@pytest.mark.slow
def test_files_are_made_once_and_loaded_with_each_cache(tmp_path: Path, capsys):
    words = ["benchmark", "memory", "--model=debug_student", "--lengths=16;16,24", "--recipes=dynamic_int8"]
    words += ["--one_graph=16,24", "--rounds=2", "--runs=2", f"--files={tmp_path / 'files'}"]
    assert cli.run([*words, f"--output={tmp_path / 'a.json'}"]) == 0
    written = schema.read(tmp_path / "a.json")
    assert len(written["subjects"]) == 12
    kinds = [
        (len(one["sequence_lengths"]), one["one_graph"], one["configuration"]["weight_cache"])
        for one in written["subjects"]
    ]
    expected_kinds = ((1, False), (2, False), (2, True))
    assert set(kinds) == {(*kind, cache) for kind in expected_kinds for cache in report.CACHES}
    assert "2, one graph" in {row[1] for row in report.rows(written)}
    for one in written["subjects"]:
        caches = [loaded.get("cache_written") for loaded in one["rounds"]]
        expected = {"file": [True, False], "new_file": [True, True]}
        assert caches == expected.get(one["configuration"]["weight_cache"], caches)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("files/*/*.tflite")}
    assert len(times) == 3
    assert cli.run([*words, f"--output={tmp_path / 'b.json'}"]) == 0
    assert times == {path: path.stat().st_mtime_ns for path in times}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--weight_cache=disk"], "--weight_cache=disk: choose from off, memory, new_file, file"),
        (["--recipes=int3"], "--recipes=int3: choose from float32, float16, dynamic_int8, static_int8"),
        (["--lengths=16;a"], "must be"),
        (["--one_graph=16;a"], "must be"),
        (["--one_graph="], "--one_graph=: is empty"),
    ],
)
def test_wrong_use_is_a_line(tmp_path: Path, capsys, words: list, message: str):
    flags = [f"--files={tmp_path / 'files'}", f"--output={tmp_path / 'a.json'}", "--model=debug_student"]
    assert cli.run(["benchmark", "memory", *flags, *words]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1 and not (tmp_path / "files").exists()
