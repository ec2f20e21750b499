"""Dynamic provider of a backup server: one machine that the playbook `backup/server.yml` configures.

`check` and `diff` make no network call. The playbook brings about what is missing, so a run that failed is run again
whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, ReadResult, UpdateResult

from components import ansible
from components.dynamic import Provider
from components.process import show

PLAYBOOK = Path(__file__).resolve().parents[2] / "backup" / "server.yml"
LOGIN = ("address", "user", "sshPort", "privateKey")
CONTENT = ("machine", "uuid", "folder", "sites", "dnsPort", "transferKey", "apiKey", "playbook")


class BackupServerError(Exception):
    """A backup server that is not as it should be yet."""


class BackupServerProvider(Provider):
    """CRUD of one server. The id is the machine's name."""

    INPUTS = (*LOGIN, *CONTENT)
    REPLACES = ("machine",)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Add which playbook will run: a change of it is a change of the server."""
        return CheckResult({**news, "playbook": f"{PLAYBOOK.name} {ansible.digest(PLAYBOOK.parent)}"}, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Run the playbook.

        Raises:
            BackupServerError: it failed.
        """
        return CreateResult(props["machine"], {**self.inputs(props), "recap": _configure(props)})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Run the playbook, unless only the way to log in has changed, which is recorded.

        Raises:
            BackupServerError: it failed.
        """
        same = all(olds.get(key) == news.get(key) for key in ("address", *CONTENT))
        return UpdateResult({**self.inputs(news), "recap": olds.get("recap", "") if same else _configure(news)})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Keep what is known: the server is looked at by the playbook."""
        return ReadResult(id_, props, self.inputs(props))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Nothing to run: what is kept goes with the machine, whose protection is there for that."""
        show(f"backup: what is kept on {props['machine']} stays as long as its machine does; no playbook runs")


def inventory(props: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `hosts.yaml`. It holds secrets."""
    return {
        "all": {
            "hosts": {props["machine"]: {"ansible_host": props["address"]}},
            "vars": {
                "ansible_user": props["user"],
                "ansible_port": int(props["sshPort"]),
                "backup_folder": props["folder"],
                "backup_sites": props["sites"],
                "dns_port": int(props["dnsPort"]),
                "dns_transfer_key": props["transferKey"],
                "dns_api_key": props["apiKey"],
            },
        }
    }


def _configure(props: Mapping[str, Any]) -> str:
    """Run the playbook; Ansible's recap."""
    try:
        with (
            ansible.alone(props["address"]) as lock,
            ansible.workspace(props["address"], inventory(props), props["privateKey"]) as folder,
        ):
            ansible.play(ansible.IDENTITY, PLAYBOOK.parent, folder, lock=lock)
            recap = ansible.play(PLAYBOOK, PLAYBOOK.parent, folder, lock=lock)
    except (ansible.ToolboxError, ansible.PlaybookError) as error:
        raise BackupServerError(
            f"The backup server {props['machine']} is not as it should be yet: mend it and run again. {error}"
        ) from None
    show(recap)
    return recap
