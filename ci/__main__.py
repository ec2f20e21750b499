"""`python -m ci COMMAND`: the commands of the pipeline, which run on a person's machine as well."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ci import brake, drift, engine, markdown, note, renewal, stacks, states, terminal
from ci.changes import ChangeSet, PreviewError
from ci.engine import EngineError, Record, Stack
from ci.posting import ROOM, GitLab, PostingError
from settings import SettingsError

FOLDER: Final = Path("previews")
"""Where previews are kept from one job to the next."""
STATES: Final = Path("states")
"""Where exported states are put."""
NOTE: Final = "note.md"
MERGE_REQUEST: Final = "CI_MERGE_REQUEST_IID"
"""Number of the job's merge request: only pipelines of merge requests have it."""
FAILED: Final = 1
DIFFERS: Final = 3
"""There is drift, or a renewal waits for a person: neither an error nor nothing."""


def preview(arguments: argparse.Namespace) -> int:
    """Preview a site and keep what it says."""
    FOLDER.mkdir(exist_ok=True)
    paths = stacks.changed_since(arguments.since) if arguments.since else None
    if paths is not None and not stacks.is_affected(arguments.site, paths):
        record = Record(arguments.site, skipped=True)
    else:
        record = engine.preview(arguments.site, plan=_plan(arguments.site))
    record.write(FOLDER)
    terminal.show(note.preview([record.changes]), terminal.console())
    return FAILED if record.changes.errors else 0


def write_note(arguments: argparse.Namespace) -> int:
    """Write the note of all previews that were kept, and post it."""
    sets = _kept(arguments.expect)
    written = note.preview(sets, os.environ.get("CI_COMMIT_SHORT_SHA", ""))
    job = os.environ.get("CI_JOB_URL")
    text = markdown.render(written, f"{job}/artifacts/browse/{FOLDER}" if job else "", ROOM)
    # Where every preview's job ended early, no artifact has brought it.
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / NOTE).write_text(markdown.render(written, limit=sys.maxsize), encoding="utf-8")
    if arguments.post:
        project = GitLab.of_job(os.environ, MERGE_REQUEST)
        done = project.post_note(int(os.environ[MERGE_REQUEST]), text)
        print(f"the note on !{os.environ[MERGE_REQUEST]} was {done} ({len(text)} characters)")
    else:
        print(text)
    return 0


def check_brake(arguments: argparse.Namespace) -> int:
    """Refuse what reaches too far, unless the merge request has the label."""
    refused = [text for record in _records(arguments.sites) for text in record.refused]
    if not refused:
        print("the brake: nothing is refused")
        return 0
    if arguments.labels and brake.LABEL in GitLab.of_job(os.environ, "CI_COMMIT_SHA").labels(os.environ):
        print(f"the brake: accepted by the label {brake.LABEL}:", *refused, sep="\n")
        return 0
    print("the brake refuses this change:", *refused, sep="\n", file=sys.stderr)
    return FAILED


def up(arguments: argparse.Namespace) -> int:
    """Bring about what was previewed."""
    (record,) = _records([arguments.site])
    if record.changes.errors:
        print(f"{arguments.site}: its preview failed; mend that first", file=sys.stderr)
        return FAILED
    stack = Stack.open(arguments.site)
    if stack.state != record.state:
        # What the brake has passed is not what this run would do.
        print(
            f"{arguments.site} has changed since its preview, by another run: run the job `preview` again, then this",
            file=sys.stderr,
        )
        return FAILED
    plan = _plan(arguments.site)
    planned = [f"--plan={plan}"] if plan else []
    return stack.show("up", "--yes", "--skip-preview", *planned)


def look_for_drift(arguments: argparse.Namespace) -> int:
    """Look for drift, and report it."""
    found = drift.look(Stack.open(arguments.site))
    for each in found.notes:
        terminal.show(each, terminal.console())
    if arguments.report and not found.failed:
        text = found.report(os.environ.get("CI_JOB_URL", ""))
        done = GitLab.of_job(os.environ).report("drift", arguments.site, text)
        print(f"the issue about drift of {arguments.site}: {done}")
    if found.failed:
        return FAILED
    print(f"{arguments.site}: {'no drift' if found.is_clean else 'drift'}")
    return 0 if found.is_clean else DIFFERS


def check_site(arguments: argparse.Namespace) -> int:
    """Check the site as its users would, and report what fails."""
    command = [sys.executable, "-m", "verify", arguments.site]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="")
    # It prints nothing where the stack could not be read: then nothing is known of the site.
    if arguments.report and done.stdout:
        text = markdown.fenced(done.stdout, "text") if done.returncode else ""
        said = GitLab.of_job(os.environ).report("verify", arguments.site, text)
        print(f"the issue about failed checks of {arguments.site}: {said}")
    return done.returncode


def renew(arguments: argparse.Namespace) -> int:
    """Renew the certificates that are due."""
    try:
        done = renewal.renew(Stack.open(arguments.site))
    except renewal.OthersError as error:
        print(error, file=sys.stderr)
        return DIFFERS
    said = f"renewed {len(done.renewed)}: {', '.join(done.renewed)}" if done.renewed else "no certificate is due"
    print(f"{arguments.site}: {said}")
    if done.waiting:
        print(f"{arguments.site}: due as well, and left to the next run of a person: {', '.join(done.waiting)}")
    return 0


def save(arguments: argparse.Namespace) -> int:
    """Export the state, secrets encrypted, to the backup server as well."""
    print(f"the state of {arguments.site} is kept as {states.save(arguments.site, STATES)}")
    return 0


def diff(arguments: argparse.Namespace) -> int:
    """Print the note that a merge request would get, in the terminal."""
    record = engine.preview(arguments.site)
    console = terminal.recorder() if arguments.picture else terminal.console()
    terminal.show(note.preview([record.changes]), console)
    if arguments.picture:
        terminal.save_picture(console, arguments.picture)
    return FAILED if record.changes.errors else 0


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    top = argparse.ArgumentParser(prog="python -m ci", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object) -> argparse.ArgumentParser:
        each = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        each.set_defaults(run=run)
        return each

    of_site = {"preview": preview, "up": up, "drift": look_for_drift, "verify": check_site, "renew": renew}
    for name, run in {**of_site, "save": save, "diff": diff}.items():
        command(name, run).add_argument("site")
    each = commands.choices["preview"]
    each.add_argument(
        "--since", metavar="REVISION", help="no preview if nothing has changed since that the site is made from"
    )
    for name in ("drift", "verify"):
        commands.choices[name].add_argument(
            "--report", action="store_true", help="write, edit or close the site's issue on GitLab"
        )
    each = commands.choices["diff"]
    each.add_argument("--picture", type=Path, metavar="FILE", help="save it as SVG, too")
    each = command("note", write_note)
    each.add_argument("--post", action="store_true", help="on the merge request of this job; else it is printed")
    each.add_argument(
        "--expect", nargs="*", default=(), metavar="SITE", help="say of those that have no preview that it failed"
    )
    each = command("brake", check_brake)
    each.add_argument("sites", nargs="*", metavar="SITE", help="none: all that were previewed")
    each.add_argument("--labels", action="store_true", help=f"look for the label {brake.LABEL} on the merge request")
    return top


def _records(sites: Sequence[str]) -> list[Record]:
    files = [FOLDER / f"{site}.json" for site in sites] or sorted(FOLDER.glob("*.json"))
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise EngineError(f"not there: {', '.join(missing)}; run `python -m ci preview SITE` first")
    return [Record.read(file) for file in files]


def _kept(expected: Sequence[str]) -> list[ChangeSet]:
    """What was previewed. A job that ended before it could keep anything is a failure to tell, too."""
    sets = [record.changes for record in _records([])]
    lost = sorted({*expected} - {each.site for each in sets})
    return sets + [ChangeSet(site, errors=("there is no preview: its job has failed, see its log",)) for site in lost]


def _plan(site: str) -> Path | None:
    """Where the update plan is: they are experimental, and used where a variable says so."""
    return FOLDER / f"{site}.plan" if os.environ.get("OSS_NEXTGEN_UPDATE_PLANS") == "true" else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code."""
    parsed = parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except (EngineError, PostingError, PreviewError, SettingsError, states.CopyError) as error:
        print(f"ci: {error}", file=sys.stderr)
        return FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
