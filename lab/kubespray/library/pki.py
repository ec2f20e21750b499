#!/usr/bin/python3
"""A cluster's certificates, made by openssl in one run.

A certificate is made again only when what it is to say has changed: beside each lies the
description that it was made from.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365


class OpensslError(Exception):
    """openssl refused."""


class Pki:
    """Certificates and keys of one folder. `made` holds the names of those that were made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.made: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def authority(self, name: str, subject: str) -> None:
        """A self-signed certificate authority: `<name>.crt`, `<name>.key`."""
        if self._has(f"{name}.crt"):
            return
        self._key(name)
        constraints = "basicConstraints=critical,CA:TRUE"
        usage = "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign"
        request = ["req", "-x509", "-new", "-key", f"{name}.key", "-subj", subject, "-days", str(AUTHORITY_DAYS)]
        self._openssl(*request, "-addext", constraints, "-addext", usage, "-out", f"{name}.crt")
        self.made.append(name)

    def certificate(self, name: str, authority: str, subject: str, usage: Sequence[str], names: Sequence[str]) -> None:
        """A certificate signed by `authority`, with its key."""
        description = json.dumps([authority, subject, usage, names])
        if self._has(f"{name}.json") and self._read(f"{name}.json") == description:
            return
        extensions = ["keyUsage=critical,digitalSignature,keyEncipherment", f"extendedKeyUsage={','.join(usage)}"]
        if names:
            extensions.append(f"subjectAltName={','.join(names)}")
        self._write(f"{name}.ext", "\n".join(extensions))
        self._key(name)
        request = self._openssl("req", "-new", "-key", f"{name}.key", "-subj", subject)
        sign = ["x509", "-req", "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-extfile", f"{name}.ext"]
        self._openssl(*sign, "-days", str(CERTIFICATE_DAYS), "-out", f"{name}.crt", stdin=request)
        (self._folder / f"{name}.ext").unlink()
        self._write(f"{name}.json", description)
        self.made.append(name)

    def key_pair(self, name: str) -> None:
        """An RSA key pair without a certificate: `<name>.key`, `<name>.pub`."""
        if self._has(f"{name}.pub"):
            return
        self._key(name, "RSA", "rsa_keygen_bits:2048")
        self._openssl("pkey", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub")
        self.made.append(name)

    def read(self, name: str) -> dict[str, str]:
        """Certificate and key of `name`, PEM."""
        return {"crt": self._read(f"{name}.crt"), "key": self._read(f"{name}.key")}

    def _key(self, name: str, algorithm: str = "EC", option: str = "ec_paramgen_curve:P-256") -> None:
        key = self._openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option)
        self._write(f"{name}.key", key.decode())

    def _openssl(self, *arguments: str, stdin: bytes = b"") -> bytes:
        ended = subprocess.run(["openssl", *arguments], cwd=self._folder, input=stdin, capture_output=True, check=False)
        if ended.returncode != 0:
            raise OpensslError(f"openssl {arguments[0]}: {ended.stderr.decode().strip()}")
        return ended.stdout

    def _has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def _read(self, name: str) -> str:
        return (self._folder / name).read_text()

    def _write(self, name: str, content: str) -> None:
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)


def main() -> None:
    certificate = {
        "name": {"type": "str", "required": True},
        "authority": {"type": "str", "required": True},
        "subject": {"type": "str", "required": True},
        "usage": {"type": "list", "elements": "str", "required": True},
        "names": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        {
            "folder": {"type": "path", "required": True},
            "authorities": {"type": "dict", "required": True},
            "certificates": {"type": "list", "elements": "dict", "options": certificate, "required": True},
            "key_pairs": {"type": "list", "elements": "str", "default": []},
            "export": {"type": "list", "elements": "str", "default": []},
        }
    )
    wanted = module.params
    pki = Pki(Path(wanted["folder"]))
    try:
        for name, subject in wanted["authorities"].items():
            pki.authority(name, subject)
        for each in wanted["certificates"]:
            pki.certificate(**each)
        for name in wanted["key_pairs"]:
            pki.key_pair(name)
    except OpensslError as error:
        module.fail_json(msg=str(error))
    exported = {name: pki.read(name) for name in wanted["export"]}
    module.exit_json(changed=bool(pki.made), made=pki.made, exported=exported)


if __name__ == "__main__":
    main()
