"""JSON Schema of a stack file, for editors: what `Settings` takes, in the shape that the engine keeps it in."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from settings.problems import PROJECT
from settings.stack import OPTIONAL_SECRETS, SECRET_KEYS, Settings

_SECRET = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
"""A value that the engine has encrypted."""


class _Untitled(GenerateJsonSchema):
    """Without the titles that only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """The schema (2020-12) of `Pulumi.<stack>.yaml`. What spans several keys is for `python -m settings` to say."""
    settings = Settings.model_json_schema(by_alias=True, schema_generator=_Untitled)
    keys = settings["properties"] | {key: _secret(key) for key in SECRET_KEYS}
    config = {
        "type": "object",
        "properties": {f"{PROJECT}:{key}": value for key, value in keys.items()},
        "patternProperties": {"^pulumi:": {}},
        "required": [f"{PROJECT}:{key}" for key in settings["required"]],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack of OSS NextGen",
        "type": "object",
        "properties": {
            "config": config,
            # The engine's own: how the stack's secrets are encrypted.
            **{key: {"type": "string"} for key in ("secretsprovider", "encryptedkey", "encryptionsalt")},
        },
        "required": ["config"],
        "additionalProperties": False,
        "$defs": settings["$defs"],
    }


def _secret(key: str) -> dict[str, Any]:
    _, form = SECRET_KEYS[key]
    use = "may be set" if key in OPTIONAL_SECRETS else "is set"
    return {**_SECRET, "description": f"{form}; {use} by: pulumi config set --secret {PROJECT}:{key}"}
