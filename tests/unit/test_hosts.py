"""Public names of a site, and the records of its zones."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from components.powerdns import RecordSet
from components.socle import hosts
from settings import ExternalService, Services
from settings.service_rules import PLATFORM

DNS, INGRESS = "10.75.10.200", "10.75.10.201"
SERVICES = Services(ingress_address=IPv4Address(INGRESS), dns_address=IPv4Address(DNS))


def external(host: str) -> ExternalService:
    name = host.partition(".")[0]
    return ExternalService(name=name, host=host, address=IPv4Address("10.75.10.5"), port=8006, verify=False)


EXTERNAL = [external("proxmox.ef-fr.dev"), external("nas.ef-fr.io"), external("other.ef-fr.dev.example")]


def test_the_first_zone_has_the_names_of_the_platform() -> None:
    assert hosts.record_sets("ef-fr.dev", True, SERVICES, EXTERNAL) == [
        RecordSet("ns1.ef-fr.dev", "A", [DNS]),
        RecordSet("auth.ef-fr.dev", "A", [INGRESS]),
        RecordSet("home.ef-fr.dev", "A", [INGRESS]),
        RecordSet("proxmox.ef-fr.dev", "A", [INGRESS]),
    ]


def test_plain_requests_go_to_where_https_is() -> None:
    # 443 is where the controller sends them by itself; and its Service leads there whatever its own port is.
    assert hosts.redirect(SERVICES) == {}
    assert hosts.redirect(SERVICES.model_copy(update={"https_port": 8443})) == {
        "nginx.org/listen-ports-ssl": "8443,443"
    }


def test_ldap_has_a_name_where_it_has_an_address() -> None:
    services = SERVICES.model_copy(update={"ldap_address": IPv4Address("10.75.10.202")})
    ldap = RecordSet("ldap.ef-fr.dev", "A", ["10.75.10.202"])
    assert ldap in hosts.record_sets("ef-fr.dev", True, services, EXTERNAL)
    assert ldap not in hosts.record_sets("ef-fr.dev", True, SERVICES, EXTERNAL)
    assert len(hosts.record_sets("ef-fr.io", False, services, EXTERNAL)) == 2


def test_another_zone_has_its_own_names_only() -> None:
    assert hosts.record_sets("ef-fr.io", False, SERVICES, EXTERNAL) == [
        RecordSet("ns1.ef-fr.io", "A", [DNS]),
        RecordSet("nas.ef-fr.io", "A", [INGRESS]),
    ]


@pytest.mark.parametrize(("port", "url"), [(443, "https://home.ef-fr.dev/"), (8443, "https://home.ef-fr.dev:8443/")])
def test_a_url_names_a_port_only_where_it_must(port: int, url: str) -> None:
    assert hosts.url(hosts.homepage("ef-fr.dev"), SERVICES.model_copy(update={"https_port": port})) == url


def test_each_site_has_its_part_of_every_zone() -> None:
    delegations = {"toulouse": IPv4Address("10.31.10.200"), "lille": IPv4Address("10.59.10.200")}
    services = SERVICES.model_copy(update={"dns_delegations": delegations})

    assert hosts.record_sets("ef-fr.io", False, services, ()) == [
        RecordSet("ns1.ef-fr.io", "A", [DNS]),
        RecordSet("toulouse.ef-fr.io", "NS", ["ns1.toulouse.ef-fr.io"]),
        RecordSet("ns1.toulouse.ef-fr.io", "A", ["10.31.10.200"]),
        RecordSet("lille.ef-fr.io", "NS", ["ns1.lille.ef-fr.io"]),
        RecordSet("ns1.lille.ef-fr.io", "A", ["10.59.10.200"]),
    ]


def test_the_internet_is_told_the_public_address_of_each_name_server() -> None:
    toulouse, lille = IPv4Address("10.31.10.200"), IPv4Address("10.59.10.200")
    update = {
        "dns_public_address": IPv4Address("192.0.2.75"),
        "dns_delegations": {"toulouse": toulouse, "lille": lille},
        "dns_glue": {"toulouse": IPv4Address("192.0.2.31")},
    }
    services = SERVICES.model_copy(update=update)

    assert [each for each in hosts.record_sets("ef-fr.io", False, services, ()) if each.type == "A"] == [
        RecordSet("ns1.ef-fr.io", "A", ["192.0.2.75"]),
        RecordSet("ns1.toulouse.ef-fr.io", "A", ["192.0.2.31"]),
        RecordSet("ns1.lille.ef-fr.io", "A", ["10.59.10.200"]),
    ]
    # Copies are told of changes, and fetch them, inside.
    assert hosts.secondaries(services) == [toulouse, lille]


def test_copies_are_told_of_a_change_once() -> None:
    backup, lille = IPv4Address("10.75.20.101"), IPv4Address("10.59.10.200")
    update = {"dns_delegations": {"lille": lille}, "dns_secondaries": (backup, lille)}

    assert hosts.secondaries(SERVICES.model_copy(update=update)) == [lille, backup]


def test_a_zone_above_both_is_copied_once() -> None:
    assert hosts.parents(["toulouse.ef-fr.dev", "lab.ef-fr.dev", "toulouse.ef-fr.io"]) == ["ef-fr.dev", "ef-fr.io"]


def test_no_external_service_may_have_a_name_of_the_platform() -> None:
    own = (hosts.authentik, hosts.homepage, hosts.ldap, hosts.nameserver)
    assert sorted(name("ef-fr.dev") for name in own) == sorted(f"{label}.ef-fr.dev" for label in PLATFORM)
