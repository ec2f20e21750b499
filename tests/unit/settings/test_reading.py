"""How a stack's values are read: all problems at once, secrets never shown, and what the engine hands over."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator

import pulumi
import pytest
from pydantic import SecretStr

from settings import PROJECT, Settings, SettingsError
from tests.unit.settings.cases import TOKEN, VALID, Raw, drop, problems_of, put


def test_a_valid_site_has_the_shared_defaults() -> None:
    settings = Settings.parse("Pulumi.paris.yaml", "paris", VALID)

    assert settings.access.user == "ossng"
    assert settings.kubernetes is not None
    assert settings.kubernetes.version == "1.35.4"
    assert settings.pools[1].offsets == range(201, 204)
    assert len(settings.network.dhcp) == 100
    assert [pool.boot.order for pool in settings.pools] == [2, 3]
    assert settings.protection


def test_all_problems_come_in_one_message() -> None:
    raw = copy.deepcopy(VALID)
    for change in (
        drop("proxmoxApiToken"),
        put("sit", "s3cret"),
        put("proxmox.vmIdBase", True),
        put("pools.0.count", 2),
        put("network.loadBalancers.first", "10.75.10.150"),
        put("kubernetes.apiServer", "10.75.10.160"),
    ):
        change(raw)

    with pytest.raises(SettingsError) as caught:
        Settings.parse("Pulumi.paris.yaml", "paris", raw)

    assert {problem.rule for problem in caught.value.problems} == {
        "missing-secret",
        "unknown-key",
        "int-type",
        "even-control-plane",
        "range-overlap",
        "api-in-dhcp",
        "api-in-loadbalancers",
    }
    assert all(line.startswith("Pulumi.paris.yaml: oss-nextgen:") for line in str(caught.value).splitlines())
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [None, SecretStr("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=")])
def test_a_stack_may_lack_the_key_of_transfers(value: SecretStr | None) -> None:
    raw = {**VALID, "dnsTransferKey": value} if value else VALID

    assert Settings.parse("Pulumi.paris.yaml", "paris", raw).site == "paris"


def test_a_key_of_transfers_is_32_bytes() -> None:
    problems = problems_of({**VALID, "dnsTransferKey": SecretStr("c2VjcmV0")})

    assert "openssl rand -base64 32" in problems["malformed-secret"][0]
    assert "c2VjcmV0" not in problems["malformed-secret"][0]


@pytest.mark.parametrize("value", ["s3cret \ud800", json.loads("[" * 300 + "]" * 300)], ids=["escape", "depth"])
def test_what_is_no_json_is_refused_as_a_whole(value: object) -> None:
    problems = problems_of({**VALID, "site": value})

    assert list(problems) == ["not-json"]
    assert "s3cret" not in problems["not-json"][0]


@pytest.mark.parametrize("key", ["proxmoxApiToken", "dnsTransferKey"])
def test_an_empty_secret_is_none(key: str) -> None:
    empty = {**VALID, key: SecretStr("")}

    assert list(problems_of(empty)) == ["malformed-secret"]
    assert Settings.parse("Pulumi.paris.yaml", "paris", empty, secrets_required=False).site == "paris"


def test_an_unknown_section_is_told_the_secret_keys_too() -> None:
    problems = problems_of({**VALID, "proxmoxApitoken": "s3cret"})

    assert problems["unknown-key"][0].startswith(
        "oss-nextgen:proxmoxApitoken is not a setting: did you mean proxmoxApiToken"
    )


def test_an_encrypted_section_is_not_called_missing() -> None:
    assert list(problems_of({**VALID, "network": SecretStr("{}")})) == ["unexpected-secret"]


def test_a_list_with_one_bad_entry_is_not_called_empty() -> None:
    assert list(problems_of({**VALID, "domains": ["dev"]})) == ["bad-domain"]


def test_a_key_is_spelt_one_way_only() -> None:
    raw = copy.deepcopy(VALID)
    put("proxmox.vm_id_base", 2000)(raw)

    assert problems_of(raw)["unknown-key"] == [
        "oss-nextgen:proxmox.vm_id_base is not a setting: did you mean vmIdBase?"
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("proxmox.endpoint", "https://admin:s3cret@pve:8006"),
        ("proxmox.endpoint", "https://admin:s3 s3cret@pve:8006"),
        ("image.iso.url", "https://admin:s3cret@host/debian.iso"),
        ("kubernetes.kubespray.repository", "ssh://git:s3cret@host/kubespray"),
        ("kubernetes.version", "ossng@pve!pulumi=s3cret"),
        ("network", "https://admin:s3c/s3cret@host"),
        ("network", {"password": "s3cret"}),
        ("domains", {"password": "s3cret"}),
    ],
)
def test_no_message_repeats_a_password(path: str, value: object) -> None:
    raw = copy.deepcopy(VALID)
    put(path, value)(raw)

    assert "s3cret" not in str(problems_of(raw))


def test_a_secret_is_not_demanded_of_a_committed_file() -> None:
    raw = {key: value for key, value in VALID.items() if key != "proxmoxApiToken"}

    assert Settings.parse("Pulumi.paris.yaml", "paris", raw, secrets_required=False).site == "paris"


class TestLoad:
    """What the engine hands over: text, with lists and mappings as JSON, and the names of the secret keys."""

    def configure(self, raw: Raw, secrets: list[str]) -> None:
        texts = {
            f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in raw.items()
        }
        pulumi.runtime.set_all_config(texts, secrets)

    @pytest.fixture(autouse=True)
    def _paris(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(pulumi, "get_stack", lambda: "paris")
        yield
        pulumi.runtime.set_all_config({}, [])

    def test_reads_what_the_engine_hands_over(self) -> None:
        self.configure({**VALID, "proxmoxApiToken": TOKEN, "protection": False}, [f"{PROJECT}:proxmoxApiToken"])

        settings = Settings.load()

        assert str(settings.network.dhcp) == "10.75.10.100-10.75.10.199"
        assert settings.protection is False

    def test_the_engines_own_keys_are_not_ours(self) -> None:
        self.configure({**VALID, "proxmoxApiToken": TOKEN}, [f"{PROJECT}:proxmoxApiToken"])
        pulumi.runtime.set_config("pulumi:disable-default-providers", '["random"]')

        assert Settings.load().site == "paris"

    def test_finds_an_unknown_key_and_a_clear_token(self) -> None:
        self.configure({**VALID, "proxmoxApiToken": TOKEN, "protecton": False}, [])

        with pytest.raises(pulumi.RunError) as caught:
            Settings.load()

        assert "oss-nextgen:protecton is not a setting: did you mean protection?" in str(caught.value)
        assert "oss-nextgen:proxmoxApiToken stands in clear" in str(caught.value)
        assert TOKEN not in str(caught.value)

    def test_text_that_only_looks_like_json_is_text(self) -> None:
        self.configure({**VALID, "proxmoxApiToken": TOKEN, "site": "[paris"}, [f"{PROJECT}:proxmoxApiToken"])

        with pytest.raises(SettingsError, match=r'site is "\[paris": must be 2 to 24'):
            Settings.load()
