"""The socle on one small site: it comes up after killed runs, a setting changes what it is about and nothing else, and
all of it can be removed.

The tests run in order on one lab.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from subprocess import CompletedProcess
from typing import Any

import psutil
import pytest
import yaml

from lab.services import catalog
from tests.lab.conftest import LabUnderTest
from tests.lab.dependencies import name_of
from tests.lab.waiting import wait_for
from tests.unit.test_restore_document import VOLUME, commands

pytestmark = pytest.mark.timeout(1800)

SITE = "paris"
Values = dict[str, Any]
QUIETLY = "--yes --skip-preview --non-interactive"
CLAIM = "persistentvolumeclaim/authentik-postgresql-data -n authentik"
FLAG = "kubectl get settings.longhorn.io deleting-confirmation-flag -n longhorn-system -o jsonpath='{.value}'"


@pytest.fixture(scope="module")
def small(clone: LabUnderTest) -> LabUnderTest:
    """One control-plane node and one worker, which are up. All services are configured, none is there yet."""
    socle: Values = {}

    def without_services(values: Values) -> None:
        for pool in values["pools"]:
            pool["count"] = 1
        socle.update({key: values.pop(key) for key in ("services", "externalServices", "teams")})

    clone.configure(SITE, without_services)
    clone.run("up", SITE)
    clone.configure(SITE, lambda values: values.update(socle))
    return clone


@pytest.fixture(scope="module")
def site(small: LabUnderTest) -> LabUnderTest:
    """The same, up."""
    small.run("up", SITE)
    return small


def run(site: LabUnderTest, script: str, change: Callable[[Values], object]) -> CompletedProcess[str]:
    """Run a script whose engine has changed settings, of which the lab's own would hide some."""
    document = yaml.safe_load(site.site(SITE).stack_file.read_text())
    change(document["config"])
    file = site.repository.parent / "changed.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return site.shell(SITE, f"export PULUMI_OPTION_CONFIG_FILE={file}\n{script}")


def pulumi(site: LabUnderTest, command: str, change: Callable[[Values], object]) -> CompletedProcess[str]:
    return run(site, f"pulumi {command}", change)


def changes(site: LabUnderTest, change: Callable[[Values], object]) -> set[str]:
    """What a preview with changed settings would do something to."""
    preview = pulumi(site, "preview --json", change)
    assert preview.returncode == 0, preview.stdout + preview.stderr
    return {name_of(step["urn"]) for step in json.loads(preview.stdout)["steps"] if step["op"] != "same"}


def test_releases_that_were_being_installed_are_installed_again(small: LabUnderTest) -> None:
    """By a second run, which is killed while it waits for the database."""
    schedule(small, on=False)
    up = small.start("up", SITE)
    namespaces = ("metallb-system", "longhorn-system")
    wait_for(lambda: all(records(small, one) == ["1 pending-install"] for one in namespaces))
    kill(small, up)
    assert not database(small), "its volume needs Longhorn"
    schedule(small, on=True)

    small.kubectl(SITE, "create", "quota", "none", "--hard=pods=0", "--namespace=authentik")
    up = small.start("up", SITE)
    wait_for(lambda: database(small))
    printed = kill(small, up)

    assert "removing Helm's record 1 (pending-install) of metallb: it was being installed" in printed


def test_objects_that_were_being_made_are_adopted(small: LabUnderTest) -> None:
    made = database(small)
    small.kubectl(SITE, "delete", "quota", "none", "--namespace=authentik")

    printed = small.run("up", SITE)

    assert "adopted: authentik-postgresql (kubernetes:apps/v1:StatefulSet)" in printed
    assert database(small) == made, "it was not made anew"
    assert records(small, "metallb-system") == ["1 deployed"]
    assert changes(small, lambda config: None) == set()


@pytest.mark.parametrize(
    ("memory", "killed", "left", "done"),
    [("768Mi", True, "2 pending-upgrade", "2 deployed"), ("512Mi", False, "3 failed", "4 deployed")],
)
def test_a_release_that_was_being_upgraded_is_upgraded_again(
    site: LabUnderTest, memory: str, killed: bool, left: str, done: str
) -> None:
    file = site.repository / "helm" / "homepage.yaml"
    document = yaml.safe_load(file.read_text())
    document["resources"]["limits"]["memory"] = memory
    file.write_text(yaml.safe_dump(document))
    schedule(site, on=False)
    up = site.start("up", SITE)
    wait_for(lambda: records(site, "homepage")[-1].endswith("pending-upgrade"))
    if killed:
        kill(site, up)
    else:
        for process in helm(site):
            process.send_signal(signal.SIGINT)
        up.communicate(timeout=300)
    assert records(site, "homepage")[-1] == left
    schedule(site, on=True)

    site.run("up", SITE)

    assert records(site, "homepage")[-1] == done
    assert changes(site, lambda config: None) == set()


def kill(site: LabUnderTest, up: subprocess.Popen[str]) -> str:
    """Kill Helm and the engine, as a machine that goes down does: the official plugin is Helm itself."""
    for process in helm(site):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    site.kill_engine(SITE)
    printed, _ = up.communicate(timeout=300)
    assert up.returncode != 0, printed
    return printed


def helm(site: LabUnderTest) -> list[psutil.Process]:
    """Helm's processes that install or upgrade."""
    [service] = catalog.plugins(site.lab, ["kubernetes"], {})
    plugins = service.process()
    found = []
    for process in plugins.children() if plugins else ():
        with suppress(psutil.NoSuchProcess):
            if {"install", "upgrade"} & {*process.cmdline()[:2]}:
                found.append(process)
    return found


def schedule(site: LabUnderTest, *, on: bool) -> None:
    """Let new pods find a node, or keep them waiting, and with them whoever waits until they are ready."""
    site.kubectl(SITE, "uncordon" if on else "cordon", f"{SITE}-masters-1", f"{SITE}-workers-1")


def database(site: LabUnderTest) -> str:
    """UID of the StatefulSet, empty as long as there is none."""
    query = ["--ignore-not-found", "--output=jsonpath={.metadata.uid}"]
    return site.kubectl(SITE, "get", "statefulset/authentik-postgresql", "--namespace=authentik", *query)


def records(site: LabUnderTest, namespace: str) -> list[str]:
    """Version and status of each of Helm's records of the releases in a namespace."""
    columns = "custom-columns=VERSION:.metadata.labels.version,STATUS:.metadata.labels.status"
    query = ["--selector=owner=helm", "--no-headers", f"--output={columns}"]
    lines = site.kubectl(SITE, "get", "secrets", f"--namespace={namespace}", *query).splitlines()
    return sorted(" ".join(line.split()) for line in lines)


def another_ingress_address(config: Values) -> None:
    services = config["oss-nextgen:services"]
    services["ingressAddress"] = services["ingressAddress"].replace(".201", ".205")


def fewer_addresses(config: Values) -> None:
    addresses = config["oss-nextgen:network"]["loadBalancers"]
    addresses["last"] = addresses["last"].replace(".239", ".230")


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda config: config["oss-nextgen:services"].update(httpPort=8081), {"Release nginx-ingress"}),
        (
            lambda config: config.update({"oss-nextgen:storage": {"snapshots": {"cron": "0 3 * * *", "retain": 3}}}),
            {"RecurringJob longhorn-snapshot"},
        ),
        (fewer_addresses, {"IPAddressPool metallb-shared"}),
        (another_ingress_address, {"Release nginx-ingress", "Zone ef-fr.dev", "Zone ef-fr.io"}),
    ],
    ids=["a port", "a schedule", "a range", "an address"],
)
def test_a_setting_changes_what_it_is_about(
    site: LabUnderTest, change: Callable[[Values], object], changed: set[str]
) -> None:
    assert changes(site, change) == changed


@pytest.mark.parametrize(
    ("release", "former", "changed"),
    [
        ("homepage", "memory: 512Mi", "memory: 768Mi"),
        ("authentik", "memory: 1536Mi", "memory: 2Gi"),
        # Its StorageClass is what every claim names, and a claim of another class is another claim.
        ("longhorn", "storageMinimalAvailablePercentage: 15", "storageMinimalAvailablePercentage: 20"),
    ],
)
def test_a_values_file_changes_its_release(site: LabUnderTest, release: str, former: str, changed: str) -> None:
    file = site.repository / "helm" / f"{release}.yaml"
    text = file.read_text()
    file.write_text(text.replace(former, changed, 1))
    try:
        found = changes(site, lambda config: None)
    finally:
        file.write_text(text)
    assert found == {f"Release {release}"}


def protection(*, on: bool) -> Callable[[Values], object]:
    return lambda config: config.update({"oss-nextgen:protection": on})


def test_a_volume_comes_back_by_the_book(site: LabUnderTest) -> None:
    """Under protection, which refuses to make a claim anew that is not the program's own."""

    def volume() -> str:
        return site.shell(SITE, f"kubectl get {CLAIM} -o jsonpath='{{.status.phase}} {{.spec.volumeName}}'").stdout

    up = pulumi(site, f"up {QUIETLY}", protection(on=True))
    assert up.returncode == 0, up.stdout + up.stderr
    former = volume().removeprefix("Bound ")

    script = "\n".join(["set -eux", f"export SITE={SITE}", *commands(VOLUME, run=True)])
    restored = run(site, script, protection(on=True))

    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert volume() == "Bound restored"
    server = "kubectl rollout status statefulset/authentik-postgresql -n authentik --timeout 60s"
    assert site.shell(SITE, server).returncode == 0
    assert changes(site, protection(on=True)) == set()
    kept = site.shell(SITE, f"kubectl delete persistentvolume {former}")
    assert kept.returncode == 0, kept.stderr


def test_longhorn_is_removed_once_protection_is_off(site: LabUnderTest) -> None:
    def flag() -> str:
        return site.shell(SITE, FLAG).stdout

    wait_for(lambda: flag() == "false")
    # Its preview is what refuses: a destroy that skips it removes what it can.
    refused = pulumi(site, "destroy --yes --non-interactive", protection(on=True))
    assert refused.returncode != 0
    assert "protect" in refused.stdout + refused.stderr
    assert flag() == "false", "nothing was removed"

    up = pulumi(site, f"up {QUIETLY}", protection(on=False))
    assert up.returncode == 0, up.stdout + up.stderr
    wait_for(lambda: flag() == "true")


def test_nothing_of_the_socle_stays_on_the_cluster(site: LabUnderTest) -> None:
    targets = "--target '**socle:Socle**' --target '**teams:Teams**'"
    done = site.shell(SITE, f"pulumi destroy {QUIETLY} {targets}")
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = "persistentvolumes,volumeattachments,storageclasses,validatingwebhookconfigurations,ingressclasses"
    assert site.shell(SITE, f"kubectl get {kinds} -o name").stdout == ""
    namespaces = site.shell(SITE, "kubectl get namespaces -o name").stdout.split()
    assert all(name == "namespace/default" or name.startswith("namespace/kube-") for name in namespaces), namespaces
    # Helm never removes what a chart has in its folder crds/, as NGINX's does.
    crds = site.shell(SITE, "kubectl get crds -o name").stdout.split()
    assert [name for name in crds if not name.endswith((".nginx.org", ".f5.com"))] == []
    site.run("destroy", SITE)
