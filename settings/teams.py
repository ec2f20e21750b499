"""Other teams on the site's cluster, and what is wrong with how a stack file lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from settings.fields import Domain, Name
from settings.models import Kubernetes, Model
from settings.problems import Problem, repeated
from settings.services import Services

SOCLE: Final = ("metallb-system", "longhorn-system", "nginx-ingress", "authentik", "homepage", "powerdns")
"""Namespaces of the socle."""
RESERVED: Final = frozenset(("default", *SOCLE))
"""Namespaces of the cluster and of the socle; those that begin with `kube-` are Kubernetes' own."""


class Team(Model):
    """A team that runs applications of its own on the cluster, with a kubeconfig of its own."""

    name: Name
    """Of its namespace and of its service account."""
    role: Literal["view", "edit", "admin"] = "edit"
    """What it may do in its namespace, and nowhere else: one of Kubernetes' own roles."""
    pod_security: Literal["baseline", "restricted"] = "restricted"
    """Pod Security level of its namespace."""
    certificates: tuple[Domain, ...] = ()
    """Domains of the site whose certificate its namespace gets a copy of, private key included."""


def teams_have_cluster(teams: Sequence[Team], kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """A namespace is in a cluster."""
    if teams and kubernetes is None:
        yield Problem.at("teams", "set", "teams-without-cluster", "must be absent where there is no kubernetes")


def namespaces_are_free(teams: Sequence[Team]) -> Iterator[Problem]:
    """Each team has a namespace for itself."""
    names = [team.name for team in teams]
    for index, name in enumerate(names):
        if name in RESERVED or name.startswith("kube-"):
            expected = "must be another name: this namespace belongs to the platform"
            yield Problem.at(f"teams[{index}].name", name, "team-reserved", expected)
    yield from repeated("teams[{}].name", names, "duplicate-team")


def certificates_exist(teams: Sequence[Team], domains: Sequence[str], services: Services | None) -> Iterator[Problem]:
    """What is copied is there."""
    for index, team in enumerate(teams):
        for number, domain in enumerate(team.certificates):
            path = f"teams[{index}].certificates[{number}]"
            if services is None:
                yield Problem.at(
                    path, domain, "team-no-certificates", "must be absent: a site without services has none"
                )
            elif domain not in domains:
                expected = f"must be one of the site's domains, {', '.join(domains)}"
                yield Problem.at(path, domain, "team-unknown-domain", expected)


RULES: tuple[Callable[..., Iterator[Problem]], ...] = (teams_have_cluster, namespaces_are_free, certificates_exist)
