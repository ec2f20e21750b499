"""The secrets of a site of the lab, for tests that search for them where they must not be."""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml

from lab import environment
from tests.lab.conftest import LabUnderTest


def secrets_of(lab: LabUnderTest, site: str) -> dict[str, str]:
    """The actual values to search for, each a distinctive line, by what they are."""
    export = lab.shell(site, "pulumi stack export --show-secrets")
    resources = json.loads(export.stdout)["deployment"]["resources"]
    secrets: dict[str, str] = {}
    for resource in resources:
        name, outputs = resource["urn"].rpartition("::")[2], resource.get("outputs", {})
        if resource["type"] == "random:index/randomPassword:RandomPassword":
            secrets[f"{name} password"] = _plain(outputs["result"])
        if resource["type"] == "tls:index/privateKey:PrivateKey":
            # Of an SSH key its OpenSSH form, of the internal authority's and the API's the PEM.
            for form in ("privateKeyOpenssh", "privateKeyPem"):
                if lines := _plain(outputs[form]).splitlines():
                    secrets[f"{name} {form}"] = lines[2 if form == "privateKeyOpenssh" else 1]
        if resource["type"] == "pulumi-python:dynamic/certificates:AcmeAccount":
            secrets["ACME account key"] = _plain(outputs["key"]).splitlines()[1]
        if resource["type"] == "pulumi-python:dynamic/certificates:AcmeCertificate":
            secrets[f"{name} key"] = _plain(outputs["privateKeyPem"]).splitlines()[1]
    kubeconfig = yaml.safe_load(lab.outputs(site, "--show-secrets")["kubeconfig"])
    client_key = kubeconfig["users"][0]["user"]["client-key-data"]
    secrets["kubeconfig's key"] = client_key
    secrets["kubeconfig's key, decoded"] = base64.b64decode(client_key).decode().splitlines()[1]
    teams = lab.outputs(site, "--show-secrets").get("kubeconfigs", {})
    secrets |= {f"token of {team}": yaml.safe_load(text)["users"][0]["user"]["token"] for team, text in teams.items()}
    proxmox = json.loads(lab.site(site).proxmox_config.read_text())
    secrets["Proxmox API token"] = proxmox["token"]["secret"]
    secrets["Proxmox password"] = proxmox["password"]
    secrets["state passphrase"] = lab.lab.passphrase.read_text()
    secrets["key of zone transfers"] = environment.transfer_key(lab.lab)
    assert len(secrets) >= 19
    return secrets


def _plain(value: Any) -> str:
    """A value of `stack export --show-secrets`: a secret is wrapped, its plain text is JSON."""
    return str(json.loads(value["plaintext"])) if isinstance(value, dict) else str(value)
