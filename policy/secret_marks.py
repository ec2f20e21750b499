"""Secrets are marked: only then the engine encrypts them in the state and masks them in previews.

A policy sees plain values and cannot tell a secret from another text, but a remediation can. So an input that is not
marked is marked by the pack itself, and outputs, which it cannot mark, are demanded of the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pulumi_policy import EnforcementLevel, ResourceValidationArgs, ResourceValidationPolicy, Secret
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY

from policy.rules import policy, values

_DYNAMIC: Final = "pulumi-python:dynamic/"
INPUTS: Final[Mapping[str, frozenset[str]]] = {
    "kubernetes:core/v1:Secret": frozenset({"data", "stringData"}),
    "command:remote:Command": frozenset({"connection"}),
    "pulumi:providers:proxmoxve": frozenset({"apiToken"}),
    "pulumi:providers:kubernetes": frozenset({"kubeconfig"}),
    "proxmoxve:storage/pbs:Pbs": frozenset({"password"}),
    f"{_DYNAMIC}backup:BackupServer": frozenset({"privateKey", "transferKey", "apiKey"}),
    f"{_DYNAMIC}preflight:Preflight": frozenset({"apiToken"}),
    f"{_DYNAMIC}images:Template": frozenset({"apiToken", "userPassword", "preseed"}),
    f"{_DYNAMIC}machines:GuestAddress": frozenset({"apiToken"}),
    f"{_DYNAMIC}kubernetes:KubesprayCluster": frozenset({"privateKey"}),
    f"{_DYNAMIC}kubernetes:KnownKubeconfig": frozenset({"content"}),
    f"{_DYNAMIC}kubernetes:KubeconfigFile": frozenset({"content"}),
    f"{_DYNAMIC}powerdns:Zone": frozenset({"apiKey"}),
    f"{_DYNAMIC}powerdns:RecordSets": frozenset({"apiKey"}),
    f"{_DYNAMIC}powerdns:TsigKey": frozenset({"apiKey", "key"}),
    f"{_DYNAMIC}certificates:AcmeAccount": frozenset({"eabHmacKey"}),
    f"{_DYNAMIC}certificates:AcmeCertificate": frozenset({"apiKey", "accountKey"}),
}
OUTPUTS: Final[Mapping[str, frozenset[str]]] = {
    f"{_DYNAMIC}kubernetes:KubesprayCluster": frozenset({"kubeconfig"}),
    f"{_DYNAMIC}certificates:AcmeAccount": frozenset({"key"}),
    f"{_DYNAMIC}certificates:AcmeCertificate": frozenset({"privateKeyPem"}),
}


def marked(args: ResourceValidationArgs) -> dict[str, Any] | None:
    """The inputs with every secret marked; None where the program has marked them all."""
    inputs = values(args.props)
    bare = [key for key in INPUTS.get(args.resource_type, ()) if inputs.get(key) and not _is_marked(inputs[key])]
    return {**inputs, **{key: Secret(inputs[key]) for key in bare}} if bare else None


def unmarked_outputs(args: ResourceValidationArgs) -> Iterator[str]:
    """Secrets that a provider computes and the program does not mark."""
    for key in sorted(OUTPUTS.get(args.resource_type, frozenset()) - set(args.opts.additional_secret_outputs)):
        yield f"computes the secret {key}, which is not marked: add it to additional_secret_outputs."


def _is_marked(value: Any) -> bool:
    if isinstance(value, Mapping) and value.get(SPECIAL_SIG_KEY) != SPECIAL_SECRET_SIG:
        return bool(value) and all(map(_is_marked, value.values()))
    return isinstance(value, Mapping)


POLICIES: Final = [
    ResourceValidationPolicy(
        name="secret-inputs-marked",
        description="Inputs that hold secrets are marked as such.",
        enforcement_level=EnforcementLevel.REMEDIATE,
        remediate=marked,  # type: ignore[arg-type] # it may return at once, and None, which its type does not say
    ),
    policy("secret-outputs-marked", "Outputs that hold secrets are marked as such.", unmarked_outputs),
]
