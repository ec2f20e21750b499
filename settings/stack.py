"""Reading a stack's configuration: from the running program, or from the stack file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import pulumi
from pydantic import Field, SecretStr, TypeAdapter, ValidationError

from settings import conflicts, rules
from settings.backup import Backup, BackupServer
from settings.change_control import ChangeControl
from settings.fields import Domain, Name
from settings.files import raw_values
from settings.models import Access, Image, Kubernetes, Model, Network, Pool, Proxmox
from settings.problems import PROJECT, Problem, SettingsError, of_validation
from settings.services import Acme, Charts, ExternalService, Services
from settings.storage import Storage
from settings.teams import Team

SECRET_KEYS = {
    "proxmoxApiToken": (r"[^\s@!=]+@[^\s@!=]+![^\s@!=]+=[0-9a-fA-F-]{36}", "user@realm!token-id=UUID"),
    "dnsTransferKey": (r"[A-Za-z0-9+/]{43}=", "32 bytes in base64, such as `openssl rand -base64 32` prints"),
    "pbsToken": (r"[0-9a-fA-F-]{36}", "UUID"),
}
"""Top-level secret key -> pattern of its value, and that pattern in words."""
OPTIONAL_SECRETS = frozenset({"dnsTransferKey", "pbsToken"})
"""Those that a stack may lack. Without the key of zone transfers, the same in every stack, no zone is transferred.
What `backupServer` says may need them."""


class Settings(Model):
    """Everything that differs per site, validated as a whole."""

    site: Name
    """The site's name, which is also the stack's."""
    domains: Annotated[tuple[Domain, ...], Field(min_length=1)]
    """DNS zones of the site, the platform's own first."""
    proxmox: Proxmox
    """The site's Proxmox VE cluster."""
    network: Network
    """The network that the site's VMs live in."""
    access: Access = Access()
    image: Image = Image()
    pools: Annotated[tuple[Pool, ...], Field(min_length=1)]
    """Groups of identical VMs."""
    kubernetes: Kubernetes | None = None
    """Absent on a site without a cluster (the backup server)."""
    services: Services | None = None
    """Where the cluster's services are reached; absent with `kubernetes`."""
    storage: Storage = Storage()
    charts: Charts = Charts()
    acme: Acme = Acme()
    external_services: tuple[ExternalService, ...] = ()
    """Services outside the cluster that the ingress controller publishes."""
    teams: tuple[Team, ...] = ()
    """Other teams that run applications on the cluster."""
    groups: tuple[Name, ...] = ("platform-admins", "network-operations", "oss")
    """Groups of people in Authentik. Who belongs to them is decided there."""
    backup: Backup = Backup()
    backup_server: BackupServer | None = None
    """What the site keeps for others: the backup server's alone."""
    protection: bool = True
    """Pulumi's `protect` and Proxmox's own flag on everything that holds state."""
    change_control: ChangeControl = ChangeControl()
    """How far one change may reach."""

    @classmethod
    def load(cls) -> Self:
        """Read the running stack's configuration, secrets included, and look at the stack files beside it.

        Raises:
            SettingsError: with every problem found, before any resource is declared.
        """
        stack = pulumi.get_stack()
        # `pulumi.Config` looks keys up but cannot list them, and an unknown key must be found.
        values = pulumi.runtime.config.CONFIG.get()
        raw = {
            key.removeprefix(f"{PROJECT}:"): SecretStr(value) if pulumi.runtime.is_config_secret(key) else _typed(value)
            for key, value in values.items()
        }
        source = f"Pulumi.{stack}.yaml"
        settings = cls.parse(source, stack, raw)
        # The engine runs the program in the project's folder. What is compared is what the files say there.
        conflicts.refuse(source, [each for each in read_folder(Path()).values() if isinstance(each, Settings)])
        return settings

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a stack file, `Pulumi.<stack>.yaml`, whose secrets may be encrypted or not set yet.

        Raises:
            SettingsError: with every problem found.
        """
        stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        return cls.parse(path.name, stack, raw_values(path), secrets_required=False)

    @classmethod
    def parse(cls, source: str, stack: str, raw: Mapping[str, Any], *, secrets_required: bool = True) -> Self:
        """Validate the values of one stack.

        Args:
            source: File name that error messages start with.
            stack: Stack name, which must be the site's name.
            raw: Key -> value as the YAML file has it, `SecretStr` for an encrypted one (empty when it cannot be
                decrypted). Keys are without the project's namespace; those of the engine are ignored.
            secrets_required: Whether a missing secret is a problem.

        Raises:
            SettingsError: with every problem found.
        """
        problems = [*_secret_problems(stack, raw, secrets_required), *_foreign_keys(raw)]
        encrypted = {key for key, value in raw.items() if isinstance(value, SecretStr)}
        elsewhere = SECRET_KEYS.keys() | encrypted
        values = {key: value for key, value in raw.items() if ":" not in key and key not in elsewhere}
        try:
            settings = cls._validate(values)
            sections = dict(settings)
        except ValidationError as error:
            problems += of_validation(error, cls, hidden=encrypted, also_allowed=SECRET_KEYS)
            sections = cls._valid_sections(values, error)
        problems += rules.problems(stack, sections)
        if problems:
            raise SettingsError(source, problems)
        return settings

    @classmethod
    def _validate(cls, values: Mapping[str, Any]) -> Self:
        # As JSON, strict mode takes addresses from text and yet no text for a number, nor `yes` for true.
        text = json.dumps(values, default=str)
        return cls.model_validate_json(text, strict=True, by_alias=True, by_name=False)

    @classmethod
    def _valid_sections(cls, values: Mapping[str, Any], error: ValidationError) -> dict[str, Any]:
        """Field name -> value of the fields that `error` does not complain about."""
        broken = {key for details in error.errors() for key in details["loc"][:1] or values}
        sections = {}
        for name, field in cls.model_fields.items():
            key = field.alias or name
            if key in values and key not in broken:
                adapter = TypeAdapter[Any](field.rebuild_annotation())
                text = json.dumps(values[key], default=str)
                sections[name] = adapter.validate_json(text, strict=True, by_alias=True, by_name=False)
            elif key not in broken:
                sections[name] = field.get_default()
        return sections


def read_folder(folder: Path) -> dict[str, Settings | SettingsError]:
    """Name of each stack file of a folder -> its settings, or what is wrong with it by itself."""
    found: dict[str, Settings | SettingsError] = {}
    for path in sorted(folder.glob("Pulumi.*.yaml")):
        try:
            found[path.name] = Settings.read(path)
        except SettingsError as error:
            found[path.name] = error
    return found


def secret(key: str) -> pulumi.Output[str]:
    """The value of one of `SECRET_KEYS` in the running stack, as a secret."""
    return pulumi.Config(PROJECT).require_secret(key)


def optional_secret(key: str) -> pulumi.Output[str] | None:
    """The same of one of `OPTIONAL_SECRETS`; None where the stack has none."""
    return pulumi.Config(PROJECT).get_secret(key)


def _typed(value: str) -> Any:
    """The YAML value of a configuration key, which the engine hands over as text (lists and mappings as JSON)."""
    if value in ("true", "false") or value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:  # Text that only looks like JSON.
            return value
    return value


def _secret_problems(stack: str, raw: Mapping[str, Any], required: bool) -> Iterator[Problem]:
    for key, (pattern, form) in SECRET_KEYS.items():
        remedy = f"run: pulumi config set --secret {PROJECT}:{key} -s {stack}"
        value = raw.get(key)
        if value is None:
            if required and (key not in OPTIONAL_SECRETS or key in _of_backup_server(raw)):
                yield Problem("missing-secret", f"{PROJECT}:{key} is missing ({form}); {remedy}")
        elif not isinstance(value, SecretStr):
            yield Problem("secret-in-clear", f"{PROJECT}:{key} stands in clear: revoke it, and for a new one {remedy}")
        # A file's encrypted values are not read, and empty; what the engine has decrypted must be something.
        elif (required or value.get_secret_value()) and not re.fullmatch(pattern, value.get_secret_value()):
            yield Problem("malformed-secret", f"{PROJECT}:{key} (not shown) must have the form {form}; {remedy}")
    for key, value in raw.items():
        if isinstance(value, SecretStr) and key not in SECRET_KEYS and ":" not in key:
            allowed = ", ".join(SECRET_KEYS)
            yield Problem("unexpected-secret", f"{PROJECT}:{key} holds a secret: the secret settings are {allowed}")


def _of_backup_server(raw: Mapping[str, Any]) -> set[str]:
    """The secrets that a backup server needs."""
    server = raw.get("backupServer")
    pbs = {"pbsToken"} if isinstance(server, Mapping) and server.get("pbs") else set()
    return {"dnsTransferKey"} | pbs if server else set()


def _foreign_keys(raw: Mapping[str, Any]) -> Iterator[Problem]:
    for key in raw:
        namespace, colon, _ = key.partition(":")
        if colon and namespace != "pulumi":
            yield Problem("foreign-namespace", f"{key} is not read: every setting is a key of {PROJECT}")
