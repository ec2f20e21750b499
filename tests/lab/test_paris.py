"""The main job, from nothing to nothing, in the order in which a person does it.

The tests of this file share one lab and one site and run in order: each line builds on the one before.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.xfr
import dns.zone
import jsonschema
import psutil
import pytest
import requests
import yaml
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from lab.layout import REPOSITORY, SERVICE_PORTS
from lab.services import network
from tests.lab import served
from tests.lab.conftest import LabUnderTest, git_status
from tests.lab.dependencies import out_of_order
from tests.lab.examples import Example, install_platform
from tests.lab.known_secrets import secrets_of
from tests.lab.manifests import api_of, refusal, refusals
from tests.lab.waiting import wait_for

pytestmark = pytest.mark.timeout(1800)

CHAIN = (
    "dynamic:Preflight",
    "random:index:RandomPassword",
    "tls:index:PrivateKey",
    "proxmoxve:download:File",
    "images:Template",
    "proxmoxve:index:VmLegacy",
    "command:remote:Command",
    "kubernetes:KubesprayCluster",
    "kubernetes:KubeconfigFile",
    "pulumi:providers:kubernetes",
    "kubernetes:core/v1:Namespace",
    "kubernetes:helm.sh/v3:Release",
    "kubernetes:metallb.io/v1beta1:IPAddressPool",
    "kubernetes:apps/v1:StatefulSet",
    "dynamic/powerdns:Zone",
    "dynamic/certificates:AcmeAccount",
    "dynamic/certificates:AcmeCertificate",
    "kubernetes:core/v1:Secret",
    "kubernetes:networking.k8s.io/v1:Ingress",
)
"""Resource types that the chain declares, as a preview prints them."""

RELEASES = {"authentik", "homepage", "longhorn", "metallb", "nginx-ingress"}
ZONES = ("ef-fr.dev", "ef-fr.io")


@pytest.fixture(scope="module")
def before() -> str:
    return git_status()


def test_preview_on_an_empty_lab_lists_the_chain(lab: LabUnderTest, before: str) -> None:
    printed = lab.run("preview", "paris")
    missing = [token for token in CHAIN if token not in printed]
    assert not missing, printed
    assert printed.count("proxmoxve:index:VmLegacy") == 6
    assert printed.count("kubernetes:helm.sh/v3:Release") == len(RELEASES)


def test_up_ends_with_the_stages_and_the_outputs(lab: LabUnderTest) -> None:
    printed = lab.run("up", "paris")
    for stage in (
        "GoldenImage",
        "VmPool",
        "KubernetesCluster",
        "Socle",
        "total",
        "apiServer",
        "https://home.ef-fr.dev",
    ):
        assert stage in printed


def test_kubectl_shows_six_ready_nodes(lab: LabUnderTest) -> None:
    result = lab.shell("paris", "kubectl get nodes --no-headers")
    assert result.returncode == 0, result.stderr
    nodes = [line.split()[:2] for line in result.stdout.splitlines()]
    assert len(nodes) == 6
    assert {state for _, state in nodes} == {"Ready"}


def test_verify_passes(lab: LabUnderTest) -> None:
    printed = lab.run("verify", "paris")
    assert "FAIL" not in printed
    assert printed.count("certificate for") >= 5


def test_every_release_is_deployed(lab: LabUnderTest) -> None:
    releases = json.loads(lab.shell("paris", "helm list --all-namespaces --output json").stdout)
    assert {release["name"]: release["status"] for release in releases} == dict.fromkeys(RELEASES, "deployed")


def test_the_order_is_carried_by_dependencies(lab: LabUnderTest) -> None:
    assert out_of_order(lab, "paris") == []


def test_every_object_passes_strict_validation(lab: LabUnderTest) -> None:
    looked_at, refused = refusals(lab, "paris")
    assert refused == []
    assert looked_at.keys() == {"program"} | {f"release {name}" for name in RELEASES}
    slip = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "slip"}, "dta": {}}
    assert "dta: field not declared" in refusal(api_of(lab, "paris"), slip)


def test_the_dashboard_may_only_read(lab: LabUnderTest) -> None:
    who = "--as=system:serviceaccount:homepage:homepage --all-namespaces"
    asked = {
        question: lab.shell("paris", f"kubectl auth can-i {question} {who}").stdout.strip()
        for question in ("list ingresses.networking.k8s.io", "get secrets", "delete pods", "patch nodes", "create '*'")
    }
    assert [question for question, answer in asked.items() if answer == "yes"] == ["list ingresses.networking.k8s.io"]


def test_the_zones_answer(lab: LabUnderTest) -> None:
    for zone in ZONES:
        for record_type in ("SOA", "NS"):
            answer = ask(lab, "paris", zone, record_type)
            assert answer.flags & dns.flags.AA
            assert answer.answer, f"{zone} {record_type}"


def test_tls_secrets_verify_against_the_root(lab: LabUnderTest) -> None:
    roots = network.acme(lab.lab).roots
    for zone in ZONES:
        name = f"{zone.replace('.', '-')}-tls"
        found = lab.shell("paris", f"kubectl get secret {name} -n nginx-ingress -o json")
        chain = base64.b64decode(json.loads(found.stdout)["data"]["tls.crt"])
        for host in (zone, f"any.{zone}"):
            verify_chain(chain, roots, host)


@pytest.mark.parametrize("check", served.CHECKS, ids=lambda check: check.__name__)
def test_the_socle_serves_and_admits_as_it_should(lab: LabUnderTest, check: Callable[[LabUnderTest], None]) -> None:
    check(lab)


def test_nobody_reaches_the_dashboard_without_a_session(lab: LabUnderTest) -> None:
    site, name, port = lab.site("paris"), "home.ef-fr.dev", SERVICE_PORTS["httpsPort"]
    curl = lab.shell(
        "paris",
        f"curl --silent --output /dev/null --write-out %{{http_code}} --cacert {network.acme(lab.lab).roots} "
        f"--header 'X-Original-URL: https://{name}/outpost.goauthentik.io/x' "
        f"--resolve {name}:{port}:{site.ingress_address} https://{name}:{port}/",
    )
    assert curl.stdout == "401"
    notes = json.loads((site.home / "controllers" / "dataplane.json").read_text())["notes"]
    assert any(note.endswith("authentik/authentik-forward-auth, played, knows nobody") for note in notes)


def test_ldap_has_its_address_and_its_name(lab: LabUnderTest) -> None:
    site = lab.site("paris")
    found = lab.shell("paris", "kubectl get service authentik-ldap -n authentik -o json")
    assert json.loads(found.stdout)["status"]["loadBalancer"]["ingress"][0]["ip"] == str(site.ldap_address)
    query = dns.message.make_query("ldap.ef-fr.dev", "A")
    answer = dns.query.udp(query, str(site.dns_address), timeout=5, port=SERVICE_PORTS["dnsPort"])
    assert [str(each) for each in answer.answer[0]] == [str(site.ldap_address)]
    assert lab.outputs("paris", "--show-secrets")["authentik"]["ldapUrl"] == "ldaps://ldap.ef-fr.dev"


def test_the_blueprints_are_where_authentik_looks_for_them(lab: LabUnderTest) -> None:
    found = lab.shell("paris", "kubectl get deployment authentik-worker -n authentik -o json")
    pod = json.loads(found.stdout)["spec"]["template"]["spec"]
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    sources = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    assert {mounts[name]: source for name, source in sources.items()} == {
        "/blueprints/mounted/secret-authentik-blueprints": "authentik-blueprints"
    }


def test_the_console_of_proxmox_is_a_client_of_authentik(lab: LabUnderTest) -> None:
    client = lab.outputs("paris", "--show-secrets")["authentik"]["oidc"]["proxmox"]
    host = f"ef-fr.dev:{SERVICE_PORTS['httpsPort']}"
    assert (client["issuerUrl"], client["clientId"]) == (f"https://auth.{host}/application/o/proxmox/", "proxmox")
    found = lab.shell("paris", "kubectl get secret authentik-blueprints -n authentik -o json")
    text = base64.b64decode(json.loads(found.stdout)["data"]["applications.yaml"]).decode()
    assert f"client_secret: {client['clientSecret']}\n" in text
    assert f"url: https://proxmox.{host}\n" in text


def test_a_dump_can_be_asked_for(lab: LabUnderTest) -> None:
    """Of the job no more than that it is admitted and scheduled: its pod is played."""
    command = "kubectl create job dump-now --from=cronjob/authentik-postgresql-dump -n authentik"
    assert lab.shell("paris", command).returncode == 0
    done = lab.shell("paris", "kubectl wait job/dump-now -n authentik --for=condition=Complete --timeout=60s")
    assert done.returncode == 0, done.stderr
    assert lab.shell("paris", "kubectl delete job dump-now -n authentik").returncode == 0


def test_outputs_are_those_of_the_contract(lab: LabUnderTest) -> None:
    outputs = lab.outputs("paris", "--show-secrets")
    jsonschema.validate(outputs, json.loads((REPOSITORY / "docs" / "outputs.schema.json").read_text()))
    assert outputs["site"] == "paris"
    assert [node["role"] for node in outputs["nodes"]].count("control-plane") == 3
    assert lab.outputs("paris")["kubeconfig"] == "[secret]"


def test_the_kubeconfig_file_is_private(lab: LabUnderTest) -> None:
    path = Path(REPOSITORY / lab.outputs("paris")["kubeconfigPath"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(path.read_text())["kind"] == "Config"


def test_a_team_sees_its_own_namespace_only(lab: LabUnderTest, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "mail.yaml"
    kubeconfig.write_text(lab.outputs("paris", "--show-secrets")["kubeconfigs"]["mail"])
    asked = f"KUBECONFIG={kubeconfig} kubectl get secrets --output name"
    assert "secret/ef-fr-dev-tls" in lab.shell("paris", asked).stdout
    for elsewhere in ("--namespace authentik", "--all-namespaces"):
        assert "forbidden" in lab.shell("paris", f"{asked} {elsewhere}").stderr


def test_another_team_deploys_its_mail_server(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> None:
    site = lab.site("paris")
    address = str(site.machines[site.load_balancers[0] + 10])
    installed = install_platform(tmp_path_factory.mktemp("platform"))
    maddy = Example(lab, tmp_path_factory.mktemp("maddy"), installed, "maddy")
    maddy.init(address=address)
    maddy.pulumi("up --yes --skip-preview")
    assert json.loads(maddy.pulumi("stack output --json"))["postmaster"]["password"] == "[secret]"
    assert maddy.pulumi("stack output ptr").endswith(".in-addr.arpa. PTR mail.ef-fr.dev.\n")
    found = lab.shell("paris", "kubectl get service maddy -n mail -o jsonpath='{.status.loadBalancer.ingress[0].ip}'")
    assert found.stdout == address
    records = {
        "ef-fr.dev MX": "10 mail.ef-fr.dev.",
        "ef-fr.dev TXT": '"v=spf1 mx -all"',
        "mail.ef-fr.dev A": address,
        "_dmarc.ef-fr.dev TXT": "v=DMARC1; p=reject",
        "maddy._domainkey.ef-fr.dev TXT": "v=DKIM1; k=rsa; p=",
    }
    assert all(text in answer(lab, *name.split()) for name, text in records.items())
    whoami = Example(lab, tmp_path_factory.mktemp("whoami"), installed, "kustomize")
    whoami.init()
    whoami.pulumi("up --yes --skip-preview")
    assert str(site.ingress_address) in answer(lab, "whoami.ef-fr.dev", "A")
    # What is not the platform's stays as it is.
    assert "no changes" in lab.run("up", "paris")
    assert all(text in answer(lab, *name.split()) for name, text in records.items())
    for example in (whoami, maddy):
        example.pulumi("preview --expect-no-changes")
        example.pulumi("destroy --yes")
    assert answer(lab, "ef-fr.dev", "MX") == ""


def test_preview_by_hand_shows_no_change(lab: LabUnderTest) -> None:
    result = lab.shell("paris", "pulumi preview --expect-no-changes")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_second_up_changes_nothing(lab: LabUnderTest) -> None:
    assert "no changes" in lab.run("up", "paris")


def test_a_refresh_finds_no_drift(lab: LabUnderTest) -> None:
    lab.run("refresh", "paris")
    result = lab.shell("paris", "pulumi preview --expect-no-changes")
    assert result.returncode == 0, result.stdout + result.stderr


def test_down_and_up_again_keeps_everything(lab: LabUnderTest) -> None:
    lab.run("down", "paris")
    assert "no changes" in lab.run("up", "paris")
    ready = "kubectl wait --for=condition=Ready nodes --all --timeout=60s"
    wait_for(lambda: lab.shell("paris", ready).returncode == 0)


def test_no_secret_stands_in_clear(lab: LabUnderTest) -> None:
    secrets = secrets_of(lab, "paris")
    home = lab.lab.home
    holders = {  # private files whose purpose is to hold them; everything else is searched
        lab.site("paris").kubeconfig,
        home / "sites" / "paris" / "proxmox.json",
        lab.lab.passphrase,
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in holders)
    guests = home / "sites" / "paris" / "proxmox"  # the machines' own disks
    mounted = home / "sites" / "paris" / "controllers"  # what pods mount: their Secrets are files there
    assert mounted.stat().st_mode & 0o077 == 0
    texts = {
        str(path): path.read_bytes().decode(errors="replace")
        for path in home.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and path not in holders
        and not path.is_relative_to(guests)
        and not path.is_relative_to(mounted)
    }
    texts |= {f"printed {number}": printed for number, printed in enumerate(lab.printed)}
    texts["process arguments"] = "\n".join(lab.arguments)
    texts |= {
        str(path): path.read_text(errors="replace") for folder in (guests, mounted) for path in folder.rglob("*.log")
    }
    found = [(name, place) for name, value in secrets.items() for place, text in texts.items() if value in text]
    assert not found
    assert any("/.pulumi/stacks/" in place for place in texts)


def test_toulouse_comes_up_beside_paris(lab: LabUnderTest) -> None:
    lab.run("up", "toulouse")
    assert "FAIL" not in lab.run("verify", "toulouse")
    assert "FAIL" not in lab.run("verify", "paris")


def test_paris_delegates_to_toulouse(lab: LabUnderTest) -> None:
    for zone in ZONES:
        answer = ask(lab, "paris", f"toulouse.{zone}", "NS")
        assert not answer.flags & dns.flags.AA
        assert [str(rdata) for rdata in answer.authority[0]] == [f"ns1.toulouse.{zone}."]
        assert [str(rdata) for rdata in answer.additional[0]] == [str(lab.site("toulouse").dns_address)]


def test_toulouse_has_the_zones_of_paris_after_a_change_too(lab: LabUnderTest) -> None:
    dns_api = lab.outputs("paris", "--show-secrets")["dns"]
    for zone in ZONES:
        url = f"{dns_api['apiUrl']}/api/v1/servers/localhost/zones/{zone}."
        record = {"content": "192.0.2.1", "disabled": False}
        change = {"name": f"new.{zone}.", "type": "A", "ttl": 60, "changetype": "REPLACE", "records": [record]}
        authority = lab.lab.home / "paris-dns.pem"
        authority.write_text(dns_api["caCertificate"])
        headers = {"X-API-Key": dns_api["apiKey"]}
        for method, path, body in (("PATCH", "", {"rrsets": [change]}), ("PUT", "/notify", None)):
            response = requests.request(
                method, url + path, headers=headers, json=body, verify=str(authority), timeout=10
            )
            response.raise_for_status()
        wait_for(partial(has, lab, "toulouse", f"new.{zone}"))
        copy = ask(lab, "toulouse", zone, "SOA")
        assert copy.flags & dns.flags.AA
        assert copy.answer == ask(lab, "paris", zone, "SOA").answer


def test_nobody_fetches_a_zone_without_the_key(lab: LabUnderTest) -> None:
    for site in ("paris", "toulouse"):
        query, _ = dns.xfr.make_query(dns.zone.Zone("ef-fr.dev."))
        address, port = str(lab.site(site).dns_address), SERVICE_PORTS["dnsPort"]
        with pytest.raises(dns.xfr.TransferError):
            dns.query.inbound_xfr(address, dns.zone.Zone("ef-fr.dev."), query, port=port, timeout=10)


def test_toulouse_goes_and_leaves_paris_as_it_was(lab: LabUnderTest) -> None:
    lab.run("destroy", "toulouse")
    assert "FAIL" not in lab.run("verify", "paris")


def test_git_status_is_as_before(before: str) -> None:
    assert git_status() == before


def test_destroy_leaves_nothing_on_proxmox(lab: LabUnderTest) -> None:
    kubeconfig = Path(REPOSITORY / lab.outputs("paris")["kubeconfigPath"])
    lab.run("destroy", "paris")
    for zone in ZONES:
        query = dns.message.make_query(zone, "SOA")
        with pytest.raises((dns.exception.Timeout, ConnectionError)):
            dns.query.tcp(query, str(lab.site("paris").dns_address), timeout=1, port=SERVICE_PORTS["dnsPort"])
    assert [vm["vmid"] for vm in _proxmox(lab, "cluster/resources?type=vm")] == []
    assert _proxmox(lab, "nodes/{node}/storage/local/content?content=iso") == []
    assert not kubeconfig.exists()
    state = lab.shell("paris", "pulumi stack export").stdout
    assert not json.loads(state)["deployment"].get("resources", [])[1:]


def test_down_leaves_no_process(lab: LabUnderTest) -> None:
    lab.run("down", "paris")
    # Processes below the lab's folder, or told of it, are the lab's.
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(str(lab.lab.home) in argument for argument in process.info["cmdline"] or ())
    ]
    assert left == []


def answer(lab: LabUnderTest, name: str, record_type: str) -> str:
    """What the site's server answers, as lines of a zone file."""
    return "\n".join(map(str, ask(lab, "paris", name, record_type).answer))


def verify_chain(chain: bytes, roots: Path, host: str) -> None:
    """Raises unless the chain leads to one of the roots and its leaf covers the host."""
    leaf, *intermediates = x509.load_pem_x509_certificates(chain)
    store = Store(x509.load_pem_x509_certificates(roots.read_bytes()))
    PolicyBuilder().store(store).build_server_verifier(x509.DNSName(host)).verify(leaf, intermediates)


def ask(lab: LabUnderTest, site: str, name: str, type_: str) -> dns.message.Message:
    """What a site's name server itself answers: over UDP, and over TCP where that is not all."""
    query, server = dns.message.make_query(name, type_), str(lab.site(site).dns_address)
    return dns.query.udp_with_fallback(query, server, timeout=5, port=SERVICE_PORTS["dnsPort"])[0]


def has(lab: LabUnderTest, site: str, name: str) -> bool:
    """Whether a site's name server knows an address of a name."""
    return bool(ask(lab, site, name, "A").answer)


def _proxmox(lab: LabUnderTest, path: str) -> list[dict[str, Any]]:
    site = lab.site("paris")
    config = json.loads(site.proxmox_config.read_text())
    response = requests.get(
        f"{site.endpoint}/api2/json/{path.format(node=config['nodes'][0])}",
        headers={"Authorization": f"PVEAPIToken={config['token']['id']}={config['token']['secret']}"},
        verify=str(lab.lab.home / "ca-bundle.pem"),
        timeout=10,
    )
    response.raise_for_status()
    found: list[dict[str, Any]] = response.json()["data"]
    return found
