"""Rules of single sign-on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from settings.problems import Problem, repeated

if TYPE_CHECKING:
    from settings.services import ExternalService

OWN_APPLICATIONS = ("homepage", "ldap")
"""Slugs of the platform's own applications in Authentik."""


def groups_differ(groups: Sequence[str]) -> Iterator[Problem]:
    """Each group is declared once."""
    yield from repeated("groups[{}]", groups, "duplicate-group")


def service_groups(external_services: Sequence[ExternalService], groups: Sequence[str]) -> Iterator[Problem]:
    """A service that only some may use asks who somebody is, once, and names groups that there are."""
    for index, service in enumerate(external_services):
        path = f"externalServices[{index}]"
        if service.sso and service.oidc:
            expected = "must be absent where sso is true: people would sign in twice"
            yield Problem.at(f"{path}.oidc", {}, "oidc-with-sso", expected)
        if service.signs_in and service.name in OWN_APPLICATIONS:
            expected = f"must not be one of {', '.join(OWN_APPLICATIONS)}, which Authentik has already"
            yield Problem.at(f"{path}.name", service.name, "reserved-application", expected)
        if service.groups and not service.signs_in:
            expected = "needs sso: true or oidc, for nobody is asked who they are otherwise"
            yield Problem.at(f"{path}.groups", service.groups, "groups-without-sso", expected)
        for number, group in enumerate(service.groups):
            if group not in groups:
                expected = f"must be one of groups, {', '.join(groups)}"
                yield Problem.at(f"{path}.groups[{number}]", group, "unknown-group", expected)
        yield from repeated(f"{path}.groups[{{}}]", service.groups, "duplicate-service-group")


RULES = (groups_differ, service_groups)
