"""The addresses that a site's settings name are kept for the services that they are for."""

from __future__ import annotations

import pytest

from tests.component.test_socle import Mocks, mocks
from tests.component.test_zones import declared

__all__ = ["mocks"]


def test_no_other_namespace_gets_them(mocks: Mocks, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(mocks, monkeypatch, "paris")
    services = [each for each in mocks.of("Service").values() if each["spec"].get("type") == "LoadBalancer"]
    addressed = {service["metadata"]["namespace"] for service in services}
    addressed |= {release["namespace"] for name, release in mocks.of("Release").items() if name == "nginx-ingress"}
    pool = mocks.of("IPAddressPool")["metallb-platform"]["spec"]
    assert {*pool["serviceAllocation"]["namespaces"]} == addressed
    assert pool["addresses"] == ["10.75.10.200-10.75.10.207"]
