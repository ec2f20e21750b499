"""What a site that is up serves through its ingress controller, and what its cluster admits: one function a check."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from functools import partial
from typing import Any

from components.socle.namespaces import LEVELS
from lab.controllers.external_auth import SESSION
from lab.layout import SERVICE_PORTS
from lab.services import external, network
from policy.pods import problems_of
from tests.lab.conftest import LabUnderTest
from tests.lab.waiting import wait_for

HTTP, HTTPS = SERVICE_PORTS["httpPort"], SERVICE_PORTS["httpsPort"]
KINDS = "deployments,daemonsets,statefulsets,jobs,cronjobs"


def get(lab: LabUnderTest, url: str, *options: str) -> str:
    """What the site's ingress address answers, headers and body; certificates are verified against Pebble's roots."""
    site, name = lab.site("paris"), url.partition("//")[2].partition(":")[0]
    places = [word for port in (HTTP, HTTPS) for word in ("--resolve", f"{name}:{port}:{site.ingress_address}")]
    roots = str(network.acme(lab.lab).roots)
    command = ["curl", "--silent", "--show-error", "--include", "--cacert", roots, *places, *options, url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def objects(lab: LabUnderTest, query: str) -> list[dict[str, Any]]:
    """Objects of the site's cluster."""
    found = lab.shell("paris", f"kubectl get {query} --output json")
    assert found.returncode == 0, found.stderr
    items: list[dict[str, Any]] = json.loads(found.stdout)["items"]
    return items


def succeeding(lab: LabUnderTest, commands: Mapping[str, str]) -> set[str]:
    """Names of the commands that succeed."""
    script = "\n".join(f"{{ {command}; }} >/dev/null 2>&1 && echo {name}" for name, command in commands.items())
    return set(lab.shell("paris", script).stdout.split())


def each_name_leads_to_what_it_is_of(lab: LabUnderTest) -> None:
    """Homepage and the sign-in before it, and Authentik, which the lab only plays, and an external service."""
    session = ("--cookie", "=".join(SESSION))
    for url, options, text in (
        ("home.ef-fr.dev:{}/", (), "authentik-forward-auth, port 8080, is played"),
        ("home.ef-fr.dev:{}/", session, "homepage/homepage, port 3000, is played"),
        ("auth.ef-fr.dev:{}/", (), "authentik/authentik-server"),
        ("proxmox.ef-fr.dev:{}/api2/json/version", (), "HTTP/1.1 401 "),
    ):
        assert text in get(lab, f"https://{url.format(HTTPS)}", *options)


def plain_http_is_sent_to_where_https_is(lab: LabUnderTest) -> None:
    for host in ("home.ef-fr.dev", "auth.ef-fr.dev", "nas.ef-fr.io"):
        answer = get(lab, f"http://{host}:{HTTP}/some?page=1")
        assert answer.startswith("HTTP/1.1 301 "), answer
        assert f"Location: https://{host}:{HTTPS}/some?page=1\n" in answer, answer
    assert get(lab, f"http://auth.ef-fr.dev:{HTTP}/", "--location").count("HTTP/1.1 200") == 1


def an_unknown_host_gets_404_with_a_valid_certificate(lab: LabUnderTest) -> None:
    assert get(lab, f"https://nobody.ef-fr.dev:{HTTPS}/").startswith("HTTP/1.1 404 ")


def an_external_service_is_known_by_its_own_authority(lab: LabUnderTest) -> None:
    """The file server's page comes through, and not when its certificate is signed by anybody else."""
    url = f"https://nas.ef-fr.io:{HTTPS}/"
    assert "The lab plays this external service" in get(lab, url)
    site = lab.site("paris")
    others = external.authorities(site)
    assert others["nas"] != others["proxmox"]
    for name, status in (("proxmox", 502), ("nas", 200)):
        content = base64.b64encode(others[name].encode()).decode()
        patch = json.dumps({"data": {"ca.crt": content}})
        patched = lab.shell("paris", f"kubectl patch secret nas-ca -n nginx-ingress --patch '{patch}'")
        assert patched.returncode == 0, patched.stderr
        wait_for(partial(_answers, lab, url, status))


def _answers(lab: LabUnderTest, url: str, status: int) -> bool:
    return get(lab, url).startswith(f"HTTP/1.1 {status} ")


def every_pod_keeps_to_the_policy(lab: LabUnderTest) -> None:
    items = objects(lab, f"{KINDS} --all-namespaces")
    assert {item["metadata"]["namespace"] for item in items} >= set(LEVELS)
    found = {
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}: {problem}"
        for item in items
        for problem in problems_of(item)
    }
    assert found == set()


def pods_are_admitted_at_the_level_of_their_namespace(lab: LabUnderTest) -> None:
    """By the real API server: all that were asked for are there, and one that asks for too much is not let in."""
    for item in objects(lab, "replicasets,statefulsets --all-namespaces"):
        assert item["status"].get("readyReplicas", 0) == item["spec"]["replicas"], item["metadata"]
    greedy = "kubectl run greedy --image=registry.example/greedy:1 --privileged --dry-run=server"
    admitted = succeeding(lab, {namespace: f"{greedy} -n {namespace}" for namespace in LEVELS})
    assert admitted == {namespace for namespace, level in LEVELS.items() if level == "privileged"}


def no_namespace_could_be_stricter(lab: LabUnderTest) -> None:
    """Beside `restricted` there is only `privileged`, where the API server finds pods that `baseline` would refuse."""
    baseline = "pod-security.kubernetes.io/enforce=baseline --overwrite --dry-run=server"
    warns = "2>&1 | grep 'violate the new PodSecurity enforce level'"
    warned = succeeding(lab, {each: f"kubectl label namespace {each} {baseline} {warns}" for each in LEVELS})
    assert warned == {namespace for namespace, level in LEVELS.items() if level == "privileged"}
    assert set(LEVELS.values()) == {"privileged", "restricted"}


def every_namespace_is_closed(lab: LabUnderTest) -> None:
    closed = [
        item["metadata"]["namespace"]
        for item in objects(lab, "networkpolicies --all-namespaces")
        if item["spec"]["policyTypes"] == ["Ingress"]
        and not item["spec"]["podSelector"]
        and "ingress" not in item["spec"]
    ]
    assert sorted(closed) == sorted(LEVELS)


def no_single_replica_blocks_a_drain(lab: LabUnderTest) -> None:
    budgets = {item["metadata"]["namespace"] for item in objects(lab, "poddisruptionbudgets --all-namespaces")}
    assert budgets == {"nginx-ingress"}


CHECKS = (
    each_name_leads_to_what_it_is_of,
    plain_http_is_sent_to_where_https_is,
    an_unknown_host_gets_404_with_a_valid_certificate,
    an_external_service_is_known_by_its_own_authority,
    every_pod_keeps_to_the_policy,
    pods_are_admitted_at_the_level_of_their_namespace,
    no_namespace_could_be_stricter,
    every_namespace_is_closed,
    no_single_replica_blocks_a_drain,
)
