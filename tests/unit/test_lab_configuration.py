"""The lab's copies of the stack files: settings like any others, with a kubeconfig in the lab's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from lab import configuration, layout
from lab.configuration import Sources, lab_values, link_kubeconfigs
from lab.layout import REPOSITORY, SITES, Lab, Site
from settings import Settings
from tests.unit.settings.cases import TOKEN
from tests.unit.verify.pki import Ca

FILE = {"url": "https://127.77.0.1:8443/debian-12-lab.iso", "sha256": "0" * 64}
KEY = SecretStr("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=")


NOTHING = Sources(iso={}, cloud_image={}, kubespray={}, charts={}, acme={}, authorities={"proxmox": "", "nas": ""})


@pytest.mark.parametrize("name", SITES)
def test_the_program_takes_the_copy(name: str, tmp_path: Path) -> None:
    authority = Ca().root
    committed = yaml.safe_load((REPOSITORY / f"Pulumi.{name}.yaml").read_text())["config"]
    sources = Sources(
        iso=FILE,
        cloud_image=FILE,
        kubespray={"repository": str(tmp_path / "playbooks"), "commit": "0" * 40},
        charts={"metallb": {"repository": "https://127.77.0.1:8443/charts", "version": "0.16.1"}},
        acme={"directory": "https://127.77.0.3:14000/dir", "resolvers": ["127.77.0.2:5353"]},
        authorities={each["name"]: authority for each in committed.get("oss-nextgen:externalServices", [])},
    )

    values = lab_values(Lab(home=tmp_path, block=77).site(name), sources)

    secrets = {"proxmoxApiToken": SecretStr(TOKEN), "dnsTransferKey": KEY}
    assert Settings.parse(f"Pulumi.{name}.yaml", name, {**values, **secrets}).site == name


def test_what_the_program_writes_below_its_clone_is_in_the_labs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    monkeypatch.setattr(layout, "REPOSITORY", clone)

    for home in ("former", "home", "home"):  # A lab may have moved, and comes up again and again.
        site = Lab(home=tmp_path / home, block=77).site("paris")
        link_kubeconfigs(site.lab)
        (clone / site.kubeconfig_path).write_text(home)

    assert site.kubeconfig_path == ".kube/lab-77/paris.yaml"
    assert site.kubeconfig.read_text() == "home"
    assert [path.name for path in (clone / ".kube").iterdir()] == ["lab-77"]


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
    services = {name: lab_values(lab.site(name), NOTHING)["services"] for name in public}

    for name in public:
        assert services[name]["dnsPublicAddress"] == services[name]["dnsAddress"] == str(lab.site(name).dns_address)
    assert services["paris"]["dnsGlue"] == {"toulouse": services["toulouse"]["dnsAddress"]}
