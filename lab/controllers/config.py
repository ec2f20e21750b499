"""What the controllers of one site are told: the file that the lab's commands write."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel


class ConfigError(Exception):
    """The file cannot be read, or says something that cannot be."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class AddressRange(_Model):
    """Addresses, both ends included."""

    first: IPv4Address
    last: IPv4Address


class Dns(_Model):
    """Where the site's PowerDNS is expected to answer."""

    address: IPv4Address
    port: int = Field(ge=1, le=65535)
    api_port: int = Field(ge=1, le=65535)


class Ingress(_Model):
    """Where the site's ingress controller is expected to answer."""

    address: IPv4Address
    http_port: int = Field(ge=1, le=65535)
    https_port: int = Field(ge=1, le=65535)


class Webhook(_Model):
    """Where the lab answers the API server for a webhook of a played pod."""

    address: IPv4Address
    port: int = Field(ge=1, le=65535)


class Config(_Model):
    """The controllers of one site."""

    site: str
    kubeconfig: Path
    """The administrator's; it may come and go."""
    state: Path
    """Private folder of this process."""
    load_balancers: AddressRange
    """The lab's addresses for LoadBalancer services: others are never given, for nothing may be bound there."""
    dns: Dns
    ingress: Ingress
    webhook: Webhook
    tools: tuple[Path, ...] = ()
    """Folders that go on the PATH of what the controllers start."""
    ca_bundle: Path
    """PEM file: the lab's own authority, and the system's."""
    routes: dict[IPv4Address, IPv4Address] = {}
    """Address of an external service -> loopback address of the lab that plays it.

    An EndpointSlice may not name a loopback address: the API server refuses it.
    """

    @property
    def volumes(self) -> Path:
        """Contents of the persistent volumes: `<volumes>/<name of the PersistentVolume>`.

        The folder is there soon after the claim is bound, and goes with its PersistentVolume.
        """
        return self.state / "volumes"

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read the configuration.

        Raises:
            ConfigError: naming the file, and for each problem the key and what is wrong with it.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}. The lab's commands write this file.") from None
        except ValidationError as error:
            lines = (f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            raise ConfigError("\n".join(lines)) from None
