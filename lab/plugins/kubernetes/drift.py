"""Says what a live object looks like in terms of the inputs that made it.

The server stores values in its own form (`cpu: "0.5"` becomes `500m`, `stringData` becomes `data`),
so inputs and live object cannot be compared directly. Instead, the server is asked what it would
store if the inputs were applied again; only where that differs from the live object has somebody
else changed it.
"""

from __future__ import annotations

from typing import Any, Final

from lab.plugins.kubernetes.api import Api, ApiError, Object
from lab.plugins.kubernetes.apply import apply
from lab.plugins.kubernetes.objects import without_read_only

_WRITTEN_BY_CONTROLLERS: Final = frozenset(
    {"deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"}
)


def observed_inputs(api: Api, inputs: Object, live: Object, manager: str) -> Object:
    """The inputs that correspond to the live object.

    Args:
        api: The server that it lives on.
        inputs: The inputs of the state; empty when the object is being imported.
        live: The object.
        manager: The object's field manager, for the dry run.
    """
    if not inputs:
        return _imported(live)
    try:
        expected = apply(api, inputs, manager, force=True, dry_run=True)
    except ApiError:
        expected = inputs
    observed: Object = _observed(inputs, expected, live)
    return observed


def _imported(live: Object) -> Object:
    inputs = without_read_only({name: value for name, value in live.items() if name != "status"})
    metadata = inputs["metadata"]
    annotations = metadata.pop("annotations", {})
    kept = {name: value for name, value in annotations.items() if name not in _WRITTEN_BY_CONTROLLERS}
    return {**inputs, "metadata": {**metadata, **({"annotations": kept} if kept else {})}}


def _observed(given: Any, expected: Any, live: Any) -> Any:
    if expected == live:
        return given
    if all(isinstance(item, dict) for item in (given, expected, live)):
        return {
            key: _observed(item, expected.get(key), live.get(key))
            for key, item in given.items()
            if key in live or key not in expected
        }
    if all(isinstance(item, list) and len(item) == len(live) for item in (given, expected, live)):
        return [_observed(*items) for items in zip(given, expected, live, strict=True)]
    return live
