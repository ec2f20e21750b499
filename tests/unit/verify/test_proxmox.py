"""The quorum of a cluster, asked of a real HTTP API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from settings import Proxmox
from tests.unit.verify.conftest import MakeStack
from verify.checks import CheckFailed
from verify.proxmox import quorum


def site(stack: MakeStack, proxmox: Any, token: str) -> Any:
    settings = Proxmox(endpoint=proxmox.url, nodes=("pve1", "pve2"), vm_id_base=2000)
    return stack(proxmox=settings, api_token=token)


def test_a_quorate_cluster(stack: MakeStack, proxmox: Any, proxmox_token: str) -> None:
    proxmox.add_node("pve2")
    assert quorum(site(stack, proxmox, proxmox_token)) == "2 nodes online"


@pytest.mark.parametrize(
    ("break_it", "reasons"),
    [
        (lambda pve: pve.lose_quorum(), ["has no quorum: bring its missing nodes back"]),
        (lambda pve: pve.set_node_offline("pve2"), ["the node pve2 is not online"]),
        (lambda pve: (pve.lose_quorum(), pve.set_node_offline("pve2")), ["has no quorum", "pve2 is not online"]),
        (lambda pve: pve.apitokens.clear(), ["HTTP 401"]),
    ],
)
def test_a_cluster_that_is_not_well(
    stack: MakeStack, proxmox: Any, proxmox_token: str, break_it: Callable[[Any], object], reasons: list[str]
) -> None:
    proxmox.add_node("pve2")
    break_it(proxmox)
    with pytest.raises(CheckFailed) as failure:
        quorum(site(stack, proxmox, proxmox_token))
    assert all(reason in str(failure.value) for reason in reasons)
    assert proxmox_token.partition("=")[2] not in str(failure.value)


def test_no_answer(stack: MakeStack) -> None:
    settings = Proxmox(endpoint="https://127.93.0.99:8006", nodes=("pve1",), vm_id_base=2000)
    with pytest.raises(CheckFailed, match="no answer"):
        quorum(stack(proxmox=settings))
