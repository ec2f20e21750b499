"""What the tests of `verify` share: a CA, and a stack that was brought up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from settings import Proxmox
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
    """Makes a stack with the outputs that it is given."""

    def make(outputs: dict[str, Any] | None = None, **changes: Any) -> Stack:
        fields: dict[str, Any] = {
            "name": "paris",
            "outputs": {"domains": ["ef-fr.dev"], **(outputs or {})},
            "proxmox": Proxmox(endpoint="https://pve.example:8006", nodes=("pve1",), vm_id_base=2000),
            "api_token": "user@pve!token=6f2ad9a0-0000-4000-8000-000000000001",
            "has_cluster": True,
            "has_services": True,
        }
        return Stack(**{**fields, **changes})

    return make
