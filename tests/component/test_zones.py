"""What a site's settings make of its zones."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pulumi
import pytest

from components.socle import Socle, SocleArgs
from lab.layout import REPOSITORY
from settings import Settings
from tests.component.test_socle import Mocks, declare, mocks, secret

__all__ = ["mocks"]
ISSUED = {"url": "https://ca/1", "key": "key", "certificatePem": "leaf", "chainPem": "chain", "privateKeyPem": "key"}


KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="


def declared(
    mocks: Mocks,
    monkeypatch: pytest.MonkeyPatch,
    site: str,
    transfer_key: str | None = None,
    **changes: object,
) -> dict[str, dict[str, Any]]:
    """Inputs of the zones of a site whose services' settings are changed, by the resources' names."""
    made = mocks.new_resource

    def issue(args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        name, outputs = made(args)
        return name, {**outputs, **ISSUED} if "dynamic/certificates" in args.typ else outputs

    monkeypatch.setattr(mocks, "new_resource", issue)
    settings = Settings.read(REPOSITORY / f"Pulumi.{site}.yaml")
    assert settings.services
    services = settings.services.model_copy(update=changes)

    def program() -> pulumi.Output[Any]:
        changed = settings.model_copy(update={"services": services})
        key = pulumi.Output.secret(transfer_key) if transfer_key else None
        socle = Socle("socle", SocleArgs(changed, services, key))
        return pulumi.Output.all(*(zone.urn for zone in socle.zones.values()))

    declare(program)
    return mocks.of("Zone")


@pytest.mark.parametrize("allowed", [False, True])
def test_settings_allow_a_bulk_change(mocks: Mocks, monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    zones = declared(mocks, monkeypatch, "paris", dns_bulk_change=allowed)
    assert {name: zone["allowBulkChange"] for name, zone in zones.items()} == dict.fromkeys(
        ("ef-fr.dev", "ef-fr.io"), allowed
    )
    assert zones["ef-fr.dev"]["recordSets"]["ns1.ef-fr.dev A"] == "3600 10.75.10.200"


def test_paris_delegates_to_each_site_and_tells_all_copies(mocks: Mocks, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = declared(mocks, monkeypatch, "paris", KEY)
    assert zones.keys() == {"ef-fr.dev", "ef-fr.io"}
    for domain, zone in zones.items():
        assert zone["kind"] == "Primary"
        assert zone["transferKeys"] == ["oss-nextgen-transfer."]
        copies = ("10.31.10.200", "10.13.10.200", "10.59.10.200", "10.75.20.101")
        assert zone["metadata"] == {"ALSO-NOTIFY": [f"{address}:53" for address in copies]}
        assert zone["recordSets"][f"marseille.{domain} NS"] == f"3600 ns1.marseille.{domain}"
        assert zone["recordSets"][f"ns1.marseille.{domain} A"] == "3600 10.13.10.200"
    (key,) = mocks.of("TsigKey").values()
    assert key["key"] == secret(KEY)


def test_only_the_records_of_name_servers_are_for_the_internet(mocks: Mocks, monkeypatch: pytest.MonkeyPatch) -> None:
    glue = {"marseille": IPv4Address("192.0.2.13")}
    zones = declared(mocks, monkeypatch, "paris", KEY, dns_public_address=IPv4Address("192.0.2.75"), dns_glue=glue)
    public = {
        (name, key): value
        for name, zone in zones.items()
        for key, value in zone["recordSets"].items()
        if "192.0.2." in value
    }
    assert public == {
        (domain, f"{host}.{domain} A"): f"3600 {address}"
        for domain in ("ef-fr.dev", "ef-fr.io")
        for host, address in {"ns1": "192.0.2.75", "ns1.marseille": "192.0.2.13"}.items()
    }
    # The service, transfers and checks stay inside.
    inputs = [{**args.inputs, "recordSets": None} for args in mocks.made]
    assert "10.13.10.200:53" in str(inputs)
    assert "192.0.2." not in str(inputs)


def test_another_site_copies_the_zones_above_its_own(mocks: Mocks, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = declared(mocks, monkeypatch, "toulouse", KEY)
    copies = {zone["zone"]: zone for name, zone in zones.items() if name.endswith("-copy")}
    assert copies.keys() == {"ef-fr.dev", "ef-fr.io"}
    for zone in copies.values():
        assert (zone["kind"], zone["masters"], zone["recordSets"]) == ("Secondary", ["10.75.10.200:53"], {})
        assert zone["transferKeys"] == ["oss-nextgen-transfer."]
    assert zones["toulouse.ef-fr.dev"]["metadata"] == {"ALSO-NOTIFY": ["10.75.20.101:53"]}
    assert {args.name for args in mocks.made if args.typ.endswith(":AcmeCertificate")} == {
        "toulouse.ef-fr.dev-certificate",
        "toulouse.ef-fr.io-certificate",
    }


def test_without_the_key_nothing_is_transferred(
    mocks: Mocks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    zones = declared(mocks, monkeypatch, "toulouse")
    assert {name: zone["kind"] for name, zone in zones.items()} == {
        "toulouse.ef-fr.dev": "Native",
        "toulouse.ef-fr.io": "Native",
    }
    assert not any(zone["metadata"] or zone["transferKeys"] for zone in zones.values())
    assert "pulumi config set --secret oss-nextgen:dnsTransferKey -s toulouse" in caplog.text


@pytest.mark.parametrize(("changes", "warned"), [({}, True), ({"dns_delegations": {}, "dns_secondaries": ()}, False)])
def test_a_site_that_others_copy_is_told_that_they_cannot(
    mocks: Mocks,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any],
    warned: bool,
) -> None:
    declared(mocks, monkeypatch, "paris", **changes)
    assert ("oss-nextgen:dnsTransferKey is not set" in caplog.text) is warned
