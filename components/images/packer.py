"""Build a template with Packer. Secrets reach it through its environment only."""

from __future__ import annotations

import re
from typing import Any

from components.images.recipe import FOLDER
from components.images.templates import TemplateError
from components.process import CommandError, run, show

STEP = re.compile(
    r"==> [\w.-]+: ("
    r"(?:Creating|Starting) VM|Waiting \S+ for boot|Typing the boot command|Waiting for SSH|Connected to SSH"
    r"|Provisioning with .*|Converting VM to template).*"
)
"""What Packer says at the beginning of a step. `Stopping VM` is none: a build that failed cleans up with it."""


def build(props: dict[str, Any], vm_id: int) -> None:
    """Run Packer.

    Args:
        props: Inputs of a `Template` of source packer.
        vm_id: VMID for the template, which is free.

    Raises:
        TemplateError: it is not installed, or it failed: at which step, with its last lines.
    """
    variables = {
        "proxmox_url": f"{props['endpoint']}/api2/json",
        "proxmox_username": props["apiToken"].partition("=")[0],
        "proxmox_token": props["apiToken"].partition("=")[2],
        "insecure_skip_tls_verify": str(props["insecure"]).lower(),
        "node": props["buildNode"],
        "vm_id": str(vm_id),
        "template_name": props["name"],
        "description": props["description"],
        "iso_file": props["isoFile"],
        "disk_storage": props["diskStorage"],
        "disk_gib": str(int(props["diskGib"])),
        "bridge": props["bridge"],
        "vlan": props["vlan"],
        "http_bind_address": props["httpAddress"],
        "preseed": props["preseed"],
        "ssh_username": props["user"],
        "ssh_password": props["userPassword"],
        "ssh_port": str(int(props["sshPort"])),
    }
    env = {f"PKR_VAR_{name}": value for name, value in variables.items()} | {"CHECKPOINT_DISABLE": "1"}
    steps = ["packer init"]

    def watch(line: str) -> str:
        if step := STEP.fullmatch(line):
            steps.append(step[1])
        return line

    try:
        run("packer init", ["packer", "init", "."], cwd=FOLDER, env=env)
        steps.append("reading the HCL")
        run("packer build", ["packer", "build", "-color=false", "."], cwd=FOLDER, env=env, progress=watch)
    except FileNotFoundError:
        raise TemplateError("`packer` is not on the PATH: install Packer 1.11 or newer.") from None
    except CommandError as error:
        show(f"the build stopped at: {steps[-1]}")
        raise TemplateError(f"The image {props['name']} was not built; it stopped at: {steps[-1]}. {error}") from None
