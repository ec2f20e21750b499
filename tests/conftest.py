"""What every test needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pulumi.runtime.settings import get_root_resource

# The programs under test are started some thousand times: what Python has compiled of them is kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

LONGEST = ("change_control", "cluster_life", "socle_life", "paris", "backup", "faults", "images_life")
"""Files of tests/lab that take minutes each, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: begun late, one would end alone. Within a file, tests keep their order."""

    def rank(item: pytest.Item) -> int:
        name = item.path.stem.removeprefix("test_")
        return LONGEST.index(name) if item.path.parent.name == "lab" and name in LONGEST else len(LONGEST)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def kept_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One loop for the whole session: one that nobody refers to any more is reported as unclosed."""
    loops = [asyncio.new_event_loop()]

    def another() -> None:
        """Pulumi's mocks answer in threads, and would make a loop for each that nobody closes."""
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    # Nobody asks the outputs of a refused program why it was refused, and asyncio would tell of each as garbage. A
    # traceback that is written while Python parses (pydantic reads docstrings so) ends that with a SystemError.
    loops[0].set_exception_handler(lambda *_: None)
    loops[0].set_default_executor(ThreadPoolExecutor(initializer=another))
    yield loops[0]
    for loop in loops:
        loop.close()


@pytest.fixture(autouse=True)
def event_loop(kept_loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Pulumi's SDK wants the thread's event loop, which any `asyncio.run` before took away."""
    asyncio.set_event_loop(kept_loop)
    yield
    # The root that the mocks made is the next test's as well: it would wait for its URN for ever.
    if root := get_root_resource():
        kept_loop.run_until_complete(asyncio.wait([kept_loop.create_task(root.urn.future())], timeout=10))
    # What a refused program has left undone would fail in the next test.
    if left := asyncio.all_tasks(kept_loop):
        for task in left:
            task.cancel()
        kept_loop.run_until_complete(asyncio.wait(left))
