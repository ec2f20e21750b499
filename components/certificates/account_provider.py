"""Dynamic provider of ACME accounts.

One key pair serves every directory that the resource has ever been told: a change of directory registers it
there, and leaves the former account as it is. So going from a staging directory to the real one and back
loses nothing, and needs no replacement, which protection would refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, ReadResult, UpdateResult

from components.certificates import keys
from components.certificates.client import Client, ExternalAccount
from components.certificates.inputs import account_refusals
from components.dynamic import Provider
from components.powerdns.shared import failures

OUTPUTS = ("url", "key", "accounts")


class AcmeAccountProvider(Provider):
    """CRUD of one account. The id is the fingerprint of its key."""

    INPUTS = ("directory", "email", "eabKeyId", "eabHmacKey", "deactivateOnDestroy")

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse what is no account. Never quotes a key."""
        return CheckResult(news, failures(list(account_refusals(news))))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make a key and register it."""
        key = keys.generate(keys.ACCOUNT_KIND)
        return CreateResult(keys.fingerprint(key), {**self.inputs(props), **_registered(props, key, {})})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Register at the new directory, or change the contact at the present one."""
        if olds["directory"] != news["directory"]:
            return UpdateResult({**self.inputs(news), **_registered(news, olds["key"], olds["accounts"])})
        if olds["email"] != news["email"]:
            with Client(news["directory"], olds["key"], olds["url"]) as client:
                client.set_contact(news["email"])
        return UpdateResult({**self.inputs(news), **{key: olds[key] for key in OUTPUTS}})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The account, unless the server has forgotten or deactivated it."""
        with Client(props["directory"], props["key"], props["url"]) as client:
            if not client.account_is_valid():
                return ReadResult("", {})
        inputs = self.inputs(props)
        return ReadResult(id_, {**inputs, **{key: props[key] for key in OUTPUTS}}, inputs)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Forget the key. Deactivates the accounts, in all directories, only when told to."""
        if props["deactivateOnDestroy"]:
            for directory, url in props["accounts"].items():
                with Client(directory, props["key"], url) as client:
                    client.deactivate()


def _registered(props: Mapping[str, Any], key: str, accounts: Mapping[str, str]) -> dict[str, Any]:
    """The outputs, once the directory has the account."""
    external = ExternalAccount(props["eabKeyId"], props["eabHmacKey"]) if props["eabKeyId"] else None
    with Client(props["directory"], key) as client:
        url = client.register(props["email"], external)
        if accounts.get(props["directory"]) == url:
            client.set_contact(props["email"])  # it was found: it may have another
    return {"url": url, "key": key, "accounts": {**accounts, props["directory"]: url}}
