"""What reaches too far is refused, by name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ci import brake, nouns
from settings import ChangeControl, Limit
from tests.unit.ci.steps import change_set, step

CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
EXISTING = {"machines": 6, "zones": 2, "volumes": 4}


def vms(op: str, count: int) -> list[dict[str, Any]]:
    return [step(op, nouns.VM, "it", {"name": f"paris-workers-{number}"}, {}) for number in range(1, count + 1)]


def refusals(steps: list[dict[str, Any]], limits: ChangeControl | None = None) -> list[str]:
    return [*brake.refusals(change_set(*steps), EXISTING, limits or ChangeControl())]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (vms("delete", 2), "2 of 6 machines would be replaced or deleted, and changeControl.machines allows 1"),
        (vms("replace", 6), "6 of 6 machines"),
        ([step("delete", nouns.ZONE, "z", {"zone": "ef-fr.dev."})], "1 of 2 zones"),
        ([step("replace", CLAIM, "c", {}, {"metadata": {"name": "d", "namespace": "dns"}})], "1 of 4 volumes"),
        ([step("delete", nouns.RELEASE, "longhorn", {"chart": "longhorn", "name": "longhorn"})], "release longhorn"),
    ],
    ids=["machines-deleted", "machines-replaced", "zone", "volume", "longhorn"],
)
def test_too_much_is_refused(steps: list[dict[str, Any]], said: str) -> None:
    (text,) = refusals(steps)
    assert said in text
    for way_out in ("smaller steps", brake.LABEL, "Pulumi.paris.yaml"):
        assert way_out in text


@pytest.mark.parametrize(
    "steps",
    [
        vms("delete", 1),
        vms("update", 6),
        vms("create", 50),
        [step("delete", nouns.RELEASE, "h", {"chart": "homepage"})],
        [step("delete", nouns.ZONE, "z", {"zone": "ef-fr.dev.", "kind": "Secondary"})],
    ],
    ids=["one-machine", "updates", "creations", "what-can-be-made-again", "what-is-a-copy"],
)
def test_the_rest_passes(steps: list[dict[str, Any]]) -> None:
    assert refusals(steps) == []


def test_the_smaller_of_number_and_share_counts() -> None:
    few = ChangeControl(machines=Limit(count=5, share=0.34))
    assert "allows 2" in refusals(vms("delete", 3), few)[0]
    assert refusals(vms("delete", 2), few) == []
    assert refusals(vms("delete", 6), ChangeControl(machines=Limit(count=100))) == []


def test_the_names_of_many_are_cut() -> None:
    (text,) = refusals(vms("delete", 13))
    assert "VM paris-workers-10 and 3 more" in text


def test_totals_are_those_of_the_state() -> None:
    resources: list[dict[str, Any]] = [
        {"type": nouns.VM, "inputs": {}},
        {"type": nouns.VM},
        {"type": nouns.RELEASE, "inputs": {"chart": "longhorn"}},
        {"type": nouns.RELEASE, "inputs": {"chart": "homepage"}},
        {"type": nouns.ZONE, "inputs": {}},
    ]
    assert brake.totals(resources) == {"machines": 2, "zones": 1, "volumes": 1}


@pytest.mark.parametrize("values", [{"count": -1}, {"count": 1, "share": 1.1}, {"count": 1, "unknown": 1}])
def test_limits_are_checked(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Limit(**values)
