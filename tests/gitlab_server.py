"""A server that speaks the part of GitLab's API that the pipeline uses; anything else is refused with 501.

https://docs.gitlab.com/api/notes/, and the same for issues and merge requests. Pages, permissions, the limit of a text
and the answers of a failing GitLab are modelled; what it makes of the Markdown is not.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "glpat-a-token-of-the-project"
PROJECT = 11
MERGE_REQUEST = 7
COMMIT = "5f0f1d2c3b4a59687786958493a2b1c0d9e8f7a6"
LIMIT = 1_000_000
"""Characters of a note or a description."""
MOST_PER_PAGE = 100
BOT, PERSON = "project_11_bot", "ada"

Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Fault:
    """Answers that take the place of the next ones to a method."""

    method: str
    code: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    """Whether the call is carried out before its answer is lost."""


@dataclass
class GitLabServer:
    """A project with one merge request."""

    url: str = ""
    labels: list[str] = field(default_factory=list)
    """Of the merge request, and of the one that brought `COMMIT`."""
    others: list[dict[str, Any]] = field(default_factory=list)
    """Merge requests that hold `COMMIT` and have not brought it."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """`METHOD path` of each call."""

    def write(self, body: str, author: str = PERSON, *, system: bool = False) -> None:
        """Add a note as somebody."""
        self.notes.append({"id": 100 + len(self.notes), "body": body, "author": {"username": author}, "system": system})

    @property
    def merged(self) -> dict[str, Any]:
        """The merge request, once it is merged."""
        return {"iid": MERGE_REQUEST, "labels": self.labels, "state": "merged", "target_branch": "main"}

    @property
    def variables(self) -> dict[str, str]:
        """What a job of the merge request's pipeline sees."""
        return {
            "CI_SERVER_URL": self.url,
            "CI_PROJECT_ID": str(PROJECT),
            "CI_MERGE_REQUEST_IID": str(MERGE_REQUEST),
            "CI_COMMIT_SHA": COMMIT,
            "CI_DEFAULT_BRANCH": "main",
            "CI_COMMIT_SHORT_SHA": COMMIT[:8],
            "CI_JOB_URL": f"{self.url}/oss/nextgen/-/jobs/1",
            "GITLAB_TOKEN": TOKEN,
        }

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any], token: str) -> Answer:
        """One call."""
        self.calls.append(f"{method} {path}")
        fault = next((each for each in self.faults if each.method == method), None)
        if fault:
            fault.times -= 1
            if not fault.times:
                self.faults.remove(fault)
            if fault.after:
                self._answer(method, path, query, body)
            return fault.code, {"message": "an answer that the test asked for"}, fault.headers
        if token != TOKEN:
            return 401, {"message": "401 Unauthorized"}, {}
        return self._answer(method, path, query, body)

    def _answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        own = f"/api/v4/projects/{PROJECT}"
        if not path.startswith(own):
            return 404, {"message": "404 Project Not Found"}, {}
        call = f"{method} {path.removeprefix(own)}"
        if call == f"GET /merge_requests/{MERGE_REQUEST}":
            return 200, {"iid": MERGE_REQUEST, "labels": self.labels}, {}
        if call == f"GET /repository/commits/{COMMIT}/merge_requests":
            return 200, [self.merged, *self.others], {}
        if call == f"GET /merge_requests/{MERGE_REQUEST}/notes":
            return self._page(self.notes, query, {"order_by": "created_at", "sort": "asc"})
        if call == f"POST /merge_requests/{MERGE_REQUEST}/notes":
            return self._written(body, {"body"}, lambda: self.write(body["body"], BOT), self.notes)
        found = re.fullmatch(rf"PUT /merge_requests/{MERGE_REQUEST}/notes/(\d+)", call)
        if found:
            note = next(each for each in self.notes if each["id"] == int(found[1]))
            if note["author"]["username"] != BOT:
                return 403, {"message": "403 Forbidden"}, {}
            return self._written(body, {"body"}, lambda: note.update(body), [note])
        return self._issue(call, query, body)

    def _issue(self, call: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        if call == "GET /issues":
            wanted = query.get("labels", "").split(",")
            found = [issue for issue in self.issues if set(wanted) <= set(issue["labels"])]
            return self._page(found, query, {"labels": query.get("labels", ""), "state": "all"})
        if call == "POST /issues":
            issue = {"id": 1 + len(self.issues), "iid": 1 + len(self.issues), "state": "opened", **body}
            issue["labels"] = body.get("labels", "").split(",")
            return self._written(
                body, {"title", "description", "labels"}, lambda: self.issues.append(issue), self.issues
            )
        found_one = re.fullmatch(r"PUT /issues/(\d+)", call)
        if found_one:
            one = self.issues[int(found_one[1]) - 1]
            return self._written(body, {"description", "state_event"}, lambda: _edit(one, body), [one])
        return 501, {"message": f"{call} is not modelled"}, {}

    def _written(self, body: dict[str, Any], known: set[str], write: Any, kept: list[dict[str, Any]]) -> Answer:
        if body.keys() - known:
            return 501, {"message": f"{sorted(body.keys() - known)} are not modelled"}, {}
        for key in ("body", "description"):
            if len(body.get(key, "")) > LIMIT:
                return 400, {"message": {key: ["is too long (maximum is 1000000 characters)"]}}, {}
        write()
        return 201, kept[-1], {}

    def _page(self, items: list[dict[str, Any]], query: dict[str, str], known: dict[str, str]) -> Answer:
        number, size = int(query.pop("page", 1)), min(int(query.pop("per_page", 20)), MOST_PER_PAGE)
        if query != known:
            return 501, {"message": f"the query {query} is not modelled"}, {}
        shown, more = items[(number - 1) * size : number * size], len(items) > number * size
        rest = "&".join(f"{key}={value}" for key, value in known.items())
        headers = {"X-Page": str(number), "X-Per-Page": str(size), "X-Next-Page": str(number + 1) if more else ""}
        if more:
            headers["Link"] = (
                f'<{self.url}{self.calls[-1].split()[1]}?page={number + 1}&per_page={size}&{rest}>; rel="next"'
            )
        return 200, shown, headers


def _edit(issue: dict[str, Any], body: dict[str, Any]) -> None:
    state = {"close": "closed", "reopen": "opened"}
    issue["description"] = body.get("description", issue["description"])
    issue["state"] = state.get(body.get("state_event", ""), issue["state"])


@contextmanager
def running() -> Iterator[GitLabServer]:
    """Serve on a loopback address."""
    project = GitLabServer()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts, length = urlsplit(self.path), int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "{}")
            query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            token = self.headers.get("PRIVATE-TOKEN", "")
            code, content, headers = project.answer(self.command, parts.path, query, body, token)
            text = json.dumps(content).encode()
            self.send_response(code)
            for name, value in {
                **headers,
                "Content-Type": "application/json",
                "Content-Length": str(len(text)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    for method in ("GET", "POST", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._serve)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        project.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield project
        server.shutdown()
        thread.join(10)
