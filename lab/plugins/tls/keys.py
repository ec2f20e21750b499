"""PrivateKey, and what is derived from a private key."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import ClassVar, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from lab.plugins.base import UNKNOWN, Call, Diff, Failure, Props, ResourceError, compare
from lab.plugins.tls.kept import Kept

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

CURVES: Final[Mapping[str, type[ec.EllipticCurve]]] = {
    "P224": ec.SECP224R1,
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}
ALGORITHMS: Final = ("RSA", "ECDSA", "ED25519")
DEFAULTS: Final = {"ecdsaCurve": "P224", "rsaBits": 2048}
PUBLIC_EXPONENT: Final = 65537


class PrivateKey(Kept):
    """An RSA, ECDSA or Ed25519 key pair."""

    token = "tls:index/privateKey:PrivateKey"
    inputs: ClassVar[Mapping[str, str]] = {"algorithm": "string", "ecdsaCurve": "string", "rsaBits": "integer"}
    required = frozenset({"algorithm"})
    computed = frozenset(
        {
            "privateKeyOpenssh",
            "privateKeyPem",
            "privateKeyPemPkcs8",
            "publicKeyFingerprintMd5",
            "publicKeyFingerprintSha256",
            "publicKeyOpenssh",
            "publicKeyPem",
        }
    )
    secret_outputs = frozenset({"privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8"})

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        inputs, failures = super().check(inputs, olds, call)
        for name, allowed in (("algorithm", ALGORITHMS), ("ecdsaCurve", tuple(CURVES))):
            value = inputs.get(name)
            if isinstance(value, str) and value not in allowed:
                failures.append(Failure(name, f"must be one of {', '.join(allowed)}, not {value!r}"))
        return inputs, failures

    def diff(self, inputs_old: Props, outputs_old: Props, inputs_new: Props, call: Call) -> Diff:
        old, new = {**DEFAULTS, **inputs_old}, {**DEFAULTS, **inputs_new}
        return Diff(compare(old, new, frozenset(self.inputs)))

    def preview_create(self, inputs: Props, call: Call) -> Props:
        return super().preview_create({**DEFAULTS, **inputs}, call)

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        values = {**DEFAULTS, **inputs}
        key = _generate(values)
        private = {
            "privateKeyPem": _pem(key),
            "privateKeyPemPkcs8": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "privateKeyOpenssh": _openssh(key),
        }
        return identity(key), {**values, **private, **public_outputs(key)}


def _generate(values: Props) -> Key:
    if values["algorithm"] == "RSA":
        try:
            return rsa.generate_private_key(PUBLIC_EXPONENT, values["rsaBits"])
        except ValueError as error:
            raise ResourceError(f"rsaBits is {values['rsaBits']}: {error}") from None
    if values["algorithm"] == "ECDSA":
        return ec.generate_private_key(CURVES[values["ecdsaCurve"]]())
    return ed25519.Ed25519PrivateKey.generate()


def _pem(key: Key) -> str:
    """PKCS#1 for RSA, SEC1 for ECDSA; Ed25519 knows PKCS#8 only."""
    modern = isinstance(key, ed25519.Ed25519PrivateKey)
    form = PrivateFormat.PKCS8 if modern else PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def _openssh(key: Key) -> str:
    if not in_openssh(key):
        return ""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def in_openssh(key: Key) -> bool:
    """OpenSSH has no name for curve P224 (RFC 5656, section 10.1)."""
    return not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1))


def public_outputs(key: Key) -> Props:
    """The public half: PEM, `authorized_keys` line, fingerprints. The last two empty where OpenSSH cannot."""
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    outputs = {"publicKeyPem": pem}
    if not in_openssh(key):
        names = ("publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256")
        return {**outputs, **dict.fromkeys(names, "")}
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    blob = base64.b64decode(line.split()[1])
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {
        **outputs,
        "publicKeyOpenssh": f"{line}\n",
        "publicKeyFingerprintMd5": hashlib.md5(blob, usedforsecurity=False).digest().hex(":"),
        "publicKeyFingerprintSha256": f"SHA256:{sha256}",
    }


def identity(key: Key) -> str:
    """The official id: the SHA-1 of the public key."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()


def algorithm(key: Key) -> str:
    """Its name as the official plugin says it."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def parse(text: str, what: str) -> Key:
    """A private key from PEM or OpenSSH text.

    Args:
        what: Input that the text comes from, for the message; the text itself never shows.
    """
    load = load_ssh_private_key if "OPENSSH PRIVATE KEY" in text else load_pem_private_key
    try:
        key = load(text.encode(), password=None)
    except (ValueError, TypeError):
        raise ResourceError(f"{what} is no unencrypted private key in PEM") from None
    if not isinstance(key, Key):
        raise ResourceError(f"{what} is neither an RSA nor an ECDSA nor an Ed25519 key")
    return key


def get_public_key(args: Props, call: Call) -> Props:
    """`tls.getPublicKey`: the public half of a private key."""
    given = [name for name in ("privateKeyPem", "privateKeyOpenssh") if args.get(name) not in (None, UNKNOWN)]
    if len(given) != 1 or args.keys() - set(given):
        raise ResourceError("getPublicKey takes either privateKeyPem or privateKeyOpenssh")
    key = parse(args[given[0]], given[0])
    return {**args, "id": identity(key), "algorithm": algorithm(key), **public_outputs(key)}
