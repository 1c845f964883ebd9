"""The kinds of task, by name."""

from __future__ import annotations

from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.embedding import EmbeddingTask
from mobilebert_tf.tasks.entities import EntitiesTask
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.prototypes import PrototypesTask
from mobilebert_tf.tasks.questions import QuestionsTask
from mobilebert_tf.tasks.regression import RegressionTask

_ALL = (
    ClassificationTask,
    RegressionTask,
    MultilabelTask,
    QuestionsTask,
    EntitiesTask,
    EmbeddingTask,
    PrototypesTask,
)

KINDS = {kind.name: kind for kind in _ALL}
"""Every kind that task.json and --task can name."""
