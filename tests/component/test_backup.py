"""Backups under mocks: what a site declares to be backed up, and what its server is told."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

import pulumi
import pytest
from pulumi.runtime import rpc

from components.backup import (
    BackupServer,
    BackupServerArgs,
    EtcdSnapshots,
    EtcdSnapshotsArgs,
    SiteBackup,
    SiteBackupArgs,
)
from components.machines import Login, Machine
from components.references import Reference, ReferenceProblem
from policy.pods import problems_of
from settings import BackedUpSite, Backup
from settings import BackupServer as Settings
from tests.component.mocks import Agreeing

Test = TypeVar("Test", bound=Callable[..., pulumi.Output[None]])
runtime_test: Callable[[Test], Test] = pulumi.runtime.test  # the SDK leaves it untyped
# pulumi_command warns of its own CopyFile when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:This resource is deprecated:DeprecationWarning:pulumi_command")
PATHS = {purpose: f"/srv/backup/paris/{purpose}" for purpose in ("longhorn", "vzdump", "etcd")}
UUID = "5e6f1a0c-0000-4000-8000-000000000001"
PBS = {"server": "pbs.ef-fr.dev", "datastore": "sites", "username": "sites@pbs!pulumi", "fingerprint": "ab:cd"}
OUTPUTS: dict[str, Any] = {
    "schemaVersion": 1.0,
    "backup": {
        "server": "10.75.20.101",
        "sites": {"paris": PATHS},
        "dnsServer": {"address": "10.75.20.101", "port": 53.0},
    },
}


class Mocks(Agreeing):
    """A provider that agrees, beside the stack of a backup server."""

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}
        self.outputs = OUTPUTS

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made[args.name] = args.inputs
        stack = (
            {"outputs": self.outputs, "secretOutputNames": ["pbsToken"]}
            if args.typ == "pulumi:pulumi:StackReference"
            else {}
        )
        return args.name, {**args.inputs, **stack}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        return {"outputs": self.outputs, "secretOutputNames": ["pbsToken"]}, []


@pytest.fixture
def mocks() -> Mocks:
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris", preview=False)
    return mocks


def machine(number: int, role: str = "control-plane") -> Machine:
    address = pulumi.Output.from_input(f"10.75.10.{number}")
    uuid = pulumi.Output.from_input(UUID)
    return Machine(f"paris-{role}-{number}", role, 2200 + number, "pve1", address, uuid)


def site_backup(site: str, **changes: Any) -> SiteBackup:
    settings = Backup(stack="backup", schedule="sat 03:00", **changes)
    machines = [machine(1), machine(2, "worker"), machine(3, "storage")]
    args = SiteBackupArgs(site, Reference("backup", 1), settings, ["pve2", "pve1"], machines)
    return SiteBackup("backup", args)


@runtime_test
def test_every_machine_but_workers_is_backed_up_to_the_sites_directory(mocks: Mocks) -> pulumi.Output[None]:
    backup = site_backup("paris")

    def check(values: list[Any]) -> None:
        assert values[1:] == ["nfs://10.75.20.101:/srv/backup/paris/longhorn", PATHS["etcd"]]
        assert mocks.made["backup-storage"] == {
            "resourceId": "oss-nextgen-backup",
            "server": "10.75.20.101",
            "export": PATHS["vzdump"],
            "contents": ["backup"],
            "nodes": ["pve1", "pve2"],
            "options": "vers=4.2",
        }
        job = mocks.made["backup-job"]
        assert (job["resourceId"], job["storage"]) == ("oss-nextgen-paris", "oss-nextgen-backup")
        assert (job["vmids"], job["schedule"]) == (["2201", "2203"], "sat 03:00")
        assert job["pruneBackups"] == {"keep-daily": "7", "keep-weekly": "4", "keep-monthly": "6"}

    return pulumi.Output.all(backup.job.id, backup.longhorn, backup.etcd).apply(check)


def test_a_site_that_the_server_does_not_know_is_told_what_to_do(mocks: Mocks) -> None:
    @runtime_test
    def declare() -> pulumi.Output[None]:
        return pulumi.Output.from_input(site_backup("metz").etcd).apply(lambda _: None)

    with pytest.raises(
        ReferenceProblem, match=r"keeps nothing for metz, only for paris: add it to backupServer\.sites"
    ):
        declare()


@runtime_test
def test_a_site_may_prefer_a_proxmox_backup_server(mocks: Mocks) -> pulumi.Output[None]:
    mocks.outputs = {**OUTPUTS, "backup": {**OUTPUTS["backup"], "pbs": PBS}, "pbsToken": "s3cret"}
    backup = site_backup("paris", vzdump="pbs")

    def check(_: str) -> None:
        inputs = mocks.made["backup-storage"]
        assert {key: inputs[key] for key in PBS} == PBS
        assert rpc.is_rpc_secret(inputs["password"])
        assert (inputs["contents"], mocks.made["backup-job"]["storage"]) == (["backup"], "oss-nextgen-backup-pbs")
        # While a site goes from one to the other, both are there.
        assert inputs["resourceId"] == "oss-nextgen-backup-pbs"

    return backup.job.id.apply(check)


def test_a_backup_stack_without_one_is_told_what_to_do(mocks: Mocks) -> None:
    mocks.outputs = {**OUTPUTS, "pbsToken": "s3cret"}

    @runtime_test
    def declare() -> pulumi.Output[None]:
        return site_backup("paris", vzdump="pbs").job.id.apply(lambda _: None)

    with pytest.raises(ReferenceProblem, match=r"names no Proxmox Backup Server: set backupServer\.pbs"):
        declare()


@runtime_test
def test_the_server_is_told_of_each_site_and_keeps_its_keys_secret(mocks: Mocks) -> pulumi.Output[None]:
    paris, lille = (
        BackedUpSite(
            networks=(IPv4Network(f"{network}.0/24"),),
            proxmox_nodes=(IPv4Address(f"{network}.5"),),
            control_plane=(IPv4Address(f"{network}.101"), IPv4Address(f"{network}.102")),
            zones=(zone,),
            dns_address=IPv4Address(f"{network}.200"),
            dns_port=port,
        )
        for network, zone, port in (("10.75.10", "ef-fr.dev", 53), ("10.59.10", "l.fr", 5300))
    )
    login = Login("ossng", 22, 900, pulumi.Output.secret("-----BEGIN"))
    server = BackupServer(
        "backup",
        BackupServerArgs(
            Settings(sites={"paris": paris, "lille": lille}), machine(1, "storage"), login, pulumi.Output.secret("key")
        ),
    )

    def check(address: str) -> None:
        assert address == "10.75.10.1"
        assert server.directories["paris"] == PATHS
        inputs = mocks.made["backup-server"]
        sites = inputs["sites"]
        # No directory but Longhorn's is for whole networks: pods have their nodes' addresses.
        assert sites["paris"]["exports"] == {
            PATHS["longhorn"]: ["10.75.10.0/24"],
            PATHS["vzdump"]: ["10.75.10.5"],
            PATHS["etcd"]: ["10.75.10.101", "10.75.10.102"],
        }
        assert [site["primary"] for site in sites.values()] == ["10.75.10.200", "10.59.10.200:5300"]
        assert inputs["uuid"] == UUID
        assert mocks.made["backup-ready-paris-storage-1"]["create"] == "cloud-init status --wait"
        for key in ("privateKey", "transferKey"):
            assert rpc.is_rpc_secret(inputs[key]), key

    return server.address.apply(check)


@runtime_test
def test_etcd_is_saved_by_the_control_plane(mocks: Mocks) -> pulumi.Output[None]:
    snapshots = EtcdSnapshots("etcd-snapshots", EtcdSnapshotsArgs("10.75.20.101", PATHS["etcd"]))

    def check(_: str) -> None:
        made = mocks.made["etcd-snapshots"]
        assert problems_of({**made, "kind": "CronJob"}) == []
        pod = made["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        assert {"name": "store", "nfs": {"server": "10.75.20.101", "path": PATHS["etcd"]}} in pod["volumes"]
        assert pod["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}
        (container,) = pod["containers"]
        variables = {each["name"]: each.get("value") for each in container["env"]}
        assert variables["ETCDCTL_CERT"] == "/etc/ssl/etcd/ssl/admin-$(NODE).pem"
        # A variable is known to those after it only.
        assert list(variables)[:2] == ["NODE", "POD"]

    return snapshots.job.id.apply(check)
