"""When a machine can be worked on: it answers over SSH, and its first boot is over."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from components.machines.component import Machine

DIAL_SECONDS = 5
"""Of one attempt to connect, and of the longest pause between two."""
QUICK_ATTEMPTS = 8
"""The first ones, whose pauses grow from a tenth of a second: a machine that boots refuses them at once."""


@dataclass(frozen=True)
class Login:
    """How machines are logged in to."""

    user: str
    """May use sudo without a password."""
    ssh_port: int
    boot_seconds: int
    """How long a machine may take to answer."""
    private_key: pulumi.Input[str]
    """OpenSSH format, secret."""


def ready(name: str, machine: Machine, login: Login, opts: pulumi.ResourceOptions) -> remote.Command:
    """A command that ends once the machine is ready."""
    return remote.Command(
        name,
        connection=remote.ConnectionArgs(
            host=machine.address,
            port=login.ssh_port,
            user=login.user,
            private_key=login.private_key,
            dial_error_limit=QUICK_ATTEMPTS + login.boot_seconds // DIAL_SECONDS,
            per_dial_timeout=DIAL_SECONDS,
        ),
        create="cloud-init status --wait",
        # A machine that is made anew has to boot again.
        triggers=[machine.uuid],
        opts=opts,
    )
