"""Dynamic provider of ACME certificates.

`check` and `diff` make no call: a renewal is due by the clock, from what the last run has stored. The engine
shows `check` the former inputs only, and the stored facts are outputs; `read` hands them over as the input
`issued`, so that a preview after a refresh shows why a certificate is renewed as the input `renew`. Without a
refresh `diff` finds it, and says it in a line of progress.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult
from pulumi.output import contains_unknowns

from components.certificates import keys, renewal
from components.certificates.client import Client, Wanted
from components.certificates.dns01 import Dns01
from components.certificates.inputs import certificate_refusals, normalise_names
from components.certificates.lookup import Resolvers, Server
from components.certificates.session import AcmeError
from components.dynamic import Provider
from components.powerdns.inputs import CONNECTION
from components.powerdns.shared import client as powerdns_client
from components.powerdns.shared import failures
from components.process import show

ACCOUNT = ("accountUrl", "accountKey")
CONTENT = ("directory", "names", "keyType", "profile", "preferredChain")
"""A change of these needs another certificate."""
COMPARED = (
    *CONNECTION,
    *ACCOUNT,
    *CONTENT,
    "reuseKey",
    "resolvers",
    "servers",
    "renewDays",
    "revokeOnDestroy",
)
"""A change of these is an update."""
FACTS = ("notBefore", "notAfter", "renewalWindowStart", "renewalWindowEnd")
OUTPUTS = ("certificatePem", "chainPem", "privateKeyPem", "serial", *FACTS)


class AcmeCertificateProvider(Provider):
    """CRUD of one certificate, renewed in place. The id is its first name."""

    INPUTS = (*COMPARED, "owner")
    """`owner` tells whose TXT records are whose. It is no change by itself, and older states do not have it."""

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Bring the names to one form, refuse what breaks a rule, and say why a renewal is due."""
        inputs, refusals = dict(news), list(certificate_refusals(news))
        if not contains_unknowns(news["names"]):
            inputs["names"], found = normalise_names(news["names"])
            refusals += found
        if not refusals:
            inputs |= _renewal(olds, inputs)
        return CheckResult(inputs, failures(refusals))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        # An account that is about to change is unknown in a preview, and most often stays what it is.
        known = [key for key in COMPARED if key in CONTENT or not contains_unknowns(news[key])]
        changed = any(olds.get(key) != news[key] for key in known)
        due = renewal.reason(olds, news["renewDays"])
        if due and not news.get("renew"):
            show(f"acme: {', '.join(olds['names'])} is due for renewal: {due}")
        return DiffResult(changes=changed or bool(due))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Have the certificate issued."""
        return CreateResult(props["names"][0].removeprefix("*."), {**self.inputs(props), **_issued(props, None)})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Have a new one issued where that is due. A new account or connection is recorded and sends nothing."""
        if renewal.reason(olds, news["renewDays"]) or any(olds[key] != news[key] for key in CONTENT):
            return UpdateResult({**self.inputs(news), **_issued(news, olds)})
        return UpdateResult({**self.inputs(news), **{key: olds[key] for key in OUTPUTS}})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The certificate, with the renewal window as the CA has it today."""
        known = {key: props[key] for key in FACTS}
        certificate = keys.Certificate(props["certificatePem"] + props["chainPem"])
        try:
            with _client(props) as client:
                known = renewal.facts(certificate, client.renewal_window(certificate))
        except AcmeError as error:
            # The CA may be down for a while, and the days that remain are known all the same.
            show(f"acme: the renewal window of {id_} is not refreshed: {error}")
        inputs = self.inputs(props)
        return ReadResult(id_, {**inputs, **{key: props[key] for key in OUTPUTS}, **known}, {**inputs, "issued": known})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Forget the certificate. Revokes it only when told to, and not when it has expired: CAs refuse that."""
        if props["revokeOnDestroy"] and datetime.now(UTC) < datetime.fromisoformat(props["notAfter"]):
            with _client(props) as client:
                client.revoke(keys.Certificate(props["certificatePem"]))


def _renewal(olds: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """`issued`, as long as it is of the present certificate, and `renew` when that is due.

    Neither is a change by itself.
    """
    issued = olds.get("issued")
    if not issued or olds.get("renew") or any(olds[key] != inputs[key] for key in CONTENT):
        return {}
    due = renewal.reason(issued, inputs["renewDays"])
    return {"issued": issued, "renew": due} if due else {"issued": issued}


def _client(props: Mapping[str, Any]) -> Client:
    return Client(props["directory"], props["accountKey"], props["accountUrl"])


def _issued(props: Mapping[str, Any], olds: Mapping[str, Any] | None) -> dict[str, Any]:
    """The outputs of a new certificate.

    Args:
        props: The inputs.
        olds: Outputs of the certificate that it takes the place of.
    """
    key, replaces = None, ""
    if olds and props["reuseKey"] and olds["keyType"] == props["keyType"]:
        key = olds["privateKeyPem"]
    if olds and olds["directory"] == props["directory"]:
        replaces = keys.Certificate(olds["certificatePem"]).renewal_id
    key = key or keys.generate(props["keyType"])
    wanted = Wanted(props["names"], key, props["profile"], props["preferredChain"], replaces)
    with powerdns_client(props) as api, _client(props) as client:
        resolvers, servers = (list(map(Server.parse, props[name])) for name in ("resolvers", "servers"))
        dns01 = Dns01(api, props["owner"], Resolvers(resolvers), servers)
        certificate = keys.Certificate(client.issue(wanted, dns01.published))
        window = _window(client, certificate)
    return {
        "certificatePem": certificate.pem,
        "chainPem": certificate.chain_pem,
        "privateKeyPem": key,
        "serial": certificate.serial,
        **renewal.facts(certificate, window),
    }


def _window(client: Client, certificate: keys.Certificate) -> renewal.Window | None:
    """A certificate that has been issued is not lost because the CA does not say when to renew it."""
    try:
        return client.renewal_window(certificate)
    except AcmeError as error:
        show(f"acme: the renewal window is fetched by the next refresh: {error}")
        return None
