"""Dynamic provider of the keys that sign zone transfers (TSIG, RFC 8945)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from pulumi.dynamic import CheckResult, CreateResult, ReadResult, UpdateResult
from pulumi.output import contains_unknowns

from components.dynamic import Provider
from components.powerdns import names
from components.powerdns.client import PowerDnsError
from components.powerdns.inputs import CONNECTION, connection_refusals
from components.powerdns.refusal import Refusal, RefusedError
from components.powerdns.shared import client, failures

ALGORITHMS = ("hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
"""RFC 8945, 6, without those that are only there for old peers."""


class TsigKeyError(Exception):
    """A key of that name that is another."""


class TsigKeyProvider(Provider):
    """CRUD of one key. The id is its name."""

    INPUTS = (*CONNECTION, "name", "algorithm", "key")
    REPLACES = ("name",)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse what is no key. Never quotes it."""
        try:
            inputs = {**news, "name": names.normalise(news["name"])}
        except RefusedError as error:
            return CheckResult(news, failures([error.at("name")]))
        return CheckResult(inputs, failures([*connection_refusals(inputs), *_refusals(inputs)]))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Create the key; the very same one, left by a run that was cut short, is taken over.

        Raises:
            TsigKeyError: the name is another key's.
        """
        name = props["name"]
        with client(props) as api:
            try:
                api.create_tsig_key(name, props["algorithm"], props["key"])
            except PowerDnsError as error:
                if error.status != requests.codes.conflict:
                    raise
                found = api.tsig_key(name)
                if not found or (found["algorithm"], found["key"]) != (props["algorithm"], props["key"]):
                    raise TsigKeyError(
                        f"{props['apiUrl']} has another key called {name}: choose another name, or remove that one."
                    ) from None
        return CreateResult(name, self.inputs(props))

    def update(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Send what changed. A new key or address of the API is recorded and sends nothing."""
        if (olds["algorithm"], olds["key"]) != (news["algorithm"], news["key"]):
            with client(news) as api:
                api.update_tsig_key(id_, news["algorithm"], news["key"])
        return UpdateResult(self.inputs(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        with client(props) as api:
            found = api.tsig_key(id_)
        if found is None:
            return ReadResult("", {})
        inputs = {**self.inputs(props), "algorithm": found["algorithm"], "key": found["key"]}
        return ReadResult(id_, inputs, inputs)

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        with client(props) as api:
            api.delete_tsig_key(id_)


def _refusals(inputs: Mapping[str, Any]) -> Iterator[Refusal]:
    if inputs["algorithm"] not in ALGORITHMS:
        yield Refusal("bad-algorithm", "algorithm", f"is {inputs['algorithm']!r}: one of {', '.join(ALGORITHMS)}")
    if not contains_unknowns(inputs["key"]) and not _is_base64(inputs["key"]):
        yield Refusal("bad-tsig-key", "key", "(not shown) must be base64, such as `openssl rand -base64 32` prints")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False
