"""What a stack file says of other teams, and their kubeconfig."""

from __future__ import annotations

import base64

import pytest
import yaml

from components.teams import kubeconfig
from tests.unit.settings.cases import VALID, Raw, problems_of

TEAM = {"name": "mail"}
SERVICES = {"dnsAddress": "10.75.10.200", "ingressAddress": "10.75.10.201"}
WITHOUT_CLUSTER = {
    **{key: value for key, value in VALID.items() if key != "kubernetes"},
    "pools": [{"name": "storage", "role": "storage", "count": 1, "vmIdOffset": 101}],
}


@pytest.mark.parametrize(
    ("rule", "raw", "says"),
    [
        (
            "teams-without-cluster",
            {**WITHOUT_CLUSTER, "teams": [TEAM]},
            'teams is "set": must be absent where there is no kubernetes',
        ),
        (
            "team-reserved",
            {**VALID, "teams": [{"name": "kube-system"}]},
            'teams[0].name is "kube-system": must be another name: this namespace belongs to the platform',
        ),
        (
            "team-reserved",
            {**VALID, "teams": [{"name": "homepage"}]},
            'teams[0].name is "homepage": must be another name: this namespace belongs to the platform',
        ),
        (
            "duplicate-team",
            {**VALID, "teams": [TEAM, TEAM]},
            'teams[1].name is "mail": is already teams[0].name',
        ),
        (
            "team-no-certificates",
            {**VALID, "teams": [{**TEAM, "certificates": ["ef-fr.dev"]}]},
            'teams[0].certificates[0] is "ef-fr.dev": must be absent: a site without services has none',
        ),
        (
            "team-unknown-domain",
            {**VALID, "services": SERVICES, "teams": [{**TEAM, "certificates": ["ef-fr.org"]}]},
            'teams[0].certificates[0] is "ef-fr.org": must be one of the site\'s domains, ef-fr.dev, ef-fr.io',
        ),
    ],
)
def test_what_is_refused(rule: str, raw: Raw, says: str) -> None:
    assert problems_of(raw) == {rule: [f"oss-nextgen:{says}"]}


def test_a_kubeconfig_is_for_one_namespace() -> None:
    token = {"ca.crt": "Q0E=", "token": base64.b64encode(b"a.b.c").decode()}

    config = yaml.safe_load(kubeconfig("paris", "mail", "https://10.0.0.2:6443", token))

    assert config["current-context"] == config["contexts"][0]["name"] == "paris"
    assert config["contexts"][0]["context"] == {"cluster": "paris", "namespace": "mail", "user": "mail"}
    assert config["clusters"][0]["cluster"] == {
        "server": "https://10.0.0.2:6443",
        "certificate-authority-data": "Q0E=",
    }
    assert config["users"] == [{"name": "mail", "user": {"token": "a.b.c"}}]
