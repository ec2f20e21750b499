"""A wrong stack file stops a run before anything is touched, with all its problems in one message."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.configuration import NAMESPACE
from lab.layout import Site
from tests.lab.conftest import LabUnderTest
from tests.unit.verify.pki import Ca

Change = Callable[[Site, dict[str, Any]], None]


def test_all_problems_come_at_once_and_nothing_is_called(clone: LabUnderTest) -> None:
    def spoil(values: dict[str, Any]) -> None:
        values["site"] = "tolouse"
        values["pools"][0]["cpus"] = 4
        values["network"]["bridge"] = "vmbr 0"
        values["services"]["dnsAdress"] = values["services"].pop("dnsAddress")

    clone.configure("toulouse", spoil)
    log = clone.site("toulouse").services / "proxmox.log"

    for command in ("preview", "up"):
        printed = clone.run(command, "toulouse", code=1)

        for problem in (
            'oss-nextgen:site is "tolouse": must be the stack\'s name, toulouse',
            "oss-nextgen:pools[0].cpus is not a setting: allowed here: name, role, count",
            'oss-nextgen:network.bridge is "vmbr 0": must be a network interface, such as vmbr0',
            "oss-nextgen:services.dnsAdress is not a setting: did you mean dnsAddress",
        ):
            assert f"Pulumi.toulouse.yaml: {problem}" in printed, printed
        assert "Traceback" not in printed
        assert "/api2/json" not in log.read_text()


def test_a_conflict_with_another_site_stops_a_preview(clone: LabUnderTest) -> None:
    clone.configure("lille", lambda values: values["proxmox"].update(vmIdBase=4500))

    printed = clone.run("preview", "lille", code=1)

    conflict = (
        'oss-nextgen:proxmox.vmIdBase is "4000-4999": must not overlap with proxmox.vmIdBase of Pulumi.lille.yaml'
    )
    assert f"Pulumi.marseille.yaml: {conflict}, 4500-5499" in printed, printed
    assert "Traceback" not in printed
    assert "/api2/json" not in (clone.site("lille").services / "proxmox.log").read_text()


def wrong_by_itself(_: Site, values: dict[str, Any]) -> None:
    """Values whose sections are then not held against others."""
    nas, server = values["externalServices"][1], Ca().issue(["nas.ef-fr.io"])
    expired = Ca().issue(["nas.ef-fr.io"], days=-1)
    values["acme"] |= {"email": "platform", "resolvers": ["1.1.1.1"]}
    values["kubernetes"]["registryMirror"] = "https://registry.ef-fr.dev"
    values["externalServices"] = [
        {**nas, "caCertificate": "-----BEGIN CERTIFICATE-----"},
        {**nas, "caCertificate": expired.certificate},
        {**nas, "caCertificate": server.certificate},
        {key: value for key, value in nas.items() if key != "caCertificate"},
    ]


def taken(site: Site, values: dict[str, Any]) -> None:
    """Addresses, names and ports that are somebody else's."""
    nas = values["externalServices"][1]
    places = (
        *("127.0.0.9", "10.233.64.9", "10.233.0.1", values["kubernetes"]["apiServer"]),
        *(values["network"]["dhcp"]["first"], values["network"]["loadBalancers"]["last"]),
    )
    values["externalServices"] = [
        *({**nas, "name": f"nas-{n}", "host": f"nas-{n}.ef-fr.io", "address": each} for n, each in enumerate(places)),
        {**nas, "name": "sso", "host": "auth.ef-fr.dev"},
        {**nas, "verify": False},
    ]
    values["services"] |= {"httpPort": 8081, "httpsPort": 8081, "dnsApiPort": 53, "dnsPort": 53}
    values["services"]["operators"] = ["0.0.0.0/0"]
    values["acme"]["resolvers"] = [f"{site.dns_address}:53"]


SAID: dict[Change, tuple[str, ...]] = {
    wrong_by_itself: (
        'acme.email is "platform": must be a mail address',
        'acme.resolvers[0] is "1.1.1.1": must be address:port',
        'kubernetes.registryMirror is "https://registry.ef-fr.dev": must be host or host:port',
        "must be one or more certificates in PEM",
        "holds the certificate of CN=nas.ef-fr.io, which expired on",
        "holds the certificate of a server, CN=nas.ef-fr.io: give that of who signed it, CN=Test Intermediate",
        "externalServices[3] is a mapping: must have a caCertificate",
    ),
    taken: (
        'externalServices[0].address is "127.0.0.9": must be the address of a host',
        'externalServices[1].address is "10.233.64.9": must be outside kubernetes.podCidr',
        'externalServices[2].address is "10.233.0.1": must be outside kubernetes.serviceCidr',
        "must not be kubernetes.apiServer",
        "must be outside network.dhcp",
        "must be outside network.loadBalancers",
        'externalServices[6].host is "auth.ef-fr.dev": must be none of the platform\'s own names',
        'externalServices[7].caCertificate is "set": must be absent, or the certificate checked',
        "services.httpsPort is 8081: must not be services.httpPort",
        "services.httpsPort is 8081: must be none of the ingress controller's own",
        "services.dnsApiPort is 53: must not be services.dnsPort",
        'services.operators[0] is "0.0.0.0/0": must be a network of operators',
        "must be a recursive resolver that sees what the authority sees",
    ),
}


@pytest.mark.parametrize("change", SAID, ids=lambda change: change.__name__)
def test_what_cannot_be_served_is_refused_and_nothing_is_called(
    clone: LabUnderTest, change: Change, tmp_path: Path
) -> None:
    site, file = clone.site("paris"), tmp_path / "stack.yaml"
    assert clone.shell("paris", "pulumi stack ls").returncode == 0  # the lab's copy of the stack file is there now
    document = copy.deepcopy(yaml.safe_load(site.stack_file.read_text()))
    values = {key.partition(":")[2]: value for key, value in document["config"].items()}
    change(site, values)
    document["config"] = {f"{NAMESPACE}:{key}": value for key, value in values.items()}
    file.write_text(yaml.safe_dump(document))

    result = clone.shell("paris", f"cp {file} $PULUMI_OPTION_CONFIG_FILE && pulumi preview")

    assert result.returncode != 0
    printed = result.stdout + result.stderr
    missing = [line for line in SAID[change] if line not in printed]
    assert not missing, printed
    assert "Traceback" not in printed
    assert "/api2/json" not in (site.services / "proxmox.log").read_text()
