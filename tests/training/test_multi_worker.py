"""Two real processes that train one student with TF_CONFIG."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.training import cluster

from .conftest import TRAINING, assert_same_weights, words

TRANSFER = """
import sys
import numpy as np, tensorflow as tf
from mobilebert_tf import quiet; quiet.start_tensorflow()
from pathlib import Path
place, kind = Path(sys.argv[1]), sys.argv[2]
cpu = tf.config.list_physical_devices("CPU")[0]
if kind == "mirrored":
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = {
    "one": tf.distribute.get_strategy,
    "mirrored": lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
    "workers": tf.distribute.MultiWorkerMirroredStrategy,
}[kind]()
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.training import cluster, loop, replicas
from mobilebert_tf.transfer import stages, strategies
loop.set_up(0)
index = cluster.from_environment().index if kind == "workers" else 0

def config(preset):
    return MobileBertConfig.preset(preset, vocab_size=50, initializer_range=0.3)

def batches(stage):
    def batch(i):
        draw = lambda shape, most, seed: tf.random.stateless_uniform(shape, (i, seed), 0, most, tf.int32)
        length, words = 4 + draw((8, 1), 9, 1), 1 + draw((8, 1), 3, 2)  # halves that differ in what counts
        return {
            "input_ids": draw((8, 12), 50, 3),
            "input_mask": tf.cast(tf.range(12)[None] < length, tf.int32),
            "segment_ids": draw((8, 12), 2, 4),
            "masked_lm_positions": draw((8, 3), 4, 5),
            "masked_lm_ids": draw((8, 3), 50, 6),
            "masked_lm_weights": tf.cast(tf.range(3)[None] < words, tf.float32),
            "next_sentence_labels": draw((8,), 2, 7),
        }
    return lambda start: tf.data.Dataset.range(stage.first_example // 8 + start, 1 << 40).map(batch)

with strategy.scope():
    teacher, student = PretrainingModel(config("debug_teacher")), PretrainingModel(config("debug_student"))
plan = strategies.plan(strategies.TransferOptions(batch_size=8, transfer_steps=4, distillation_steps=4), 2)
options = loop.LoopOptions(steps_per_call=2, strategy=strategy, writes=index == 0)
directory = place / f"directory-{kind}"
directory.mkdir(exist_ok=True)
stages.run(plan, teacher, student, batches, options, directory)
replicas.count_workers(strategy, True)
np.savez(place / f"{kind}-{index}.npz", **{w.path.replace("/", "."): np.asarray(w) for w in student.trainable_weights})
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for opened in sockets:
        opened.bind(("localhost", 0))
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def start_workers(words, place, second=None):
    """Start two workers of one cluster, with the same command or with another one in the second."""
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        out = open(place / f"worker-{index}.log", "w")
        environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
        command = second if second and index else words
        processes.append(subprocess.Popen(command, cwd=place, env=environment, stdout=out, stderr=out))
        out.close()
    return processes


def log_of(place, index):
    return (place / f"worker-{index}.log").read_text()


@pytest.mark.slow
def test_workers_and_replicas_equal_one_process(tmp_path):
    """Run a plan in one process, on two logical devices, and in two processes, with the same global batch."""
    for kind in ("one", "mirrored"):
        subprocess.run([sys.executable, "-c", TRANSFER, str(tmp_path), kind], check=True, capture_output=True)
    for index, process in enumerate(
        start_workers([sys.executable, "-c", TRANSFER, str(tmp_path), "workers"], tmp_path)
    ):
        assert process.wait(300) == 0, log_of(tmp_path, index)
    one, mirrored, first, second = (
        np.load(tmp_path / f"{name}.npz") for name in ("one-0", "mirrored-0", "workers-0", "workers-1")
    )
    numbers, off = 0, 0
    for name in one.files:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        for other in (mirrored, first):
            # Twelve updates at up to 1.5e-3. Sums over the batch are in another order; Adam divides a gradient by its
            # size, so rounding shows as part of a step where the gradient is nearly 0, and nowhere else.
            difference = np.abs(one[name] - other[name])
            assert difference.max() < 2e-3, name
            numbers, off = numbers + difference.size, off + int((difference > 1e-5).sum())
    assert off < 0.01 * numbers
    rows = {
        kind: [json.loads(line) for line in open(tmp_path / f"directory-{kind}" / "log.jsonl")]
        for kind in ("one", "mirrored", "workers")
    }
    for kind in ("mirrored", "workers"):
        for row, expected in zip(rows[kind], rows["one"], strict=True):
            # The log has six digits. Averaging halves that count different numbers of tokens would be off by percents.
            for term in set(expected) - {"stage", "steps_per_second"}:
                assert row[term] == pytest.approx(expected[term], rel=2e-4, abs=1e-5), (kind, term)


@pytest.mark.slow
def test_a_job_that_lost_a_worker_goes_on(place):
    """Killing one worker ends the other with one line; started again, both end as an undisturbed job; one writes."""
    options = {**TRAINING["distill"], "transfer_steps": 40, "distribution": "multi_worker"}

    def start(output):
        return start_workers(words("distill", {**options, "output": output}), place)

    for index, process in enumerate(start("undisturbed")):
        assert process.wait(300) == 0, log_of(place, index)
    assert "wrote" in log_of(place, 0) and "another worker writes" in log_of(place, 1)
    assert "wrote" not in log_of(place, 1)

    processes = start("killed")
    journal = place / "killed" / "journal.jsonl"
    while not (journal.exists() and "saved" in journal.read_text()):
        assert processes[1].poll() is None, log_of(place, 1)
        time.sleep(0.05)
    time.sleep(random.random() * 0.3)
    processes[1].send_signal(signal.SIGKILL)
    assert processes[0].wait(120) == 1
    # It need not be the last line of the file, since printed output is buffered until the process ends.
    (said,) = [line for line in log_of(place, 0).splitlines() if line.startswith("mobilebert-tf")]
    assert "another worker no longer answers" in said and "continue from the last checkpoint" in said
    for index, process in enumerate(start("killed")):
        assert process.wait(300) == 0, log_of(place, index)
    assert_same_weights(place / "undisturbed", place / "killed")


@pytest.mark.slow
def test_workers_end_early_together_with_the_best_weights(place):
    """Only the chief measures; at a rate of zero the weights before the first step are the best."""
    options = {**TRAINING["finetune_best"], "learning_rate": 0, "patience": 3, "distribution": "multi_worker"}
    processes = start_workers(words("finetune", {**options, "output": "early"}), place)
    for index, process in enumerate(processes):
        assert process.wait(300) == 0, log_of(place, index)
    kept = json.loads((place / "early" / "metrics.json").read_text())["kept"]
    assert (kept["weights"], kept["step"], kept["trained_steps"]) == ("best", 0, 15)


def refused(processes, place):
    """The lines with which two workers end that must be refused."""
    for index, process in enumerate(processes):
        assert process.wait(300) == 2, log_of(place, index)
    (first,), (second,) = (
        [line for line in log_of(place, index).splitlines() if line.startswith("mobilebert-tf")] for index in (0, 1)
    )
    return first, second


@pytest.mark.slow
def test_workers_that_see_different_directories_are_refused(place):
    """Otherwise the chief would continue from its checkpoint and the other from new weights, silently averaged."""
    options = {**TRAINING["pretrain"], "distribution": "multi_worker", "accept_changes": "true"}

    def start(steps):
        one, other = (words("pretrain", {**options, "steps": steps, "output": name}) for name in ("seen", "unseen"))
        return start_workers(one, place, second=other)

    for index, process in enumerate(start(10)):
        assert process.wait(300) == 0, log_of(place, index)
    weights = (place / "seen" / "model.weights.h5").read_bytes()
    for line, output in zip(refused(start(20), place), ("seen", "unseen"), strict=True):
        assert (
            f"worker 1 has step 0, but worker 0 has step 10: --output={output} is not the same directory for both"
            in line
        )
    assert (place / "seen" / "model.weights.h5").read_bytes() == weights


@pytest.mark.slow
def test_workers_of_different_commands_are_refused(place):
    """The workers have no common run.json to compare. Networks of other sizes would not even reach a first step."""
    options = {**TRAINING["pretrain"], "distribution": "multi_worker", "output": "one"}
    other = {**options, "output": "other", "model": "debug_student", "learning_rate": 0.1, "measure_every": 7}
    for line in refused(start_workers(words("pretrain", options), place, second=words("pretrain", other)), place):
        assert "worker 1 has --model debug_student, --learning_rate 0.1, --measure_every 7, but worker 0 has" in line
        assert "--learning_rate 0.0015, --measure_every 1000: give the same command in each process" in line
    assert not (place / "one").exists()


def configured(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    return cluster.from_environment()


def test_who_writes(monkeypatch):
    workers = {"worker": ["a:1", "b:1", "c:1"]}
    for index in range(3):
        task = {"cluster": workers, "task": {"type": "worker", "index": index}}
        own = configured(monkeypatch, json.dumps(task))
        assert (own.workers, own.index, own.is_chief) == (3, index, index == 0)
    with_chief = {"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}
    own = configured(monkeypatch, json.dumps(with_chief))
    assert (own.workers, own.index, own.is_chief) == (2, 1, False)


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "needs TF_CONFIG"),
        ("{", "TF_CONFIG: is not readable as JSON"),
        ("[]", "TF_CONFIG: is .*; it must be an object"),
        ('{"cluster": {"worker": ["a:1"]}}', "TF_CONFIG: has no 'task'; it must have the form"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "worker 1 is not one of"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "ps 0 is not one of"),
    ],
)
def test_a_wrong_tf_config_is_named(monkeypatch, text, said):
    with pytest.raises(UsageError, match=said):
        configured(monkeypatch, text)


def with_worker(address):
    return json.dumps({"cluster": {"worker": ["a:1", address]}, "task": {"type": "worker", "index": 0}})


@pytest.mark.parametrize(
    "address", ["localhost", "localhost:", ":2222", "localhost:x", "a:99999", "a:0", "::1:2222", "http://a:1", "a b:1"]
)
def test_an_address_that_is_none_is_named(monkeypatch, address):
    """TensorFlow would report a port that cannot be parsed without naming it, or wait for ever."""
    with pytest.raises(UsageError) as refused:
        configured(monkeypatch, with_worker(address))
    assert str(refused.value) == f"TF_CONFIG: cluster.worker[1] is '{address}'; it must be host:port"


@pytest.mark.parametrize("address", ["localhost:65535", "10.0.0.1:1", "job-1.svc.cluster.local:2222", "[::1]:2222"])
def test_addresses_of_all_kinds_are_taken(monkeypatch, address):
    assert configured(monkeypatch, with_worker(address)).places[1] == ("worker 1", address)


def test_two_workers_cannot_have_one_address(monkeypatch):
    with pytest.raises(UsageError, match=r"cluster.worker\[1\] is 'a:1', which another process has too; each needs"):
        configured(monkeypatch, with_worker("a:1"))


@pytest.mark.slow
@pytest.mark.parametrize("index, number", [(0, signal.SIGTERM), (1, signal.SIGINT)])
def test_a_worker_that_waits_alone_says_for_whom_and_can_be_stopped(index, number, made_alone):
    """TensorFlow waits for the others in native code, silently and without handling signals."""
    process, addresses, log = made_alone(index)
    end = time.monotonic() + 60
    while "waiting for" not in log.read_text() and time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        time.sleep(0.5)
    other = 1 - index
    assert f"waiting for worker {other} ({addresses[other]})" in log.read_text()
    process.send_signal(number)
    assert process.wait(15) != 0
    assert "Traceback" not in log.read_text()


@pytest.fixture
def made_alone(tmp_path):
    """A function that starts one of two workers; the other never starts."""
    started = []

    def start(index):
        addresses = [f"localhost:{port}" for port in free_ports(2)]
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        program = (
            "from mobilebert_tf.training import stopping; stopping.hold_back()\n"  # as cli does
            "from mobilebert_tf import quiet; quiet.start_tensorflow()\n"
            "from mobilebert_tf.commands.training_options import _STRATEGIES\n"
            "import tensorflow as tf; _STRATEGIES['multi_worker'](tf, '')"
        )
        log = tmp_path / "log"
        with open(log, "w") as out:
            environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
            words = [sys.executable, "-c", program]
            started.append(subprocess.Popen(words, env=environment, stdout=out, stderr=out))
        return started[0], addresses, log

    yield start
    started[0].kill()
    started[0].wait()
