"""The ACME workflow (RFC 8555). No Pulumi in here.

    with Client(directory, key) as client:
        account = client.register(email)

    with Client(directory, key, account) as client:
        chain = client.issue(Wanted(names, certificate_key), publish)

`issue` goes through these steps:

1. an order for the names; the server answers with an authorization for each;
2. those that are not valid yet bring a DNS-01 challenge: `publish` makes all their TXT records at once,
   and takes them away when its block ends, however it ends; it begins with what a killed run has left;
3. the challenges are answered, and the server validates them in its own time;
4. the order is finalized with a certificate request, and the chain is fetched.

A CA may hand one order to all who ask for the same names with the same account while it is not finalized: Boulder
does, whatever their keys. The first to finalize it gets the certificate, the others order again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from acme import challenges, errors, messages
from josepy.json_util import field as json_field
from requests.utils import parse_header_links

from components.certificates import keys
from components.certificates.session import AcmeError, Session, registration, text
from components.process import show

ORDERS = 2
"""Orders for one certificate, at most: one that others have finalized is over, so that the next is a new one."""
CESSATION = 5
"""Reason of a revocation: the certificate is no longer used (RFC 5280, 5.3.1)."""

Publish = Callable[[Mapping[str, Sequence[str]]], AbstractContextManager[None]]
"""Makes TXT records, given as the values that each domain's `_acme-challenge` needs, for the time of a block.

One that is authorized already needs none, and may have one left from a run that was killed."""


@dataclass(frozen=True)
class ExternalAccount:
    """Binds the new account to one that the CA knows (RFC 8555, 7.3.4)."""

    key_id: str
    hmac_key: str = field(repr=False)
    """base64url."""


@dataclass(frozen=True)
class Wanted:
    """A certificate to be issued."""

    names: Sequence[str]
    private_key: str = field(repr=False)
    """PEM."""
    profile: str = ""
    """One of those that the directory lists; empty for the CA's default."""
    preferred_chain: str = ""
    """Common name of the root that the chain should lead to; empty for the CA's default."""
    replaces: str = ""
    """`renewal_id` of the certificate that this one renews: such orders are exempt from most rate limits."""


@dataclass(frozen=True)
class Challenge:
    """A DNS-01 challenge that is to be answered."""

    body: messages.ChallengeBody
    domain: str
    """Without the star of a wildcard: both have the same TXT record."""
    value: str


class _NewOrder(messages.NewOrder):
    """With what RFC 9773, 5 adds."""

    replaces: str | None = json_field("replaces", omitempty=True)


class Client(Session):
    """What an account can do. Every method raises `AcmeError`."""

    def register(self, email: str = "", external: ExternalAccount | None = None) -> str:
        """Register the key, or find the account that it has; agrees to the CA's terms of service.

        Returns:
            The account's URL.
        """
        if external is None and self.acme.external_account_required():
            raise AcmeError(
                f"{self.directory}: takes only accounts that are bound to one of its customers: set the key id and "
                "the HMAC key that the CA gave (external account binding)."
            )
        body = messages.NewRegistration(
            contact=_contact(email) or None,
            terms_of_service_agreed=True,
            external_account_binding=self._bound(external),
        )
        with self.step("registration of the account"):
            try:
                self.transport.account = self.acme.new_account(body)
            except errors.ConflictError as found:
                self.transport.account = registration(found.location)
        return str(self.transport.account.uri)

    def account_is_valid(self) -> bool:
        """Whether the server still knows the account, and it is not deactivated."""
        assert self.transport.account is not None
        with self.step("look-up of the account"):
            try:
                found = self.acme.query_registration(self.transport.account)
            except messages.Error as problem:
                if problem.code in ("accountDoesNotExist", "unauthorized"):
                    return False
                raise
        return bool(found.body.to_json().get("status") == messages.STATUS_VALID.name)

    def set_contact(self, email: str) -> None:
        """Change the address that the CA may write to; empty for none."""
        assert self.transport.account is not None
        with self.step("update of the account"):
            self.acme.update_registration(self.transport.account, messages.Registration(contact=_contact(email)))

    def deactivate(self) -> None:
        """Deactivate the account for good. One that the server does not know is no error."""
        assert self.transport.account is not None
        with self.step("deactivation of the account"):
            try:
                self.acme.deactivate_registration(self.transport.account)
            except messages.Error as problem:
                if problem.code not in ("accountDoesNotExist", "unauthorized"):
                    raise

    def issue(self, wanted: Wanted, publish: Publish) -> str:
        """Have a certificate issued; see the steps above.

        Returns:
            The chain, PEM, the certificate first.
        """
        listed = ", ".join(wanted.names)
        for _ in range(ORDERS):
            if chain := self._issued(wanted, listed, publish):
                return chain
        raise AcmeError(
            f"{self.directory}: issuance for {listed}: the certificate is for another key, {ORDERS} times: other runs "
            "order the same names with this account at the same moment. Run again when they have ended."
        )

    def renewal_window(self, certificate: keys.Certificate) -> tuple[datetime, datetime] | None:
        """When the CA suggests to renew (RFC 9773); None if it does not say."""
        try:
            base = self.acme.directory["renewalInfo"]
        except KeyError:
            return None
        with self.step("renewal information"):
            answer = self.transport.get(f"{base.rstrip('/')}/{certificate.renewal_id}")
            window = messages.RenewalInfo.from_json(answer.json()).suggested_window
        return window.start.astimezone(UTC), window.end.astimezone(UTC)

    def revoke(self, certificate: keys.Certificate) -> None:
        """Revoke a certificate. One that is revoked is no error."""
        with self.step(f"revocation of {certificate.serial}"):
            try:
                self.acme.revoke(certificate.leaf, CESSATION)
            except messages.Error as problem:
                if problem.code != "alreadyRevoked":
                    raise

    def _bound(self, external: ExternalAccount | None) -> dict[str, Any] | None:
        if external is None:
            return None
        return messages.ExternalAccountBinding.from_data(
            self.key.public_key(), external.key_id, external.hmac_key, self.acme.directory
        )

    def _issued(self, wanted: Wanted, listed: str, publish: Publish) -> str | None:
        """The chain; None if the order has become another run's certificate."""
        with self.step(f"order for {listed}"):
            order, url = self._order(wanted)
            pending = self._challenges(order)
        records: dict[str, list[str]] = {name.removeprefix("*."): [] for name in wanted.names}
        for challenge in pending:
            records[challenge.domain].append(challenge.value)
        with publish(records), self.step(f"validation of {listed}"):
            for challenge in pending:
                self.acme.answer_challenge(challenge.body, challenge.body.chall.response(self.key))
            if pending:
                self._wait_for_validation(order)
        with self.step(f"issuance for {listed}"):
            self._finalize(order, url, wanted)
            chain = self._chain(self._wait_for_certificate(url), wanted.preferred_chain)
            return chain if keys.Certificate(chain).is_of(wanted.private_key) else None

    def _order(self, wanted: Wanted) -> tuple[messages.Order, str]:
        """The new order and its URL."""
        self._refuse_unknown_profile(wanted.profile)
        identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in wanted.names]
        body = _NewOrder(identifiers=identifiers, profile=wanted.profile or None, replaces=wanted.replaces or None)
        try:
            answer = self.post(self.acme.directory["newOrder"], body)
        except (messages.Error, errors.ConflictError) as problem:
            if not wanted.replaces or getattr(problem, "code", None) == "rateLimited":
                raise
            # The CA does not know the former certificate, or has an order that replaces it (RFC 9773, 5).
            answer = self.post(self.acme.directory["newOrder"], body.update(replaces=None))
        return messages.Order.from_json(answer.json()), answer.headers["Location"]

    def _refuse_unknown_profile(self, profile: str) -> None:
        offered = self.acme.directory["meta"].profiles or {}
        if profile and profile not in offered:
            raise AcmeError(
                f"{self.directory}: has no profile {profile!r}: "
                + (f"one of {', '.join(offered)}" if offered else "none")
            )

    def _challenges(self, order: messages.Order) -> list[Challenge]:
        """The DNS-01 challenges of the authorizations that are still pending."""
        found = []
        for url in order.authorizations:
            authorization = self._authorization(url)
            if authorization.status == messages.STATUS_PENDING:
                found.append(self._challenge(authorization))
        return found

    def _challenge(self, authorization: messages.Authorization) -> Challenge:
        domain = authorization.identifier.value
        for body in authorization.challenges:
            if isinstance(body.chall, challenges.DNS01):
                return Challenge(body, domain, body.chall.validation(self.key))
        raise AcmeError(f"{self.directory}: offers no DNS-01 challenge for {domain}.")

    def _wait_for_validation(self, order: messages.Order) -> None:
        """Returns when all authorizations are valid."""
        refused = []
        for url in order.authorizations:
            wait = self.waiting()
            while (authorization := self._authorization(url)).status == messages.STATUS_PENDING:
                wait()
            if authorization.status != messages.STATUS_VALID:
                refused.append(f"{authorization.identifier.value}: {_why_invalid(authorization)}")
        if refused:
            raise AcmeError("; ".join(refused))

    def _finalize(self, order: messages.Order, url: str, wanted: Wanted) -> None:
        request = messages.CertificateRequest(csr=keys.request(wanted.private_key, wanted.names))
        wait = self.waiting()
        while True:
            try:
                self.post(order.finalize, request)
                return
            except messages.Error as problem:
                if problem.code != "orderNotReady":
                    raise
            # Not yet, or no longer: it had been sent, and the answer was lost, or another run has the same order.
            if self._order_at(url).status not in (messages.STATUS_PENDING, messages.STATUS_READY):
                return
            wait()

    def _wait_for_certificate(self, url: str) -> str:
        """URL of the certificate."""
        wait = self.waiting()
        while (order := self._order_at(url)).status == messages.STATUS_PROCESSING:
            wait()
        if order.status != messages.STATUS_VALID or order.certificate is None:
            raise AcmeError(text(order.error) if order.error else f"the order is {order.status.name}")
        return str(order.certificate)

    def _chain(self, url: str, preferred: str) -> str:
        """The chain that leads to the preferred root, or else the CA's own choice."""
        answer = self.post(url)
        if not preferred:
            return answer.text
        links = parse_header_links(answer.headers.get("Link", ""))
        others = [self.post(link["url"]).text for link in links if link.get("rel") == "alternate"]
        roots = {keys.Certificate(chain).issuers[-1]: chain for chain in reversed([answer.text, *others])}
        if preferred not in roots:
            show(f"acme: no chain leads to {preferred!r}, only to {', '.join(roots)}: the CA's default is used")
        return roots.get(preferred, answer.text)

    def _authorization(self, url: str) -> messages.Authorization:
        found: messages.Authorization = messages.Authorization.from_json(self.post(url).json())
        return found

    def _order_at(self, url: str) -> messages.Order:
        found: messages.Order = messages.Order.from_json(self.post(url).json())
        return found


def _contact(email: str) -> tuple[str, ...]:
    return (f"mailto:{email}",) if email else ()


def _why_invalid(authorization: messages.Authorization) -> str:
    reasons = [text(challenge.error) for challenge in authorization.challenges if challenge.error]
    return " ".join(reasons) or f"the authorization is {authorization.status.name}"
