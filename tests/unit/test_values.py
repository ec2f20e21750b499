"""Values of the releases: the files, how they are merged, and what must never be in them."""

import re
from ipaddress import IPv4Address

import pulumi
import pytest
import yaml

from components.socle.metallb import without
from components.socle.release import FOLDER, file_values, merged
from components.socle.tls_secrets import secret_name
from settings import AddressRange, Charts

RELEASES = [name.replace("_", "-") for name in Charts.model_fields]


def test_every_release_has_a_values_file_and_every_file_a_release() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(RELEASES)


@pytest.mark.parametrize("name", RELEASES)
def test_a_values_file_holds_no_secret(name: str) -> None:
    secret = re.compile(r"(?i)(password|secret_?key|token)$")
    assert [path for path, value in leaves(file_values(name)) if secret.search(path) and value] == []


@pytest.mark.parametrize("name", RELEASES)
def test_a_values_file_says_each_key_once(name: str) -> None:
    yaml.load((FOLDER / f"{name}.yaml").read_text(), Loader=Strict)  # noqa: S506 - a safe loader, made stricter


def test_values_merge_as_helm_merges_them() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": "file", "e": {"f": 1}}
    over = {"a": {"c": [3]}, "d": "code", "e": None}
    assert merged(base, over) == {"a": {"b": 1, "c": [3]}, "d": "code", "e": None}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": "file", "e": {"f": 1}}


def test_a_value_that_is_known_later_is_kept_as_it_is() -> None:
    later = pulumi.Output.from_input("x")
    assert merged({"a": {"b": 1}}, {"a": {"c": later}})["a"]["c"] is later


def test_a_missing_values_file_is_an_error_that_names_it() -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.yaml"):
        file_values("nothing")


@pytest.mark.parametrize(
    ("first", "last", "left"),
    [
        (200, 201, ["10.0.0.202-10.0.0.209"]),
        (203, 203, ["10.0.0.200-10.0.0.202", "10.0.0.204-10.0.0.209"]),
        (209, 216, ["10.0.0.200-10.0.0.208"]),
        (192, 199, ["10.0.0.200-10.0.0.209"]),
        (210, 217, ["10.0.0.200-10.0.0.209"]),
        (200, 209, []),
    ],
)
def test_reserved_addresses_are_left_out(first: int, last: int, left: list[str]) -> None:
    addresses = AddressRange(first=IPv4Address("10.0.0.200"), last=IPv4Address("10.0.0.209"))
    reserved = AddressRange(first=IPv4Address(f"10.0.0.{first}"), last=IPv4Address(f"10.0.0.{last}"))
    assert without(addresses, reserved) == left


def test_a_secret_is_called_after_its_zone() -> None:
    assert secret_name("toulouse.ef-fr.dev") == "toulouse-ef-fr-dev-tls"


class Strict(yaml.SafeLoader):
    """YAML would let the last of two equal keys win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice: {keys}"
        return super().construct_mapping(node, deep)


def leaves(values: object, path: str = "") -> list[tuple[str, object]]:
    if isinstance(values, dict):
        return [leaf for key, value in values.items() for leaf in leaves(value, f"{path}.{key}")]
    return [(path, values)]
