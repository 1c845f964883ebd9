"""Facts that all workers must share. Their exchange is tested with real workers in test_multi_worker.py."""

import json

import pytest
import tensorflow as tf

from mobilebert_tf.errors import UsageError
from mobilebert_tf.training import replicas


def compare(monkeypatch, *facts):
    """Call `require_same` with these facts of the chief and two workers."""
    task = {"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": {"type": "chief", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    monkeypatch.setattr(replicas, "gather", lambda strategy, line: [json.dumps(each) for each in facts])
    strategy = object.__new__(tf.distribute.MultiWorkerMirroredStrategy)
    replicas.require_same(strategy, facts[0], "do otherwise")


def test_a_worker_with_other_facts_is_named(monkeypatch):
    shared = {"command": "distill", "--seed": 0, "--dtype": "float32"}
    compare(monkeypatch, shared, shared, shared)
    with pytest.raises(UsageError) as refused:
        compare(monkeypatch, shared, shared, {**shared, "--seed": 5})
    assert str(refused.value) == "worker 1 has --seed 5, but chief 0 has --seed 0: do otherwise"


def test_a_fact_that_only_one_has_is_named(monkeypatch):
    with pytest.raises(UsageError) as refused:
        compare(monkeypatch, {"command": "pretrain", "--steps": 9}, {"command": "distill", "--student": None}, {})
    text = "worker 0 has command distill, --steps left out, but chief 0 has command pretrain, --steps 9: do otherwise"
    assert str(refused.value) == text


def test_one_process_has_nobody_to_ask(monkeypatch):
    monkeypatch.setattr(replicas, "gather", None)
    replicas.require_same(tf.distribute.get_strategy(), {"step": 1}, "")
