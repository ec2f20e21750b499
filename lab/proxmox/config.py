"""What the Proxmox service of one site is told: the file that the lab's commands write."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel


class ConfigError(Exception):
    """The file cannot be read, or says something that cannot be."""


class _Model(BaseModel):
    # Not closed: the lab's `packer` reads the same file, and needs more.
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Token(_Model):
    """An API token with privileges of its own: `user@realm!name` and its secret."""

    id: str = Field(pattern=r"^[^@!\s]+@[^@!\s]+![^@!\s]+$")
    secret: SecretStr


class DhcpRange(_Model):
    """Addresses that the site's DHCP server gives out, both ends included."""

    first: IPv4Address
    last: IPv4Address


class SiteConfig(_Model):
    """One site's Proxmox VE."""

    address: IPv4Address
    port: int = Field(ge=0, le=65535)
    """Port of the API; 0 takes a free one."""
    certificate: Path
    key: Path
    nodes: tuple[str, ...] = Field(min_length=1)
    iso_storage: str
    disk_storages: tuple[str, ...] = Field(min_length=1)
    user: str
    password: SecretStr
    token: Token
    bridges: tuple[str, ...] = Field(min_length=1)
    """Those that every node has; the first is the default."""
    network: IPv4Network
    """Network of the VMs."""
    dhcp: DhcpRange
    tools: tuple[Path, ...] = ()
    """Folders that go on the PATH of static pods."""
    state: Path
    """Private folder of this service; the guests' file systems live below it."""


def read(path: Path) -> SiteConfig:
    """Read the configuration.

    Raises:
        ConfigError: naming the file, and for each problem the key and what is wrong with it.
    """
    try:
        return SiteConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}. The lab's commands write this file.") from None
    except ValidationError as error:
        # Values stay out of the message: some of them are secrets.
        lines = (f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigError("\n".join(lines)) from None
