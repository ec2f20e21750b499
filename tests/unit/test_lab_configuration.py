"""The lab's copy of a stack's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import configuration
from lab.configuration import Sources, lab_values
from lab.layout import Lab, Site

SOURCES = Sources(iso={}, cloud_image={}, kubespray={}, charts={}, acme={}, authorities={"proxmox": "", "nas": ""})


def test_nothing_of_a_site_is_at_a_public_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = configuration.stack_values
    public: dict[str, dict[str, Any]] = {
        "paris": {"dnsPublicAddress": "192.0.2.75", "dnsGlue": {"toulouse": "192.0.2.31"}},
        "toulouse": {"dnsPublicAddress": "192.0.2.31"},
    }

    def edited(site: Site) -> dict[str, Any]:
        values = committed(site)
        return {**values, "services": {**values["services"], **public[site.name]}} if site.name in public else values

    monkeypatch.setattr(configuration, "stack_values", edited)
    lab = Lab(home=tmp_path, block=83)
    services = {name: lab_values(lab.site(name), SOURCES)["services"] for name in public}

    for name in public:
        assert services[name]["dnsPublicAddress"] == services[name]["dnsAddress"] == str(lab.site(name).dns_address)
    assert services["paris"]["dnsGlue"] == {"toulouse": services["toulouse"]["dnsAddress"]}
