"""From the product's HCL template to the JSON that Packer 1.6.6's Proxmox builder reads.

Every attribute is in one of the tables below or is refused by name. What 1.6.6 cannot do while it
builds, and the current plugin (hashicorp/proxmox 1.2) does, is left to `Finish`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.packer.hcl import Provisioner, Template, TemplateError, Value, block_body, evaluate, is_block

SOURCE_TYPE = "proxmox-iso"

SAME = frozenset(
    {
        "boot",
        "boot_command",
        "boot_key_interval",
        "boot_wait",
        "cores",
        "cpu_type",
        "disable_kvm",
        "http_bind_address",
        "http_port_max",
        "http_port_min",
        "insecure_skip_tls_verify",
        "memory",
        "node",
        "onboot",
        "os",
        "pool",
        "proxmox_url",
        "qemu_agent",
        "scsi_controller",
        "sockets",
        "ssh_password",
        "ssh_timeout",
        "ssh_username",
        "template_description",
        "template_name",
        "vm_id",
        "vm_name",
    }
)
"""Attributes that mean the same to both."""
TRANSLATED = frozenset(
    {
        "boot_iso",
        "cloud_init",
        "cloud_init_storage_pool",
        "disks",
        "http_content",
        "network_adapters",
        "ssh_port",
        "tags",
        "task_timeout",
        "token",
        "username",
    }
)
DISK_SAME = frozenset({"type", "storage_pool", "disk_size", "cache_mode", "io_thread", "format"})
DISK_LATER = {"discard": "discard=on", "ssd": "ssd=1"}
"""Options of a disk that 1.6.6 cannot set -> how the API writes them."""
NETWORK_SAME = frozenset({"model", "bridge", "vlan_tag", "mac_address", "firewall", "packet_queues"})
SHELL_SAME = frozenset({"execute_command", "scripts", "inline", "environment_vars"})

SECRET_PREFIX = "PKR_LAB_"
"""Secrets reach Packer as variables of this environment: its JSON names them only."""


@dataclass(frozen=True)
class Login:
    """Who Packer 1.6.6 logs in as: it knows no API tokens."""

    user: str
    password: str


@dataclass(frozen=True)
class Finish:
    """What is still to be done to the template."""

    tags: str = ""
    disk_options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Device -> options to add."""
    cloud_init_storage: str | None = None
    """Attach a cloud-init drive of this storage to the first free IDE slot."""
    remove: tuple[str, ...] = ()
    """Devices to detach."""


@dataclass(frozen=True)
class Translation:
    """All that one run of Packer 1.6.6 needs."""

    document: dict[str, Any]
    """The JSON template; `ssh_host`, `ssh_port` and `http_directory` are added when they are known."""
    environment: Mapping[str, str]
    """Secrets."""
    files: Mapping[str, str]
    """Path on Packer's HTTP server -> content."""
    finish: Finish
    proxmox_url: str
    token: str
    """`user@realm!name=secret`."""
    insecure: bool
    node: str
    vm_id: int
    ssh_port: int
    http_bind_address: str
    notes: tuple[str, ...]
    """What 1.6.6 does otherwise, for the person who reads the output."""


def translate(template: Template, login: Callable[[str], Login]) -> Translation:
    """Translate a template.

    Args:
        template: What was read.
        login: Gives the login of the Proxmox server with an API URL.

    Raises:
        TemplateError: naming the attribute that cannot be translated.
    """
    if template.source_type != SOURCE_TYPE:
        raise TemplateError(f"source {template.source_type}: the lab's packer translates {SOURCE_TYPE} only")
    _refuse("source", template.source.keys() - SAME - TRANSLATED)
    values = _Values(template)
    url = str(values.clear("proxmox_url"))
    account = login(url)
    builder = {name: values.hidden(name) for name in sorted(SAME & template.source.keys())}
    builder |= {
        "type": SOURCE_TYPE,
        "name": f"{SOURCE_TYPE}.{template.source_name}",
        "username": account.user,
        "password": values.secret("proxmox_password", account.password),
        "disks": [_disk(block, values) for block in values.blocks("disks")],
        "network_adapters": [
            _copy("network_adapters", block, NETWORK_SAME, values) for block in values.blocks("network_adapters")
        ],
    }
    iso, unmount = _boot_iso(values)
    builder["iso_file"] = iso
    provisioners = [_provisioner(provisioner, values) for provisioner in template.provisioners]
    secrets = {name.removeprefix(SECRET_PREFIX): name for name in values.environment}
    timeout = values.clear("task_timeout")
    return Translation(
        document={
            "variables": {name: f"{{{{env `{variable}`}}}}" for name, variable in secrets.items()},
            "sensitive-variables": sorted(secrets),
            "builders": [builder],
            "provisioners": provisioners,
        },
        environment=values.environment,
        files=_files(values),
        finish=Finish(
            tags=str(values.clear("tags") or ""),
            disk_options=_disk_options(values),
            cloud_init_storage=str(values.clear("cloud_init_storage_pool")) if values.clear("cloud_init") else None,
            remove=(unmount,) if unmount else (),
        ),
        proxmox_url=url,
        token=f"{values.clear('username')}={values.clear('token')}",
        insecure=bool(values.clear("insecure_skip_tls_verify")),
        node=str(values.clear("node")),
        vm_id=_number("vm_id", values.clear("vm_id")),
        ssh_port=_number("ssh_port", values.clear("ssh_port") or 22),
        http_bind_address=_loopback(values.clear("http_bind_address")),
        notes=(
            f"Packer 1.6.6 knows no API token: it logs in as {account.user}",
            *([f"task_timeout is {timeout}: Packer 1.6.6 always waits up to 300s for a task"] if timeout else []),
        ),
    )


class _Values:
    """Attributes of the source, with secrets in clear or as references to the environment."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self.environment: dict[str, str] = {}

    def clear(self, name: str) -> Value:
        """Value of an attribute; None if it is not there."""
        return self._evaluate(self._template.source.get(name), lambda variable: self._variable(variable, hide=False))

    def hidden(self, name: str) -> Value:
        return self.hide(self._template.source[name])

    def hide(self, value: Any) -> Value:
        """Value of an attribute for the JSON template: a secret becomes the name of its variable."""
        return self._evaluate(value, lambda variable: self._variable(variable, hide=True))

    def secret(self, name: str, value: str) -> str:
        """Put a secret into Packer's environment, and return how the JSON template names it."""
        self.environment[SECRET_PREFIX + name] = value
        return f"{{{{user `{name}`}}}}"

    def blocks(self, name: str) -> list[dict[str, Any]]:
        value = self._template.source.get(name, [])
        if value and not is_block(value):
            raise TemplateError(f"{name}: expected nested blocks")
        return [block_body(block) for block in value]

    def _evaluate(self, value: Any, variable: Callable[[str], Value]) -> Value:
        return evaluate(value, self._template.folder, variable)

    def _variable(self, name: str, *, hide: bool) -> Value:
        if name not in self._template.variables:
            raise TemplateError(f"var.{name} is not declared")
        variable = self._template.variables[name]
        if not hide:
            return variable.value
        if variable.sensitive:
            return self.secret(name, str(variable.value))
        if isinstance(variable.value, str) and "{{" in variable.value:
            raise TemplateError(f"variable {name}: Packer 1.6.6 would interpret the braces in it")
        return variable.value


def _copy(where: str, body: Mapping[str, Any], allowed: frozenset[str], values: _Values) -> dict[str, Value]:
    _refuse(where, body.keys() - allowed)
    return {name: values.hide(value) for name, value in body.items()}


def _provisioner(provisioner: Provisioner, values: _Values) -> dict[str, Value]:
    if provisioner.kind != "shell":
        raise TemplateError(f"build: the lab's packer does not translate the provisioner {provisioner.kind}")
    return {"type": "shell", **_copy("provisioner shell", provisioner.body, SHELL_SAME, values)}


def _disk(block: Mapping[str, Any], values: _Values) -> dict[str, Value]:
    now = {name: value for name, value in block.items() if name not in DISK_LATER}
    # 1.6.6 names a volume by the kind of its storage; `lvm` stands for all those without folders.
    return {"storage_pool_type": "lvm", **_copy("disks", now, DISK_SAME, values)}


def _disk_options(values: _Values) -> dict[str, tuple[str, ...]]:
    options = {}
    for index, block in enumerate(values.blocks("disks")):
        added = tuple(text for name, text in DISK_LATER.items() if name in block and values.hide(block[name]))
        if added:
            kind = values.hide(block["type"]) if "type" in block else "scsi"
            options[f"{kind}{index}"] = added
    return options


def _boot_iso(values: _Values) -> tuple[Value, str | None]:
    """(Volume of the ISO, device to detach at the end or None)."""
    blocks = values.blocks("boot_iso")
    if len(blocks) != 1:
        raise TemplateError(f"expected one boot_iso block, found {len(blocks)}")
    iso = _copy("boot_iso", blocks[0], frozenset({"type", "index", "iso_file", "unmount"}), values)
    if iso.get("type", "ide") != "ide" or str(iso.get("index", 2)) != "2":
        raise TemplateError("boot_iso: Packer 1.6.6 attaches it as ide2 only; say type ide and index 2")
    if not iso.get("iso_file"):
        raise TemplateError("boot_iso: iso_file is missing")
    return iso["iso_file"], "ide2" if iso.get("unmount") else None


def _files(values: _Values) -> dict[str, str]:
    content = values.clear("http_content") or {}
    if not isinstance(content, dict):
        raise TemplateError("http_content: expected a map of paths to texts")
    wrong = [path for path in content if not path.startswith("/") or ".." in path.split("/")]
    if wrong:
        raise TemplateError(f"http_content: {', '.join(wrong)}: a path starts with a slash and stays below it")
    return {path: str(text) for path, text in content.items()}


def _loopback(value: Value) -> str:
    try:
        address = ipaddress.ip_address(str(value))
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise TemplateError(
            f"http_bind_address is {value!r}: the lab listens on loopback only. "
            "Set image.httpAddress to an address in 127.0.0.0/8."
        )
    return str(address)


def _number(name: str, value: Value) -> int:
    if not isinstance(value, int):
        raise TemplateError(f"{name}: expected a whole number, found {value!r}")
    return value


def _refuse(where: str, names: set[str]) -> None:
    if names:
        raise TemplateError(f"{where}: the lab's packer does not translate {', '.join(sorted(names))}")
