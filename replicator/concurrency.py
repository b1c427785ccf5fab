"""Making many small remote calls at the same time, without a queue of futures as long as the work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def concurrently(
    function: Callable[[Item], Result], items: Iterable[Item] | deque[Item], workers: int
) -> Iterator[Result]:
    """Yield `function(item)` for each item as it completes, at most *workers* at once.

    A deque is emptied, and can be appended to while the results are consumed: that is how a tree is walked.
    The first exception ends the iteration, after the calls under way.
    """
    queue = items if isinstance(items, deque) else deque(items)
    pending: set[Future[Result]] = set()
    with ThreadPoolExecutor(workers) as pool:
        try:
            while queue or pending:
                while queue and len(pending) < 2 * workers:
                    pending.add(pool.submit(function, queue.popleft()))
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in pending:
                future.cancel()
