"""The parts of a plugin that need no engine: validation and comparison."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar

import pytest

from lab.plugins.base import UNKNOWN, Call, Change, Plugin, Props, Resource, ResourceError, compare, contains_unknown


class Thing(Resource):
    token = "test:index:Thing"
    inputs: ClassVar[Mapping[str, str]] = {"name": "string", "size": "integer", "labels": "object"}
    required = frozenset({"name"})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, {}, id="same"),
        pytest.param({"a": None}, {}, {}, id="null is absent"),
        pytest.param({}, {"a": 1}, {"a": Change("add")}, id="add"),
        pytest.param({"a": 1}, {}, {"a": Change("delete")}, id="delete"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, {"a.b": Change("update")}, id="nested"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, {"a[1]": Change("delete")}, id="list"),
        pytest.param({"a": {"x.y/z": 1}}, {"a": {"x.y/z": 2}}, {'a["x.y/z"]': Change("update")}, id="quoted key"),
        pytest.param({"a": True}, {"a": 1}, {"a": Change("update")}, id="true is not 1"),
        pytest.param({"a": 1}, {"a": UNKNOWN}, {"a": Change("update")}, id="unknown"),
        pytest.param({"r": 1}, {"r": 2}, {"r": Change("update", replace=True)}, id="replace"),
        pytest.param({"n": {"r": 1}}, {"n": {"r": 2}}, {"n.r": Change("update", replace=True)}, id="nested replace"),
        pytest.param({"n": {"x": 1}}, {"n": {"x": 2}}, {"n.x": Change("update")}, id="beside the nested one"),
        pytest.param({"n": [{"r": 1}]}, {"n": [{"r": 2}]}, {"n[0].r": Change("update", replace=True)}, id="in a list"),
        pytest.param({"n": {"r": 1}}, {}, {"n": Change("delete", replace=True)}, id="holds the nested one"),
    ],
)
def test_compare(old: Props, new: Props, expected: dict[str, Change]) -> None:
    assert compare(old, new, frozenset({"r", "n.r"})) == expected


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        pytest.param({"name": "a", "size": 1, "labels": {}}, None, id="fine"),
        pytest.param({"name": UNKNOWN, "size": UNKNOWN}, None, id="unknown values have any type"),
        pytest.param({"name": "a", "size": None}, None, id="null"),
        pytest.param({}, ("name", "test:index:Thing requires it"), id="missing"),
        pytest.param({"name": None}, ("name", "test:index:Thing requires it"), id="null is missing"),
        pytest.param({"name": "a", "colour": "red"}, ("colour", "it takes: labels, name, size"), id="not an input"),
        pytest.param({"name": 1}, ("name", "must be of type string, not int"), id="type"),
        pytest.param(
            {"name": "a", "size": True}, ("size", "must be of type integer, not bool"), id="true is no number"
        ),
        pytest.param({"name": "a", "size": 1.5}, ("size", "must be of type integer, not float"), id="not whole"),
    ],
)
def test_check(inputs: Props, problem: tuple[str, str] | None, call: Call) -> None:
    checked, failures = Thing().check(inputs, None, call)
    assert checked == inputs
    assert [failure.property for failure in failures] == ([problem[0]] if problem else [])
    assert not problem or problem[1] in failures[0].reason


def test_unknown_type_is_refused_by_name() -> None:
    class Empty(Plugin):
        name = "test"

    with pytest.raises(ResourceError, match="the lab's test plugin does not model test:index:Other"):
        Empty().resource("test:index:Other")


def test_unknown_survives_copies() -> None:
    value = copy.deepcopy({"a": [UNKNOWN]})
    assert value["a"][0] is UNKNOWN
    assert contains_unknown(value)
    assert not contains_unknown({"a": [1, "x", None]})
