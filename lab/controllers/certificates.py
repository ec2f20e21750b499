"""TLS material from Secrets, checked before nginx sees it: one bad file would stop every reload."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lab.controllers.client import View
from lab.controllers.pod import SECRET, decoded

TLS_TYPE: Final = "kubernetes.io/tls"
CA_TYPE: Final = "nginx.org/ca"
"""https://docs.nginx.com/nginx-ingress-controller/configuration/policy-resource/ (EgressMTLS)"""


class SecretError(Exception):
    """A Secret that the controller would not use; the message says why, without its content."""


def tls_pair(view: View, reference: str) -> str:
    """Chain and key of a TLS Secret, in one PEM text.

    Args:
        reference: `namespace/name`.

    Raises:
        SecretError: it is not there, of another type, or its content does not fit together.
    """
    content = _content(view, reference, TLS_TYPE)
    try:
        chain, key = content["tls.crt"], content["tls.key"]
        leaf = x509.load_pem_x509_certificates(chain)[0]
        private = serialization.load_pem_private_key(key, None)
    except KeyError as error:
        raise SecretError(f"TLS secret {reference} has no key {error}") from None
    except (ValueError, TypeError):
        raise SecretError(f"TLS secret {reference} holds no PEM certificate and key") from None
    if leaf.public_key() != private.public_key():
        raise SecretError(f"TLS secret {reference}: the key is not that of the certificate")
    return f"{chain.decode().rstrip()}\n{key.decode()}"


def authority(view: View, reference: str) -> str:
    """The certificates of a CA Secret, as PEM.

    Raises:
        SecretError: as `tls_pair`.
    """
    content = _content(view, reference, CA_TYPE)
    try:
        x509.load_pem_x509_certificates(content["ca.crt"])
    except KeyError:
        raise SecretError(f"CA secret {reference} has no key 'ca.crt'") from None
    except ValueError:
        raise SecretError(f"CA secret {reference} holds no PEM certificate") from None
    return content["ca.crt"].decode()


def _content(view: View, reference: str, wanted: str) -> dict[str, bytes]:
    item = view.get(SECRET, *reference.split("/", 1))
    if item is None:
        raise SecretError(f"secret {reference} does not exist")
    if item.get("type") != wanted:
        raise SecretError(f"secret {reference} is of type {item.get('type')}, must be {wanted}")
    return decoded(item)
