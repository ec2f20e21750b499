"""Dynamic provider of Proxmox templates: those that the program builds, keeps, or finds made by hand.

Why keeping an image is safe: a template *is* its name. The resource's own name carries it, so the image of
today and the same image when it is only kept, tomorrow, are one resource with one URN. A new recipe is a new
resource beside the old; the engine deletes what the program declares no more, and does so after everything else
has been made. Listing the old one keeps it declared, so nothing has to decide at deletion what to spare. A
template found again by its name is adopted, so a lost state or a killed run builds nothing twice.

Output of builds is shown as progress; it is not kept in state, which is why Packer runs here and not in a
command resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pulumi
from proxmoxer import ProxmoxAPI
from pulumi.dynamic import CreateResult, ReadResult, Resource, UpdateResult

from components.dynamic import Provider
from components.images import cloud_image, packer, recipe
from components.images.templates import TemplateError, config, flaws, linked_clones
from components.process import abandoned, show
from components.proxmox import ApiError, Vm, api_errors, client, find_named, find_vm, remove_vm, unlocked

BUILT = ("packer", "cloud-image")
FOREIGN = "existing"
"""Source of a template that somebody made by hand: found, checked, never removed."""
KEPT = "kept"
"""Source of one that an earlier recipe built."""


class TemplateProvider(Provider):
    """CRUD of one template. The id is its name; outputs say where it is: `vmId`, `node`."""

    REPLACES = ("name",)
    """Only another name is another template. What else changes is recorded and sends nothing: a password or API token,
    or that it is only kept from now on."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Adopt the template, or build it.

        Raises:
            TemplateError: it is not there and has no recipe, it is not fit, or its build failed.
        """
        api = _client(props)
        vm = _build(api, props) if props["source"] in BUILT else _find(api, props)
        return CreateResult(props["name"], {**props, "vmId": vm.vm_id, "node": vm.node})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Look again where a machine is about to be cloned from a template that is not built here.

        Raises:
            TemplateError: it is gone, or not fit any more.
        """
        place = {"vmId": olds["vmId"], "node": olds["node"]}
        if news["source"] not in BUILT and news["machines"] != olds.get("machines", []):
            vm = _find(_client(news), news)
            place = {"vmId": vm.vm_id, "node": vm.node}
        return UpdateResult({**news, **place})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """On shared storage, maintenance may have moved it to another node: clones are made where it is."""
        vm = _template(_client(props), props)
        return ReadResult(id_, {**props, "node": vm.node}) if vm else ReadResult("", {})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Remove the template, unless somebody made it by hand. What has its VMID by now and is something else stays.

        Raises:
            TemplateError: VMs are linked clones of it.
        """
        api = _client(props)
        vm = None if props.get("source") == FOREIGN else _template(api, props)
        if vm is None:
            return
        if clones := linked_clones(api, vm):
            raise TemplateError(
                f"The template {vm.name} (VMID {vm.vm_id}) cannot be removed: its linked clones need it:"
                f" {', '.join(clones)}. Remove them, or add it to image.keep in the stack file."
            )
        remove_vm(api, vm.vm_id)


class Template(Resource, module="images", name="Template"):
    """A Proxmox template.

    Args:
        props: `source`, what every template has (`endpoint`, `apiToken`, `insecure`, `name` on Proxmox VE), and what
            its source needs: the names of the `machines` that are cloned from one that is there already; of one that is
            built, what `packer.build` or `cloud_image.build` reads, `vmIdBase` with it. `apiToken`, `preseed` and
            `userPassword` are secrets.
    """

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        # The outputs that are no inputs are declared, or the engine would not hand them over.
        super().__init__(TemplateProvider(), name, {**props, "vmId": None, "node": None}, opts)
        # From the resource, not from the inputs: whoever uses them waits for the template.
        self.name: pulumi.Output[str] = pulumi.get(self, "name")
        self.vm_id: pulumi.Output[int] = pulumi.get(self, "vmId")
        """VMID, wherever it was found or built."""
        self.node: pulumi.Output[str] = pulumi.get(self, "node")
        """The Proxmox node that it is on."""


def _client(props: dict[str, Any]) -> ProxmoxAPI:
    return client(props["endpoint"], props["apiToken"], props["insecure"])


def _template(api: ProxmoxAPI, props: dict[str, Any]) -> Vm | None:
    vm = find_vm(api, int(props["vmId"]))
    return vm if vm is not None and vm.template and vm.name == props["name"] else None


def _find(api: ProxmoxAPI, props: dict[str, Any]) -> Vm:
    """The template of the name, fit to be cloned."""
    name = props["name"]
    templates = [vm for vm in find_named(api, name) if vm.template]
    if not templates:
        raise TemplateError(
            f"There is no template {name} in the cluster{_alternatives(api)}: see image and pools in the stack file."
        )
    if len(templates) > 1:
        found = ", ".join(f"VMID {vm.vm_id} on node {vm.node}" for vm in templates)
        raise TemplateError(f"There is more than one template {name}: {found}. Rename all but one.")
    vm = templates[0]
    if missing := list(flaws(vm.vm_id, config(api, vm))):
        raise TemplateError(f"The template {name} (VMID {vm.vm_id}) cannot be used: {'; '.join(missing)}.")
    return vm


def _alternatives(api: ProxmoxAPI) -> str:
    with api_errors():
        guests = api.cluster.resources.get(type="vm")
    names = sorted(guest["name"] for guest in guests if guest.get("template") and "name" in guest)
    return f", only {', '.join(names)}" if names else ""


def _build(api: ProxmoxAPI, props: dict[str, Any]) -> Vm:
    """The template of the name, which carries the recipe's hash: adopted where it is there and complete."""
    name = props["name"]
    first = find_vm(api, recipe.vm_ids(int(props["vmIdBase"]), name)[0])
    # What a killed run has asked for goes on, and has no name until it ends. Anything else there is a stranger's.
    if first and first.name in (name, "", f"VM {first.vm_id}"):
        unlocked(api, first.vm_id)
    for vm in find_named(api, name):
        if vm.template and not list(flaws(vm.vm_id, config(api, vm))):
            show(f"template {name} (VMID {vm.vm_id}) is there: adopted")
            return vm
        show(f"removing VM {vm.vm_id}, left behind by a build of {name} that did not finish")
        remove_vm(api, vm.vm_id)
    vm_id = _free_vm_id(api, props)
    try:
        if props["source"] == "packer":
            packer.build(props, vm_id)
        else:
            cloud_image.build(api, props, vm_id)
    except BaseException:
        if not abandoned():
            # Packer does so itself, unless it is what died. If this fails too, the next run will do it.
            with suppress(ApiError):
                for vm in find_named(api, name):
                    remove_vm(api, vm.vm_id)
        raise
    return _find(api, props)


def _free_vm_id(api: ProxmoxAPI, props: dict[str, Any]) -> int:
    with api_errors():
        taken = {guest["vmid"] for guest in api.cluster.resources.get(type="vm")}
    candidates = recipe.vm_ids(int(props["vmIdBase"]), props["name"])
    free = next((vm_id for vm_id in candidates if vm_id not in taken), None)
    if free is None:
        raise TemplateError(
            f"No VMID is left for the image {props['name']}: {min(candidates)} to {max(candidates)} are taken. Remove"
            " images that nobody needs, or change proxmox.vmIdBase in the stack file."
        )
    return free
