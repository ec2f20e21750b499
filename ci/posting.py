"""Posting on GitLab: one note on a merge request, one issue for what is wrong with a site, each edited in place.

python-gitlab waits as long as GitLab asks to (429). An answer 5xx leaves open whether something was made, so that the
whole step, looking first, is taken again instead of the one call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self, TypeVar

import gitlab
import requests
from gitlab.v4.objects import Project

from ci import markdown

T = TypeVar("T")
MARKER: Final = "<!-- oss-nextgen: preview -->"
"""First line of the note, which nobody sees: it is found by it."""
ROOM: Final = markdown.LIMIT - len(MARKER) - 1
"""Characters that a note has beside that line."""
TIMEOUT: Final = 30
"""Seconds."""
PAUSES: Final = (1.0, 5.0, 20.0)
"""Seconds before a step is taken again after an answer 5xx."""
VARIABLES: Final = ("CI_SERVER_URL", "CI_PROJECT_ID", "GITLAB_TOKEN")
_REMEDIES: Final[Mapping[int, str]] = {
    401: "GitLab does not know GITLAB_TOKEN, or it has expired: make a project access token (role Reporter, scope api) "
    "and put it into that variable, masked and protected",
    403: "GITLAB_TOKEN may not do that: it needs the scope api and the role Reporter; and a note is edited by whoever "
    "wrote it: after a change of the token's user, delete the old note",
    404: "GitLab shows nothing there to GITLAB_TOKEN: it has to be a token of this project",
    429: "GitLab goes on asking to wait: raise its limit for the token's user, or run the job again later",
}


class PostingError(Exception):
    """Nothing was posted; what to do about it."""


@dataclass(frozen=True)
class GitLab:
    """A project on GitLab. What asks it raises `PostingError` where it refuses."""

    project: Project
    pauses: tuple[float, ...] = PAUSES

    @classmethod
    def of_job(cls, environment: Mapping[str, str], *more: str) -> Self:
        """From the variables of a job.

        Args:
            environment: They are in it.
            more: Names of others that the job needs.

        Raises:
            PostingError: one of `VARIABLES` or of the others is missing.
        """
        missing = [name for name in (*VARIABLES, *more) if not environment.get(name)]
        if missing:
            raise PostingError(f"not set: {', '.join(missing)} (docs/change-control.md, Tokens)")
        url, number, token = (environment[name] for name in VARIABLES)
        return cls(gitlab.Gitlab(url, private_token=token, timeout=TIMEOUT).projects.get(number, lazy=True))

    def post_note(self, merge_request: int, text: str) -> str:
        """Write the note of a merge request: edit the one that is there, or make it. Returns which."""

        def step() -> str:
            notes = self.project.mergerequests.get(merge_request, lazy=True).notes
            for note in notes.list(iterator=True, order_by="created_at", sort="asc"):
                if note.body.startswith(MARKER) and not note.system:
                    note.body = body
                    note.save()
                    return "edited"
            notes.create({"body": body})
            return "made"

        body = f"{MARKER}\n{text}"
        return self._taken(step, f"the note on merge request !{merge_request}")

    def report(self, label: str, site: str, text: str) -> str:
        """Write the issue about a site: make it, edit it, open it again, or close it. Returns which.

        Args:
            label: What it is about, in one word: its label, and the beginning of its title.
            site: Whose.
            text: The description; empty where nothing is wrong.
        """
        title = f"{label.capitalize()}: {site}"

        def step() -> str:
            found = self.project.issues.list(labels=[label], state="all", iterator=True)
            issue = next((each for each in found if each.title == title), None)
            if issue is None:
                if text:
                    self.project.issues.create({"title": title, "description": text, "labels": label})
                return "made" if text else "not needed"
            is_open = issue.state == "opened"
            if not text and not is_open:
                return "closed already"
            if text:
                issue.description = text
            if is_open != bool(text):
                issue.state_event = "reopen" if text else "close"
            issue.save()
            return "edited" if text else "closed"

        return self._taken(step, f"the issue {title!r}")

    def labels(self, environment: Mapping[str, str]) -> set[str]:
        """Labels of a job's merge request, as they are now; on the main branch, of those that brought its commit."""

        def step() -> set[str]:
            number = environment.get("CI_MERGE_REQUEST_IID")
            if number:
                return set(self.project.mergerequests.get(int(number)).labels)
            commit = self.project.commits.get(environment["CI_COMMIT_SHA"], lazy=True)
            # Anybody can open one from the main branch to another: what it is labelled with, nobody has reviewed.
            brought = {"state": "merged", "target_branch": environment["CI_DEFAULT_BRANCH"]}
            return {
                label for each in commit.merge_requests() if brought.items() <= each.items() for label in each["labels"]
            }

        return self._taken(step, "the labels of the merge request")

    def _taken(self, step: Callable[[], T], what: str) -> T:
        for pause in self.pauses:
            try:
                with _refusals(what):
                    return step()
            except _TransientError:
                time.sleep(pause)
        with _refusals(what):
            return step()


class _TransientError(PostingError):
    """GitLab itself failed, and may not the next time."""


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """Turn what python-gitlab raises into what a person can act on. The token is in no message."""
    try:
        yield
    except gitlab.GitlabError as error:
        code = error.response_code or 0
        message = f"{what}: GitLab answered {code}: {error.error_message}"
        if code >= 500:
            raise _TransientError(f"{message}; run the job again when GitLab is well") from None
        remedy = _REMEDIES.get(code)
        raise PostingError(f"{message}; {remedy}" if remedy else message) from None
    except requests.RequestException as error:
        raise _TransientError(f"{what}: GitLab does not answer: {type(error).__name__}") from None
