"""A pool of fresh processes that returns results in the order of the items."""

from __future__ import annotations

import collections
import concurrent.futures
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mobilebert_tf import child_process
from mobilebert_tf.errors import FailedError

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """The result of `work(item)` for each item, in order, by `workers` processes (0: one per core, 1: only this one).

    Items are taken as results are consumed, so an endless stream needs little memory.
    Processes are spawned, since a fork of a process that runs TensorFlow can hang.

    Raises:
      FailedError: a worker process was killed, as the system does when memory runs out.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    waiting: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    try:
        for item in items:
            with child_process.safe_path():  # the first submission starts all processes
                waiting.append(pool.submit(work, item))
            # Enough items are queued that no worker idles while the oldest one is still running.
            if len(waiting) >= 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except concurrent.futures.process.BrokenProcessPool:
        raise FailedError("a worker process was killed; if memory ran out, give fewer --workers") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Make the worker end with the command, and `tokenizers` use no threads: the processes share the cores."""
    child_process.end_with_parent()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
