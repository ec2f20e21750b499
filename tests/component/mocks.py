"""What the components are tested against."""

from __future__ import annotations

from typing import Any

import pulumi


class Agreeing(pulumi.runtime.Mocks):
    """A provider that gives every resource what it asks for, and answers no function."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise NotImplementedError(args.token)
