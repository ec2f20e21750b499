"""The resource that `TemplateProvider` serves, and what it takes for each source."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import pulumi
from pulumi.dynamic import Resource
from pydantic.alias_generators import to_camel

from components.images.provider import FOREIGN, KEPT, TemplateProvider


@dataclass(frozen=True)
class TemplateArgs:
    """What every template has. `api_token` is a secret."""

    source: ClassVar[str]

    endpoint: pulumi.Input[str]
    api_token: pulumi.Input[str]
    insecure: pulumi.Input[bool]
    name: pulumi.Input[str]
    """Of the template on Proxmox VE: what identifies it."""


@dataclass(frozen=True)
class FoundTemplateArgs(TemplateArgs):
    """A template that is there already."""

    machines: pulumi.Input[list[str]]
    """Names of what is cloned from it: with another one comes another look at the template."""


@dataclass(frozen=True)
class KeptTemplateArgs(FoundTemplateArgs):
    """One that a former recipe has built."""

    source: ClassVar[str] = KEPT


@dataclass(frozen=True)
class ForeignTemplateArgs(FoundTemplateArgs):
    """One that somebody made by hand."""

    source: ClassVar[str] = FOREIGN


@dataclass(frozen=True)
class BuiltTemplateArgs(TemplateArgs):
    """A template that is built where it is not there."""

    build_node: pulumi.Input[str]
    vm_id_base: pulumi.Input[int]
    """The site's first VMID: images take the first hundred."""
    description: pulumi.Input[str]
    disk_storage: pulumi.Input[str]
    disk_gib: pulumi.Input[int]
    bridge: pulumi.Input[str]
    vlan: pulumi.Input[str]
    """Empty for none."""


@dataclass(frozen=True)
class PackerTemplateArgs(BuiltTemplateArgs):
    """Built by Packer from the folder `packer/`. `preseed` and `user_password` are secrets."""

    source: ClassVar[str] = "packer"

    iso_file: pulumi.Input[str]
    http_address: pulumi.Input[str]
    preseed: pulumi.Input[str]
    user: pulumi.Input[str]
    user_password: pulumi.Input[str]
    ssh_port: pulumi.Input[int]


@dataclass(frozen=True)
class CloudImageTemplateArgs(BuiltTemplateArgs):
    """Made from a disk image."""

    source: ClassVar[str] = "cloud-image"

    disk_image: pulumi.Input[str]
    """Volume id, such as `local:import/debian.qcow2`."""


class Template(Resource, module="images", name="Template"):
    """A Proxmox template."""

    def __init__(self, name: str, args: TemplateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {to_camel(field.name): getattr(args, field.name) for field in fields(args)}
        # The outputs that are no inputs are declared, or the engine would not hand them over.
        props |= {"source": args.source, "vmId": None, "node": None}
        super().__init__(TemplateProvider(), name, props, opts)
        # From the resource, not from the arguments: whoever uses them waits for the template.
        self.name: pulumi.Output[str] = pulumi.get(self, "name")
        self.vm_id: pulumi.Output[int] = pulumi.get(self, "vmId")
        """VMID, wherever it was found or built."""
        self.node: pulumi.Output[str] = pulumi.get(self, "node")
        """The Proxmox node that it is on."""
