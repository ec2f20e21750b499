"""What opens the site's machines: random passwords and an SSH key pair, made once per stack."""

from __future__ import annotations

import pulumi
import pulumi_random as random
import pulumi_tls as tls

PASSWORD_LENGTH = 32
"""Characters. bcrypt, which the crypt hashes use, reads no more than 72 bytes."""


class Credentials(pulumi.ComponentResource):
    """Passwords of root and of the platform's user, and the key that logs in to every VM.

    Every output is a secret. cloud-init locks the user's password on the machines; root's works on a console.
    The crypt hashes (`$2a$`, bcrypt) are stable in state: a second run
    renders the same preseed.

    Args:
        name: Name of the component.
        protection: Pulumi's `protect` on all of them.
    """

    def __init__(self, name: str, protection: bool, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:credentials:Credentials", name, None, opts)
        # A replaced key would lock the platform out of every machine: cloud-init installs it at first boot only.
        child = pulumi.ResourceOptions(parent=self, protect=protection)
        # No special characters: Packer types nothing of it, but a person may have to, on a rescue console.
        root = random.RandomPassword(f"{name}-root", length=PASSWORD_LENGTH, special=False, opts=child)
        user = random.RandomPassword(f"{name}-user", length=PASSWORD_LENGTH, special=False, opts=child)
        key = tls.PrivateKey(f"{name}-ssh", algorithm="ED25519", opts=child)
        self.root_password_hash = root.bcrypt_hash
        self.user_password = user.result
        self.user_password_hash = user.bcrypt_hash
        self.private_key = key.private_key_openssh
        self.public_key = key.public_key_openssh.apply(str.strip)
        self.register_outputs({})
