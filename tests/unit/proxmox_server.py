"""fakepve for tests in the same process."""

import json

from aiohttp import web
from fakepve.server import FakePve, ok

LATE = ("name", "status", "template")
"""What the cluster's list knows of a guest once pvestatd has looked at it: up to ten seconds later."""


class ProxmoxServer(FakePve):  # type: ignore[misc]  # fakepve has no types
    """A cluster on which every guest is new.

    It ends every connection after its answer, so that none is left open when a test ends.
    """

    def __init__(self) -> None:
        super().__init__(host="127.0.0.1", port=0)

    def _build_app(self) -> web.Application:
        app: web.Application = super()._build_app()
        app.on_response_prepare.append(_close)
        return app

    async def _resources(self, request: web.Request) -> web.Response:
        response = await super()._resources(request)
        entries = json.loads(response.text)["data"]
        guests = ("qemu", "lxc")
        answer: web.Response = ok(
            [
                {key: value for key, value in entry.items() if entry["type"] not in guests or key not in LATE}
                for entry in entries
            ]
        )
        return answer


async def _close(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Connection"] = "close"
    response.force_close()
