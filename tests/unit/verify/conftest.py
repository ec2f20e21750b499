"""What the tests of `verify` share: a CA, and a stack that was brought up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.layout import REPOSITORY
from settings import Settings
from tests.unit.verify.pki import Ca
from verify.certificates import Trust
from verify.stack import Stack

MakeStack = Callable[..., Stack]


@pytest.fixture(scope="session")
def ca() -> Ca:
    return Ca()


@pytest.fixture
def trust(ca: Ca, tmp_path: Path) -> Trust:
    """The system's roots and the tests' own."""
    file = tmp_path / "root.pem"
    file.write_text(ca.root)
    return Trust(file)


@pytest.fixture
def stack() -> MakeStack:
    """Makes a stack of Paris with the outputs that it is given, and other settings."""
    committed = Settings.read(REPOSITORY / "Pulumi.paris.yaml")
    token = "user@pve!token=6f2ad9a0-0000-4000-8000-000000000001"

    def make(outputs: dict[str, Any] | None = None, api_token: str = token, **settings: Any) -> Stack:
        found = {"domains": ["ef-fr.dev"], **(outputs or {})}
        return Stack(committed.model_copy(update=settings), found, api_token)

    return make
