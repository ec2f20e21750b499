"""What all tls resources share: made once, kept in the state, made again by a replacement."""

from __future__ import annotations

from lab.plugins.base import Call, Props, Resource, ResourceError


class Kept(Resource):
    """A key, request or certificate that lives in the state only. Like the official ones, not importable."""

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props]:
        if not outputs:
            raise ResourceError(f"{self.token} cannot be imported: the official plugin does not import it either")
        return id, inputs, outputs

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        """Nothing exists outside the state."""
