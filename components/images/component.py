"""`GoldenImage`: the templates that a site's machines are cloned from, wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_proxmoxve as proxmoxve

from components.credentials import Credentials
from components.images import recipe
from components.images.provider import FOREIGN, KEPT, Template
from components.machines import places
from settings import CloudImage, Iso, Pool, Settings
from settings.image_rules import is_own_image


@dataclass(frozen=True)
class GoldenImageArgs:
    """What an image is made from, and where."""

    settings: Settings
    """The site's: `image`, and the `pools` that pin other templates."""
    credentials: Credentials
    api_token: pulumi.Input[str]
    """`user@realm!tokenid=uuid`, secret."""


class GoldenImage(pulumi.ComponentResource):
    """The golden image, and beside it the older ones that are kept and those that pools pin.

    Every template is a resource that is named by the template's own name. An image that is not the
    golden one any more, and neither kept nor pinned, is not declared any more: the engine removes it, after all
    else is done. Machines are not replaced by another image (`VmPool`).
    """

    vm_id: pulumi.Output[int]
    """VMID of the golden image."""
    name: pulumi.Output[str]
    """Its name on Proxmox VE; that of one that is built carries the hash of what made it."""

    def __init__(self, name: str, args: GoldenImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:images:GoldenImage", name, None, opts)
        self._name, self._args, self._settings = name, args, args.settings
        golden = self._golden_name()
        pinned = [pool.image for pool in args.settings.pools if pool.image]
        wanted = dict.fromkeys([*args.settings.image.keep, *pinned, golden])
        self._templates: dict[str, Template] = {}
        for each in sorted(wanted, key=lambda each: each == golden):
            self._templates[each] = Template(
                f"{name}-{each}",
                self._golden(golden) if each == golden else self._found(each, golden),
                pulumi.ResourceOptions(
                    parent=self,
                    # The golden image comes last: no build begins where one that is to stay is not there.
                    depends_on=list(self._templates.values()) if each == golden else None,
                ),
            )
        self._golden_template = self._templates[golden]
        self.vm_id, self.name = self._golden_template.vm_id, self._golden_template.name
        self.register_outputs({"vmId": self.vm_id, "name": self.name})

    def template(self, pool: Pool) -> Template:
        """What a pool's new machines are cloned from."""
        return self._templates[pool.image] if pool.image else self._golden_template

    def _golden_name(self) -> str:
        own = self._settings
        digest = recipe.digest(own.image, own.access, own.network, own.proxmox)
        return own.image.template or recipe.template_name(own.site, digest)

    def _golden(self, name: str) -> dict[str, Any]:
        image = self._settings.image
        if image.source == "existing":
            return self._found(name, name)
        built = self._build(name)
        if image.cloud_image is not None:
            return built | {"diskImage": self._disk_image(name, image.cloud_image)}
        access, credentials = self._settings.access, self._args.credentials
        preseed = pulumi.Output.all(
            root_password_hash=credentials.root_password_hash,
            user_password_hash=credentials.user_password_hash,
            public_key=credentials.public_key,
        ).apply(lambda values: recipe.render_preseed(access=access, mirror=image.mirror, **values))
        return built | {
            "isoFile": self._installer(image.iso),
            "httpAddress": "" if image.http_address is None else str(image.http_address),
            "preseed": preseed,
            "user": access.user,
            "userPassword": credentials.user_password,
            "sshPort": access.ssh_port,
        }

    def _found(self, name: str, golden: str) -> dict[str, Any]:
        """A template that is there already."""
        site, proxmox = self._settings.site, self._settings.proxmox
        of_it = [pool for pool in self._settings.pools if (pool.image or golden) == name]
        return self._place(name, KEPT if is_own_image(site, name) else FOREIGN) | {
            # With another one comes another look at the template.
            "machines": [place.name for pool in of_it for place in places(site, pool, proxmox)]
        }

    def _place(self, name: str, source: str) -> dict[str, Any]:
        """What every template has."""
        proxmox, token = self._settings.proxmox, self._args.api_token
        return {
            "source": source,
            "endpoint": proxmox.endpoint,
            "apiToken": token,
            "insecure": proxmox.insecure,
            "name": name,
        }

    def _build(self, name: str) -> dict[str, Any]:
        """What one has that is built where it is not there."""
        own, image = self._settings, self._settings.image
        proxmox, network = own.proxmox, own.network
        return self._place(name, image.source) | {
            "buildNode": proxmox.nodes[0],
            "vmIdBase": proxmox.vm_id_base,
            "description": f"OSS NextGen golden image of {own.site}, made by {image.source},"
            f" recipe {name.rpartition('-')[2]}. Do not edit.",
            "diskStorage": proxmox.disk_storage,
            "diskGib": image.disk_gib,
            "bridge": network.bridge,
            "vlan": "" if network.vlan is None else str(network.vlan),
        }

    def _installer(self, iso: Iso) -> pulumi.Output[str]:
        return self._download("iso", "iso", iso.url.rpartition("/")[2], iso)

    def _disk_image(self, name: str, image: CloudImage) -> pulumi.Output[str]:
        # Named after the template: the next image may have the same file name, and another content.
        return self._download("disk-image", "import", f"{name}.{image.url.rpartition('.')[2]}", image)

    def _download(self, suffix: str, content: str, file_name: str, file: Iso | CloudImage) -> pulumi.Output[str]:
        proxmox = self._settings.proxmox
        return proxmoxve.download.File(
            f"{self._name}-{suffix}",
            content_type=content,
            node_name=proxmox.nodes[0],
            datastore_id=proxmox.iso_storage,
            file_name=file_name,
            url=file.url,
            checksum=file.sha256,
            checksum_algorithm="sha256",
            overwrite=False,
            # One that somebody put there before is replaced by the one that the checksum pins.
            overwrite_unmanaged=True,
            # Another address is another file, maybe of the same name: the old one, removed last, would take it along.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        ).id
