"""`kubernetes:helm.sh/v3:Release`, by the real Helm."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import yaml

from lab.plugins.base import (
    UNKNOWN,
    Call,
    Failure,
    PartialCreate,
    Props,
    Resource,
    ResourceError,
    contains_unknown,
)
from lab.plugins.kubernetes.helm_command import HelmError, flags, helm
from lab.plugins.kubernetes.kubeconfig import Kubeconfig
from lab.plugins.kubernetes.objects import name_of, split_identifier, to_server

DEFAULT_SECONDS: Final = 300

_CHART: Final = {"version": "--version", "devel": "--devel"}
_REPOSITORY: Final = {"repo": "--repo", "caFile": "--ca-file", "certFile": "--cert-file", "keyFile": "--key-file"}
_ALWAYS: Final = {
    "atomic": "--atomic",
    "dependencyUpdate": "--dependency-update",
    "description": "--description",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "takeOwnership": "--take-ownership",
}
_INSTALL: Final = {"createNamespace": "--create-namespace", "disableWebhooks": "--no-hooks", "skipCrds": "--skip-crds"}
_UPGRADE: Final = {
    "cleanupOnFail": "--cleanup-on-fail",
    "disableCRDHooks": "--no-hooks",
    "forceUpdate": "--force",
    "maxHistory": "--history-max",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
}
_TEXTS: Final = ("chart", "compat", "description", "name", "namespace", "version")
_NUMBERS: Final = ("maxHistory", "timeout")
_OBJECTS: Final = ("repositoryOpts", "values")
_SWITCHES: Final = (
    "allowNullValues atomic cleanupOnFail createNamespace dependencyUpdate devel disableCRDHooks "
    "disableOpenapiValidation disableWebhooks forceUpdate resetValues reuseValues skipAwait skipCrds takeOwnership "
    "waitForJobs"
)


class Release(Resource):
    """A Helm release. Its id is `namespace/name`.

    Outputs are the inputs with the chart's exact version, `resourceNames` (`Kind.group/apiVersion` ->
    names) and `status`.
    """

    token: ClassVar[str] = "kubernetes:helm.sh/v3:Release"
    inputs: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(_TEXTS, "string"),
        **dict.fromkeys(_NUMBERS, "integer"),
        **dict.fromkeys(_OBJECTS, "object"),
        **dict.fromkeys(_SWITCHES.split(), "boolean"),
    }
    required: ClassVar[frozenset[str]] = frozenset({"chart"})
    computed: ClassVar[frozenset[str]] = frozenset({"resourceNames", "status"})
    replace_on: ClassVar[frozenset[str]] = frozenset({"name", "namespace"})

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        """Fill in the name, the namespace and the chart's exact version; refuse a chart that cannot be had."""
        inputs, failures = super().check(to_server(inputs), olds, call)
        repository = inputs.get("repositoryOpts") or {}
        failures += [
            Failure(f"repositoryOpts.{name}", f"not modelled by the lab: it takes {', '.join(sorted(_REPOSITORY))}")
            for name in sorted(repository.keys() - _REPOSITORY.keys())
        ]
        inputs = {**_defaults(inputs, olds or {}, call), **inputs}
        if failures or contains_unknown({**inputs, "values": None}):
            return inputs, failures
        try:
            chart = yaml.safe_load(helm(["show", "chart", *_chart(inputs)], call))
        except HelmError as error:
            reason = f"{error}; check the chart name and repository configuration"
            return inputs, [Failure("chart", reason)]
        return {**inputs, "version": chart["version"]}, []

    def preview_update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        """Without what only Helm tells, also where that will be what it was."""
        return self.preview_create(inputs_new, call)

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        return _id(inputs), self._run(["install", inputs["name"], *flags(inputs, _INSTALL)], inputs, call)

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        return self._run(["upgrade", inputs_new["name"], *flags(inputs_new, _UPGRADE)], inputs_new, call)

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props] | None:
        namespace, name = split_identifier(id)
        release = _look(namespace, name, _cluster(call), call)
        if release is None:
            return None
        known = inputs or {"name": name, "namespace": namespace, "chart": release["chart"], "timeout": DEFAULT_SECONDS}
        observed = {**known, "version": release["version"]}
        if to_server(release["values"]) != to_server(known.get("values") or {}):
            observed["values"] = release["values"]
        return id, observed, _outputs(observed, release)

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        namespace, name = split_identifier(id)
        waiting = [] if outputs.get("skipAwait") and not outputs.get("atomic") else ["--wait"]
        arguments = ["uninstall", name, "--namespace", namespace, "--ignore-not-found", *waiting, _timeout(outputs)]
        try:
            helm(arguments, call, _cluster(call))
        except HelmError as error:
            raise ResourceError(f"Helm release {id} was not deleted: {error}") from None

    def _run(self, command: list[str], inputs: Props, call: Call) -> Props:
        """Install or upgrade. A release that exists but failed is kept, as it is, in the state."""
        cluster = _cluster(call)
        waiting = [] if inputs.get("skipAwait") else ["--wait", *flags(inputs, {"waitForJobs": "--wait-for-jobs"})]
        place = ["--namespace", inputs["namespace"], _timeout(inputs)]
        arguments = [command[0], command[1], *_chart(inputs), *command[2:], *place, *waiting, *flags(inputs, _ALWAYS)]
        problem = ""
        try:
            helm(arguments, call, cluster, inputs.get("values") or {})
        except HelmError as error:
            problem = str(error)
        release = _look(inputs["namespace"], inputs["name"], cluster, call)
        if release is None or (problem and not _failed(release)):
            raise ResourceError(f"Helm release {_id(inputs)}: {problem or 'it is gone already'}")
        outputs = _outputs(inputs, release)
        if problem:
            message = (
                f"Helm release {_id(inputs)!r} was created, but failed to initialize completely. "
                f"Use Helm CLI to investigate: {problem}"
            )
            raise PartialCreate(message, _id(inputs), outputs)
        return outputs


def _defaults(inputs: Props, olds: Props, call: Call) -> Props:
    name = olds.get("name") or f"{name_of(call.urn)}-{secrets.token_hex(4)}"
    defaults = {} if inputs.get("name") or inputs.get("name") is UNKNOWN else {"name": name}
    if "namespace" not in inputs:
        provider = call.config
        namespace = provider.namespace if provider.try_connect() else olds.get("namespace")
        defaults["namespace"] = namespace or UNKNOWN
    if not inputs.get("skipAwait"):
        defaults["timeout"] = DEFAULT_SECONDS
    return defaults


def _id(inputs: Props) -> str:
    return f"{inputs['namespace']}/{inputs['name']}"


def _timeout(inputs: Props) -> str:
    return f"--timeout={inputs.get('timeout') or DEFAULT_SECONDS}s"


def _chart(inputs: Props) -> list[str]:
    return [inputs["chart"], *flags(inputs, _CHART), *flags(inputs.get("repositoryOpts") or {}, _REPOSITORY)]


def _cluster(call: Call) -> Kubeconfig:
    """The cluster, once it answers: Helm would wait long for one that does not."""
    call.config.connect()
    kubeconfig: Kubeconfig = call.config.resolved()
    return kubeconfig


def _look(namespace: str, name: str, cluster: Kubeconfig, call: Call) -> dict[str, Any] | None:
    """What Helm knows of a release: `status` tells its values and manifest, `get metadata` its chart."""
    place = [name, "--namespace", namespace, "--output", "json"]
    try:
        metadata = json.loads(helm(["get", "metadata", *place], call, cluster))
        release = json.loads(helm(["status", *place], call, cluster))
    except HelmError as error:
        if error.not_found:
            return None
        raise ResourceError(f"Helm release {namespace}/{name} cannot be read: {error}") from None
    return {**metadata, "values": release.get("config") or {}, "manifest": release.get("manifest") or ""}


def _failed(release: Mapping[str, Any]) -> bool:
    return release["status"] in {"failed", "pending-install", "pending-upgrade"}


def _outputs(inputs: Props, release: Mapping[str, Any]) -> Props:
    shown = ("appVersion", "chart", "name", "namespace", "revision", "status", "version")
    return {
        **inputs,
        "version": release["version"],
        "resourceNames": _resource_names(release["manifest"]),
        "status": {name: release.get(name) for name in shown},
    }


def _resource_names(manifest: str) -> dict[str, list[str]]:
    names: dict[str, set[str]] = {}
    for item in yaml.load_all(manifest, Loader=yaml.CSafeLoader):
        if item:
            group, _, _ = item["apiVersion"].rpartition("/")
            kind = f"{item['kind']}.{group}" if group else item["kind"]
            metadata = item["metadata"]
            place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
            names.setdefault(f"{kind}/{item['apiVersion']}", set()).add(f"{place}{metadata['name']}")
    return {kind: sorted(found) for kind, found in sorted(names.items())}
