"""The note, the issue and the labels on a server that speaks GitLab's API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ci.brake import LABEL
from ci.posting import MARKER, ROOM, GitLab, PostingError
from tests.gitlab_server import BOT, LIMIT, MERGE_REQUEST, TOKEN, Fault, GitLabServer, running


@pytest.fixture
def server() -> Iterator[GitLabServer]:
    with running() as project:
        yield project


def client(server: GitLabServer, **variables: str) -> GitLab:
    return replace(GitLab.of_job({**server.variables, **variables}), pauses=(0, 0, 0))


def test_the_note_is_made_once_and_then_edited_in_place(server: GitLabServer) -> None:
    server.write("Looks good to me.")
    assert client(server).post_note(MERGE_REQUEST, "first") == "made"
    assert client(server).post_note(MERGE_REQUEST, "second") == "edited"
    assert [note["body"] for note in server.notes] == ["Looks good to me.", f"{MARKER}\nsecond"]


def test_the_note_is_found_on_whatever_page_it_is(server: GitLabServer) -> None:
    for number in range(45):
        server.write(f"comment {number}")
    client(server).post_note(MERGE_REQUEST, "first")
    for number in range(45):
        server.write(f"comment {45 + number}")
    assert client(server).post_note(MERGE_REQUEST, "second") == "edited"
    assert [note["body"] for note in server.notes if MARKER in note["body"]] == [f"{MARKER}\nsecond"]


def test_whoever_quotes_the_note_keeps_the_quotation(server: GitLabServer) -> None:
    server.write(f"> {MARKER}\n> what is this?")
    server.write(f"{MARKER} was in the description", system=True)
    assert client(server).post_note(MERGE_REQUEST, "text") == "made"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("GET", 403), "role Reporter"),
        (Fault("POST", 403), "scope api"),
        (Fault("GET", 404), "token of this project"),
        (Fault("GET", 429, times=20, headers={"Retry-After": "0"}), "goes on asking to wait"),
        (Fault("GET", 502, times=20), "answered 502"),
        (Fault("POST", 500, times=20), "run the job again when GitLab is well"),
    ],
    ids=["forbidden-to-read", "forbidden-to-write", "not-found", "rate-limit", "bad-gateway", "server-error"],
)
def test_a_refusal_says_what_to_do(server: GitLabServer, fault: Fault, message: str) -> None:
    server.faults.append(fault)
    with pytest.raises(PostingError, match=message) as raised:
        client(server).post_note(MERGE_REQUEST, "text")
    assert f"merge request !{MERGE_REQUEST}" in str(raised.value)
    assert TOKEN not in str(raised.value)
    assert server.notes == []


def test_an_unknown_token_is_refused_without_being_shown(server: GitLabServer) -> None:
    with pytest.raises(PostingError, match=r"401.*has expired") as raised:
        client(server, GITLAB_TOKEN="glpat-of-yesterday").post_note(MERGE_REQUEST, "text")
    assert "glpat-of-yesterday" not in str(raised.value)


def test_the_note_of_somebody_else_is_not_edited(server: GitLabServer) -> None:
    server.write(f"{MARKER}\nposted by hand")
    with pytest.raises(PostingError, match="delete the old note"):
        client(server).post_note(MERGE_REQUEST, "text")


def test_a_rate_limit_is_waited_for(server: GitLabServer) -> None:
    server.faults.append(Fault("POST", 429, headers={"Retry-After": "0"}))
    assert client(server).post_note(MERGE_REQUEST, "text") == "made"
    assert len(server.notes) == 1


def test_an_answer_that_is_lost_leaves_one_note(server: GitLabServer) -> None:
    server.faults.append(Fault("POST", 502, after=True))
    assert client(server).post_note(MERGE_REQUEST, "text") == "edited"
    assert [note["author"]["username"] for note in server.notes] == [BOT]


def test_the_longest_note_has_room_for_its_marker(server: GitLabServer) -> None:
    assert client(server).post_note(MERGE_REQUEST, "x" * ROOM) == "made"
    assert len(server.notes[0]["body"]) == LIMIT


def test_a_body_over_the_limit_is_refused(server: GitLabServer) -> None:
    with pytest.raises(PostingError, match=r"400.*too long"):
        client(server).post_note(MERGE_REQUEST, "x" * LIMIT)


def test_a_gitlab_that_is_away_is_named(server: GitLabServer) -> None:
    away = client(server, CI_SERVER_URL="http://127.0.0.1:9")
    with pytest.raises(PostingError, match="does not answer: ConnectionError"):
        away.post_note(MERGE_REQUEST, "text")


def test_missing_variables_are_named_together() -> None:
    with pytest.raises(PostingError, match="CI_PROJECT_ID, GITLAB_TOKEN"):
        GitLab.of_job({"CI_SERVER_URL": "https://gitlab.example.org", "GITLAB_TOKEN": ""})


def test_the_issue_of_a_site_lives_as_long_as_its_drift(server: GitLabServer) -> None:
    steps: list[tuple[str, str, Any]] = [
        ("", "not needed", None),
        ("a VM differs", "made", "opened"),
        ("two VMs differ", "edited", "opened"),
        ("", "closed", "closed"),
        ("", "closed already", "closed"),
        ("a zone differs", "edited", "opened"),
    ]
    for text, done, state in steps:
        assert client(server).report("drift", "paris", text) == done
        assert [issue["state"] for issue in server.issues] == ([state] if state else [])
    assert server.issues[0]["description"] == "a zone differs"
    assert server.issues[0]["labels"] == ["drift"]


def test_each_site_has_an_issue_of_its_own_for_each_thing(server: GitLabServer) -> None:
    for label, site in (("drift", "paris"), ("drift", "lille"), ("verify", "paris"), ("drift", "paris")):
        client(server).report(label, site, "a VM differs")
    assert [issue["title"] for issue in server.issues] == ["Drift: paris", "Drift: lille", "Verify: paris"]


@pytest.mark.parametrize("absent", ["", "CI_MERGE_REQUEST_IID"], ids=["merge-request", "main-branch"])
def test_labels_are_those_of_the_merge_request(server: GitLabServer, absent: str) -> None:
    server.labels = [LABEL, "reviewed"]
    variables = {name: value for name, value in server.variables.items() if name != absent}
    assert client(server).labels(variables) == {LABEL, "reviewed"}


@pytest.mark.parametrize("other", [{"state": "opened"}, {"target_branch": "elsewhere"}], ids=["open", "elsewhere"])
def test_a_merge_request_that_brought_nothing_to_the_main_branch_accepts_nothing(
    server: GitLabServer, other: dict[str, str]
) -> None:
    server.others = [{**server.merged, "iid": 8, "labels": [LABEL], **other}]
    variables = {name: value for name, value in server.variables.items() if name != "CI_MERGE_REQUEST_IID"}
    assert client(server).labels(variables) == set()
