"""Lines that a worker prints while it waits for the others."""

import contextlib
import itertools
import socket
import time

import pytest

from mobilebert_tf.training import rendezvous
from mobilebert_tf.training.cluster import Cluster


@pytest.fixture
def answering():
    """Addresses at which something listens that is not a worker."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("localhost", 0))) for _ in range(2)]
        yield [f"localhost:{one.getsockname()[1]}" for one in sockets]


def cluster_of(*addresses):
    return Cluster(tuple((f"worker {number}", address) for number, address in enumerate(addresses)), 0)


def test_who_does_not_answer_is_named_at_once(answering):
    with socket.create_server(("localhost", 0)) as closed:
        free = f"localhost:{closed.getsockname()[1]}"
    (line,) = rendezvous.why_it_waits(cluster_of(answering[0], free), is_late=False)
    assert line.startswith(f"waiting for worker 1 ({free}), as listed in TF_CONFIG")


def test_a_long_wait_is_told_even_where_all_answer(answering):
    cluster = cluster_of(*answering)
    assert not rendezvous.why_it_waits(cluster, is_late=False)
    (line,) = rendezvous.why_it_waits(cluster, is_late=True)
    assert line.startswith(f"still waiting for worker 1 ({answering[1]}), although something answers there; TF_CONFIG")
    (line,) = rendezvous.why_it_waits(cluster_of(answering[0]), is_late=True)
    assert line.startswith(f"still waiting for worker 0 ({answering[0]})")


def test_a_name_that_nobody_knows_is_told(answering):
    """The worker's own address is checked too, since TensorFlow would wait for itself."""
    strange = "nosuchhost.invalid:2222"
    (line,) = rendezvous.why_it_waits(cluster_of(strange), is_late=False)
    assert line.startswith(f"{strange}, the address of this worker 0, cannot be resolved; TF_CONFIG needs one")
    (line,) = rendezvous.why_it_waits(cluster_of(answering[0], strange), is_late=False)
    assert line.startswith(f"waiting for worker 1 ({strange}, which cannot be resolved), as listed in TF_CONFIG")


def test_lines_come_after_a_quarter_of_a_minute_and_then_each_minute(monkeypatch, capsys):
    clock = itertools.count(0, 0.5)
    now = [next(clock)]
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(next(clock)))
    monkeypatch.setattr(time, "monotonic", lambda: now[-1])
    monkeypatch.setattr(rendezvous, "why_it_waits", lambda cluster, is_late: [f"{now[-1]:.0f} {is_late}"])
    monkeypatch.setattr(rendezvous, "_is_asked_to_stop", lambda worker: now[-1] > 130)
    monkeypatch.setattr(rendezvous.os, "kill", lambda process, number: None)
    rendezvous._watch(cluster_of("a:1"), 1)
    printed = capsys.readouterr().err.splitlines()
    assert printed[:-1] == ["15 False", "60 True", "120 True"] and printed[-1].startswith("stopped by SIGTERM")
