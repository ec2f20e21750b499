"""From what the engine prints to what a person knows."""

from __future__ import annotations

from typing import Any

import pytest

from ci import nouns
from ci.changes import ChangeSet, Kind, PreviewError
from tests.unit.ci.steps import change, change_set, step

MEMBERS = "pulumi-python:dynamic/kubernetes:AttemptedMembers"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
DATA = {"metadata": {"name": "data", "namespace": "powerdns"}}


@pytest.mark.parametrize(
    ("type_", "logical", "inputs", "called"),
    [
        (nouns.VM, "workers-1", {"name": "paris-workers-1"}, "VM paris-workers-1"),
        (nouns.ZONE, "zone", {"zone": "ef-fr.dev."}, "zone ef-fr.dev"),
        (nouns.CERTIFICATE, "tls", {"names": ["ef-fr.dev", "*.ef-fr.dev"]}, "certificate ef-fr.dev, *.ef-fr.dev"),
        (nouns.RELEASE, "homepage", {"name": "homepage", "chart": "homepage"}, "release homepage"),
        (nouns.CLUSTER, "kubernetes-kubespray", {"site": "paris"}, "cluster paris"),
        (CLAIM, "data", DATA, "PersistentVolumeClaim powerdns/data"),
        ("kubernetes:core/v1:Namespace", "dns", {"metadata": {"name": "powerdns"}}, "Namespace powerdns"),
        ("kubernetes:rbac/v1:Role", "r", {"metadata": {"name": min(nouns.UNKNOWN)}}, "Role r"),
        ("command:remote:Command", "kubernetes-ready-paris-workers-1", {}, "check over SSH paris-workers-1"),
        ("random:index/randomPassword:RandomPassword", "credentials-root", {}, "password credentials-root"),
        ("proxmoxve:storage/nfs:Nfs", "s", {"resourceId": "oss-nextgen-backup"}, "storage oss-nextgen-backup"),
        ("proxmoxve:backup/job:Job", "j", {"resourceId": "oss-nextgen-paris"}, "backup job oss-nextgen-paris"),
        (nouns.BACKUP_SERVER, "s", {"machine": "backup-storage-1"}, "backup server backup-storage-1"),
        (MEMBERS, "m", {"site": "paris"}, "list of machines that join paris"),
        (nouns.ZONE, "z", {"zone": "ef-fr.dev.", "kind": "Secondary"}, "copy of the zone ef-fr.dev"),
        ("pulumi:providers:proxmoxve", "proxmox", {}, "provider proxmox"),
        ("other:index/thing:Thing", "it", {}, "Thing it"),
    ],
)
def test_things_have_names_that_a_person_knows(type_: str, logical: str, inputs: Any, called: str) -> None:
    one = change("create", type_, logical, None, inputs)
    assert f"{one.noun.word} {one.name}" == called


@pytest.mark.parametrize(
    ("type_", "inputs", "loss"),
    [
        (nouns.VM, {}, "its disks"),
        (nouns.ZONE, {}, "its records"),
        ("pulumi-python:dynamic/images:Template", {}, "cloned"),
        (CLAIM, DATA, "its data"),
        ("kubernetes:apps/v1:StatefulSet", DATA, "volumes"),
        (nouns.RELEASE, {"chart": "longhorn"}, "every volume"),
        ("pulumi-python:dynamic/certificates:AcmeAccount", {}, "its key"),
        ("random:index/randomPassword:RandomPassword", {}, "locked out"),
        ("tls:index/privateKey:PrivateKey", {}, "locks the platform out"),
        ("kubernetes:core/v1:Namespace", DATA, "everything in it"),
        (nouns.CLUSTER, {}, "everything that runs on it"),
        ("proxmoxve:storage/nfs:Nfs", {}, "cannot reach the backups"),
        ("proxmoxve:storage/pbs:Pbs", {}, "cannot reach the backups"),
        ("proxmoxve:backup/job:Job", {}, "not backed up any more"),
    ],
)
@pytest.mark.parametrize("op", ["delete", "replace"])
def test_what_holds_state_is_lost_when_it_goes(op: str, type_: str, inputs: Any, loss: str) -> None:
    assert loss in change(op, type_, "it", inputs, inputs if op == "replace" else None).loss
    assert change("update", type_, "it", inputs, inputs).loss == ""


@pytest.mark.parametrize("type_", [nouns.CERTIFICATE, "kubernetes:core/v1:Service", nouns.RELEASE])
def test_what_can_be_made_again_is_not_marked(type_: str) -> None:
    assert change("replace", type_, "it", {"chart": "homepage"}, {"chart": "homepage"}).loss == ""


def test_the_numbers_are_those_of_the_engine() -> None:
    steps = [
        step("create", nouns.VM, "a", None, {}),
        step("same", nouns.VM, "b", {}, {}),
        step("refresh", "x:y:Z", "c"),
    ]
    found = ChangeSet.of("paris", {"steps": steps, "changeSummary": {"create": 1, "same": 79}})
    assert (found.count(Kind.CREATE), found.count(Kind.DELETE), found.unchanged) == (1, 0, 79)


def test_both_halves_of_a_replacement_are_counted_once() -> None:
    steps = [step(op, nouns.VM, "a", {}, {}) for op in ("replace", "create-replacement", "delete-replaced")]
    assert len(change_set(*steps).changes) == 1


def test_an_operation_that_is_not_known_is_refused() -> None:
    with pytest.raises(PreviewError, match="teleport"):
        change_set(step("teleport", nouns.VM, "a", {}))


def test_errors_are_told_from_notices() -> None:
    said = [{"severity": "error", "message": "error: no\n"}, {"severity": "info#err", "message": "scale.yml\n"}]
    found = ChangeSet.of("paris", {"diagnostics": said})
    assert (found.errors, found.notices) == (("no",), ("scale.yml",))


def test_a_failure_that_says_nothing_is_one_all_the_same() -> None:
    assert change_set(failed=True).errors


@pytest.mark.parametrize("type_", [nouns.CLUSTER, nouns.BACKUP_SERVER])
def test_the_playbook_that_will_run_is_said_once(type_: str) -> None:
    before, after = {"playbook": "cluster.yml: a"}, {"playbook": "scale.yml: + b"}
    assert change("update", type_, "k", before, after).says == "runs scale.yml: + b"
    assert change("update", type_, "k", after, after).says == ""


def test_what_a_change_tells_is_no_notice_as_well() -> None:
    steps = [step("update", nouns.CLUSTER, "k", {}, {"playbook": "scale.yml: + b"})]
    said = [{"severity": "info#err", "message": text} for text in ("kubernetes: scale.yml: + b\n", "other\n")]
    assert ChangeSet.of("paris", {"steps": steps, "diagnostics": said}).notices == ("other",)


def test_a_renewal_says_why() -> None:
    one = change("update", nouns.CERTIFICATE, "tls", {}, {"renew": "9 days remain"})
    assert one.says == "because 9 days remain"


def test_what_leaves_the_state_only_is_no_change() -> None:
    """After a replacement that was cut short, or for what the program only read."""
    assert (
        change_set(step("remove-pending-replace", nouns.VM, "it", {}), step("discard", CLAIM, "it", {})).changes == ()
    )


def test_a_kubeconfig_file_that_is_not_in_this_clone_is_no_change_of_the_site() -> None:
    """Each job of a pipeline has a clone of its own: there would be drift every day, and no renewal ever."""
    inputs = {"path": ".kube/paris.yaml", "content": "[secret]"}
    missing = change_set(step("update", nouns.KUBECONFIG_FILE, "f", inputs, inputs))
    assert not missing.differs
    moved = {**inputs, "path": "elsewhere"}
    later = {**inputs, "content": min(nouns.UNKNOWN)}
    for op, after in (("replace", moved), ("update", later), ("delete", None), ("create", inputs)):
        before = None if op == "create" else inputs
        assert change_set(step(op, nouns.KUBECONFIG_FILE, "f", before, after)).differs
