"""Every kind of object that an API server serves, as one generic resource."""

from __future__ import annotations

from typing import ClassVar, Final, NoReturn

from lab.plugins.base import (
    UNKNOWN,
    Call,
    Diff,
    Failure,
    PartialCreate,
    Props,
    Resource,
    ResourceError,
    contains_unknown,
)
from lab.plugins.kubernetes import apply
from lab.plugins.kubernetes.api import Api, ApiError, NoSuchKind, Object, Unreachable
from lab.plugins.kubernetes.drift import observed_inputs
from lab.plugins.kubernetes.objects import (
    PATCH_FORCE,
    SKIP_AWAIT,
    annotation,
    from_server,
    identifier,
    kind_of,
    split_identifier,
    to_server,
    token_of,
    with_name,
    without_read_only,
)
from lab.plugins.kubernetes.provider import Provider
from lab.plugins.kubernetes.replacement import difference, replacing_fields
from lab.plugins.kubernetes.waiting import NotReady, seconds_allowed, unready, until_gone, until_ready

_NOT_MODELLED: Final = ("pulumi.com/waitFor", "pulumi.com/replaceUnready")
_SKIPS_AWAITED_DELETION: Final = frozenset(
    {
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("batch/v1", "Job"),
        ("v1", "Namespace"),
        ("v1", "Pod"),
        ("v1", "ReplicationController"),
    }
)
_MANAGER: Final = "__fieldManager"
_DEFINITION: Final = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


class KubernetesObject(Resource):
    """One object of any kind, built-in or custom: the type token names the kind.

    Outputs are the live object, and the name of its field manager. Its id is `namespace/name`.
    """

    token: ClassVar[str] = "kubernetes:*"

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        kind = kind_of(token_of(call.urn))
        inputs = without_read_only({"apiVersion": kind[0], "kind": kind[1], "metadata": {}, **inputs})
        failures = _refused(inputs, kind)
        if failures or not isinstance(inputs["metadata"], dict):
            return inputs, failures
        inputs = _in_namespace(with_name(inputs, olds, call.urn), olds, call.config)
        return inputs, []

    def diff(self, inputs_old: Props, outputs_old: Props, inputs_new: Props, call: Call) -> Diff:
        provider: Provider = call.config
        fields = replacing_fields(
            inputs_new,
            config_map_mutable=provider.flag("enableConfigMapMutable"),
            secret_mutable=provider.flag("enableSecretMutable"),
        )
        return difference(inputs_old, inputs_new, fields)

    def preview_create(self, inputs: Props, call: Call) -> Props:
        api = _previewing(inputs, call)
        if api is None:
            return inputs
        manager = apply.field_manager(inputs, {})
        try:
            upsert = call.config.flag("upsertExistingObjects")
            live = apply.create(api, to_server(inputs), manager, upsert=upsert, dry_run=True, call=call)
        except (ApiError, NoSuchKind, Unreachable) as error:
            return self._unpreviewed("creation", inputs, error, manager, call)
        return _foreseen(live)

    def preview_update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        api = _previewing(inputs_new, call)
        if api is None:
            return super().preview_update(id, outputs_old, inputs_old, inputs_new, call)
        manager = apply.field_manager(inputs_new, outputs_old)
        try:
            live = self._updated(api, to_server(inputs_new), manager, call, dry_run=True)
        except (ApiError, NoSuchKind, Unreachable) as error:
            return self._unpreviewed("update", inputs_new, error, manager, call)
        return {**_foreseen(live), _MANAGER: manager}

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        provider: Provider = call.config
        api = provider.connect()
        # A check that could not reach the server has not filled in the namespace.
        item = to_server(_in_namespace(inputs, None, provider))
        manager = apply.field_manager(item, {})
        try:
            upsert = provider.flag("upsertExistingObjects")
            live = apply.create(api, item, manager, upsert=upsert, dry_run=False, call=call)
        except (ApiError, NoSuchKind, Unreachable) as error:
            _refuse("creation", item, error, manager, call)
        outputs = self._ready(api, item, live, manager, call)
        return identifier(outputs), outputs

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props] | None:
        provider: Provider = call.config
        try:
            api = provider.connect()
        except ResourceError:
            if provider.flag("deleteUnreachable"):
                return None
            raise
        api_version, kind = kind_of(token_of(call.urn))
        namespace, name = split_identifier(id)
        try:
            live = api.get(api.served(inputs.get("apiVersion", api_version), kind).path(namespace, name))
        except NoSuchKind:
            return None
        except ApiError as error:
            if error.code == 404:
                return None
            raise ResourceError(f"{kind} {id} cannot be read: {error}") from None
        manager = apply.field_manager(inputs, outputs)
        observed = observed_inputs(api, to_server(inputs), live, manager)
        outputs = _outputs(live, manager)
        if inputs and annotation(inputs, SKIP_AWAIT) != "true" and (problem := unready(api, live)):
            raise PartialCreate(problem, id, outputs)
        return id, from_server(observed), outputs

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        provider: Provider = call.config
        api, item = provider.connect(), to_server(inputs_new)
        manager = apply.field_manager(item, outputs_old)
        try:
            live = self._updated(api, item, manager, call, dry_run=False)
        except (ApiError, NoSuchKind, Unreachable) as error:
            _refuse("update", item, error, manager, call)
        return self._ready(api, item, live, manager, call)

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        provider: Provider = call.config
        try:
            api = provider.connect()
        except ResourceError:
            if provider.flag("deleteUnreachable"):
                return
            raise
        namespace, name = split_identifier(id)
        kind = (outputs["apiVersion"], outputs["kind"])
        try:
            path = api.served(*kind).path(namespace, name)
            live = api.get(path)
            apply.delete(api, path, outputs)
            if annotation(outputs, SKIP_AWAIT) == "true" and kind in _SKIPS_AWAITED_DELETION:
                return
            until_gone(api, live, seconds_allowed(outputs, call), call)
        except NoSuchKind:
            return  # custom objects go with their definition
        except ApiError as error:
            if error.code != 404:
                raise ResourceError(f"{outputs['kind']} {id} cannot be deleted: {error}") from None
        except (NotReady, Unreachable) as error:
            raise ResourceError(f"{outputs['kind']} {id} was not deleted: {error}") from None

    def _updated(self, api: Api, item: Object, manager: str, call: Call, *, dry_run: bool) -> Object:
        if (item["apiVersion"], item["kind"]) == _DEFINITION:
            return apply.replace(api, item, dry_run=dry_run)
        force = annotation(item, PATCH_FORCE) == "true" or call.config.flag("enablePatchForce")
        live = api.get(apply.location(api, item))
        if not dry_run:
            apply.hand_over(api, live, manager)
        # What an update would take over from others is no conflict in its preview either.
        force = force or (dry_run and apply.held_by_others(live, manager))
        return apply.apply(api, item, manager, force=force, dry_run=dry_run)

    def _ready(self, api: Api, item: Object, live: Object, manager: str, call: Call) -> Props:
        """The outputs, once the object is ready. Raises PartialCreate when it does not get there."""
        problem = ""
        try:
            live = apply.hand_over(api, live, manager)
            if annotation(item, SKIP_AWAIT) != "true":
                live = until_ready(api, live, seconds_allowed(item, call), call)
        except NotReady as error:
            live, problem = error.live, str(error)
        except (ApiError, NoSuchKind, Unreachable) as error:
            problem = f"{live['metadata']['name']!r} could not be awaited: {error}"
        outputs = _outputs(live, manager)
        if problem:
            message = (
                f"resource {call.urn!r} was successfully created, but the Kubernetes API server reported that it "
                f"failed to fully initialize or become live: {problem}"
            )
            raise PartialCreate(message, identifier(live), outputs)
        return outputs

    def _unpreviewed(self, action: str, inputs: Props, error: Exception, manager: str, call: Call) -> Props:
        """What a preview shows when the server cannot tell: the inputs, unless it refuses what it was sent."""
        if isinstance(error, ApiError) and error.code not in {403, 404} and error.reason != "AlreadyExists":
            raise apply.refusal(action, call.urn, inputs, error, manager)
        return inputs


class SecretObject(KubernetesObject):
    """A Secret: its content is secret whatever the program says."""

    secret_outputs: ClassVar[frozenset[str]] = frozenset({"data", "stringData"})


def _refused(inputs: Props, kind: tuple[str, str]) -> list[Failure]:
    if kind[1] == f"{inputs['kind']}Patch":
        return [Failure("", "patch resources are not modelled by the lab")]
    if kind[1].endswith("List") and "items" in inputs:
        return [Failure("items", "list resources cannot be created directly: use the underlying resource type")]
    failures = [
        Failure(name, f"is {inputs[name]!r}, but the resource's type says {expected!r}")
        for name, expected in zip(("apiVersion", "kind"), kind, strict=True)
        if inputs[name] not in {expected, UNKNOWN}
    ]
    failures += [
        Failure("metadata.annotations", f"the lab's kubernetes plugin does not model the annotation {name}")
        for name in _NOT_MODELLED
        if annotation(inputs, name)
    ]
    if isinstance(inputs["metadata"], dict) and inputs["metadata"].get("generateName"):
        failures.append(Failure("metadata.generateName", "is not supported in Server-Side Apply mode"))
    return failures


def _in_namespace(inputs: Props, olds: Props | None, provider: Provider) -> Props:
    """Fill in the namespace of a namespaced object that names none."""
    metadata = inputs["metadata"]
    namespace = metadata.get("namespace")
    if namespace or namespace is UNKNOWN:
        return inputs
    api = provider.try_connect()
    if api is None:
        namespace = (olds or {}).get("metadata", {}).get("namespace")
    elif _namespaced(api, inputs):
        namespace = provider.namespace
    return {**inputs, "metadata": {**metadata, "namespace": namespace}} if namespace else inputs


def _namespaced(api: Api, inputs: Props) -> bool:
    try:
        return api.served(inputs["apiVersion"], inputs["kind"]).namespaced
    except (NoSuchKind, ApiError, Unreachable):
        return False  # a kind to come: the server tells when the object is created


def _previewing(inputs: Props, call: Call) -> Api | None:
    """The server to ask for a dry run, if the inputs are complete and it is there."""
    return None if contains_unknown(inputs) else call.config.try_connect()


def _foreseen(live: Object) -> Props:
    """The outputs that a dry run foretells. The status is left out: controllers have yet to write it."""
    return {name: value for name, value in from_server(live).items() if name != "status"}


def _outputs(live: Object, manager: str) -> Props:
    return {**from_server(live), _MANAGER: manager}


def _refuse(action: str, item: Object, error: Exception, manager: str, call: Call) -> NoReturn:
    if isinstance(error, ApiError | NoSuchKind):
        raise apply.refusal(action, call.urn, item, error, manager) from None
    raise ResourceError(f"{action} of resource {call.urn!r} failed: {error}") from None
