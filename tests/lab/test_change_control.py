"""What reviewers read, from previews by the real engine: one small site with services, and the pipeline's own jobs.

The tests of this file share one lab and one merge request and run in order: its note is edited by each of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from ci.brake import LABEL
from ci.posting import MARKER
from components.powerdns.server import IMAGE
from lab.pebble import MANAGEMENT_PORT
from lab.services import network
from tests.gitlab_server import GitLabServer, running
from tests.lab import by_hand
from tests.lab.conftest import LabUnderTest
from tests.lab.edits import BUMP, FRESH, NOTES, SITE, ZONE, Values, readdressed
from tests.lab.known_secrets import secrets_of
from tests.lab.pipeline import Pipeline
from tests.lab.proxmox import ProxmoxSite

pytestmark = pytest.mark.timeout(1800)


def small(values: Values) -> None:
    masters, workers = values["pools"]
    masters["count"], workers["count"] = 1, 2
    # Paris is not up: the lab delegates the zones as a registrar would.
    del values["services"]["dnsParent"]


@pytest.fixture(scope="module")
def gitlab() -> Iterator[GitLabServer]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def pipeline(clone: LabUnderTest, gitlab: GitLabServer) -> Pipeline:
    clone.configure(SITE, small)
    clone.run("up", SITE)
    return Pipeline(clone, SITE, gitlab.variables)


@pytest.fixture
def change(pipeline: Pipeline) -> Iterator[Callable[..., None]]:
    """Edits files of the clone, which are as before after the test."""
    before: dict[Path, str] = {}

    def file(name: str, old: str, new: str) -> None:
        path = pipeline.lab.repository / name
        before.setdefault(path, path.read_text())
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def edit(settings: Callable[[Values], None] | None = None, files: list[tuple[str, str, str]] | None = None) -> None:
        stack_file = pipeline.lab.repository / f"Pulumi.{SITE}.yaml"
        before.setdefault(stack_file, stack_file.read_text())
        if settings:
            pipeline.lab.configure(SITE, settings)
        for each in files or ():
            file(*each)

    yield edit
    for path, text in before.items():
        path.write_text(text)


@pytest.mark.parametrize("case", NOTES)
def test_the_note_says_what_changes(
    pipeline: Pipeline, gitlab: GitLabServer, change: Callable[..., None], case: str
) -> None:
    settings, files, row, said, unsaid = NOTES[case]
    change(settings, files)

    pipeline.run("preview")
    pipeline.run("note")

    (note,) = gitlab.notes
    text = note["body"]
    assert text.startswith(f"{MARKER}\n## Preview of {gitlab.variables['CI_COMMIT_SHORT_SHA']}")
    assert [line for line in [row, *said] if line not in text] == [], text
    assert [line for line in unsaid if line in text] == [], text
    # Every step is listed that the engine counts.
    assert "does not name" not in text
    # Sites whose jobs left nothing behind are told.
    assert "| paris | - | - | - | - | failed |" in text


def test_the_brake_stops_a_replacement_unless_it_is_accepted(pipeline: Pipeline, gitlab: GitLabServer) -> None:
    """The preview of the last case is there, as it would be from the job before."""
    assert "VM toulouse-workers-1, VM toulouse-workers-2" in pipeline.run("brake", 1)
    # On the main branch it stands before the run, whose job ends there.
    assert "brake refuses" in pipeline.run("up toulouse", 1, CI_MERGE_REQUEST_IID="")
    gitlab.labels.append(LABEL)
    assert "accepted by the label" in pipeline.run("brake")


def test_a_failed_preview_shows_why(pipeline: Pipeline, gitlab: GitLabServer, change: Callable[..., None]) -> None:
    change(readdressed)
    pipeline.run("preview", 1)
    pipeline.run("note")
    text = gitlab.notes[0]["body"]
    assert f"| {SITE} | - | - | - | - | failed |" in text
    assert "kubernetes.podCidr is 10.233.64.0/18 and cannot become 10.200.0.0/18" in text


VIOLATIONS = {
    "pods-in-bounds": ("components/powerdns/server.py", IMAGE, f"{IMAGE.rpartition(':')[0]}:latest"),
    "names": ("components/socle/authentik/component.py", 'f"{name}-key"', 'f"{name}_Key"'),
    "tls-verified": ("__main__.py", "insecure=proxmox.insecure", "insecure=True"),
    "secret-outputs-marked": (
        "components/certificates/resources.py",
        'additional_secret_outputs=["key"]',
        "additional_secret_outputs=[]",
    ),
    "downloads-pinned": (
        "components/images/component.py",
        '            checksum=file.sha256,\n            checksum_algorithm="sha256",\n',
        "",
    ),
    "load-balancers-in-pool": (
        "components/socle/nginx_ingress.py",
        "ADDRESS_ANNOTATION: str(args.address)",
        'ADDRESS_ANNOTATION: "10.99.0.1"',
    ),
}
"""Policy -> how the program is made to break it."""


def test_violated_policies_fail_the_preview_and_are_in_the_note(
    pipeline: Pipeline, gitlab: GitLabServer, change: Callable[..., None]
) -> None:
    change(None, [*VIOLATIONS.values()])
    # On real sites no policy is off: here nothing is protected.
    everything = pipeline.lab.lab.home / "every-policy.json"
    everything.write_text("{}")
    pipeline.run("preview", 1, PULUMI_OPTION_POLICY_PACK_CONFIG=str(everything))
    pipeline.run("note")
    text = gitlab.notes[0]["body"]
    assert [name for name in (*VIOLATIONS, "stateful-protected") if f"[mandatory]  {name}  (" not in text] == [], text


def test_all_that_holds_state_is_protected_on_a_real_site(pipeline: Pipeline) -> None:
    """The lab's settings switch `protection` off, and with it the policy: here both are on."""
    folder = pipeline.lab.lab.home / "protected"
    folder.mkdir(exist_ok=True)
    everything, real = folder / "every-policy.json", folder / f"Pulumi.{SITE}.yaml"
    everything.write_text("{}")
    values = yaml.safe_load(pipeline.lab.site(SITE).stack_file.read_text())
    values["config"]["oss-nextgen:protection"] = True
    # With copies of the parents' zones, which need no protection.
    values["config"]["oss-nextgen:services"]["dnsParent"] = str(pipeline.lab.site("paris").dns_address)
    real.write_text(yaml.safe_dump(values))
    policies = {"PULUMI_OPTION_POLICY_PACK_CONFIG": str(everything), "PULUMI_OPTION_CONFIG_FILE": str(real)}
    log = pipeline.run("preview", 0, **policies)
    assert "+ protection: true" in log
    assert "create copy of the zone ef-fr.dev" in log


def test_drift_is_reported_and_nothing_is_written(
    pipeline: Pipeline, gitlab: GitLabServer, change: Callable[..., None]
) -> None:
    proxmox, machine = ProxmoxSite(pipeline.lab, SITE), "/nodes/pve-tls-1/qemu/3201/config"
    state = pipeline.lab.shell(SITE, "pulumi stack export").stdout
    proxmox.call("POST", machine, cores=6)
    change(None, BUMP)

    with by_hand.changed(pipeline.lab, SITE, f"home.{ZONE}.", "192.0.2.9") as key:
        pipeline.run("drift", 3)

    (issue,) = gitlab.issues
    assert issue["title"] == f"Drift: {SITE}"
    home = f"home.{ZONE}. A: 3600 "
    for said in (
        "## What is there differs from the state",
        f"<summary>{SITE}: 3 to update</summary>",
        "`differs VM toulouse-workers-1`\n```diff\n- cpu.cores: 4\n+ cpu.cores: 6\n```",
        f"`differs zone {ZONE}`\n```diff\n- {home}{pipeline.lab.site(SITE).ingress_address}\n+ {home}192.0.2.9\n```",
        "`differs transfer key oss-nextgen-transfer`",
        "## What was merged is not brought about",
        "`update release homepage`",
    ):
        assert said in issue["description"], issue["description"]
    assert key not in issue["description"]
    assert pipeline.lab.shell(SITE, "pulumi stack export").stdout == state
    proxmox.call("POST", machine, cores=4)


@contextmanager
def in_a_new_clone(lab: LabUnderTest) -> Iterator[None]:
    """Each job of a pipeline has one: what is not committed is not there."""
    file = lab.site(SITE).kubeconfig
    aside = file.rename(file.with_suffix(".aside"))
    try:
        yield
    finally:
        aside.replace(file)


def test_the_issue_is_closed_once_the_drift_is_gone(pipeline: Pipeline, gitlab: GitLabServer) -> None:
    with in_a_new_clone(pipeline.lab):
        assert "no drift" in pipeline.run("drift")
    assert [issue["state"] for issue in gitlab.issues] == ["closed"]


def test_checks_that_pass_are_no_news(pipeline: Pipeline, gitlab: GitLabServer) -> None:
    log = pipeline.run("verify")
    assert f"the issue about failed checks of {SITE}: not needed" in log
    assert not [issue for issue in gitlab.issues if issue["title"].startswith("Verify")]


def test_a_renewal_waits_for_what_else_would_change(pipeline: Pipeline, change: Callable[..., None]) -> None:
    _suggest_renewal(pipeline.lab)
    change(None, BUMP)
    log = pipeline.run("renewal", 3)
    assert f"{ZONE}, *.{ZONE} should be renewed, but the run would also change release homepage" in log


DUE = ("components/kubernetes/kubeconfig.py", "min(RENEWAL, (end - begin) / 2)", "end - begin")
"""The administrator's kubeconfig is due from its first day on."""


def test_a_renewal_renews(pipeline: Pipeline, change: Callable[..., None]) -> None:
    before = pipeline.lab.outputs(SITE)["certificates"]
    identity = f"kubectl get secret -n nginx-ingress {ZONE.replace('.', '-')}-tls -o jsonpath={{.metadata.uid}}"
    secret = pipeline.lab.shell(SITE, identity).stdout
    change(None, [DUE])
    with in_a_new_clone(pipeline.lab):
        log = pipeline.run("renewal")
    assert f"renewed 1: {ZONE}, *.{ZONE}" in log
    assert f"left to the next run of a person: kubeconfig {SITE}" in log
    assert "cluster.yml: " not in log  # no playbook has run
    after = pipeline.lab.outputs(SITE)["certificates"]
    assert [zone for zone in before if before[zone] != after[zone]] == [ZONE]
    # Updated in place: HTTPS was never without a certificate.
    assert pipeline.lab.shell(SITE, identity).stdout == secret != ""
    assert "no certificate is due" in pipeline.run("renewal")


def _suggest_renewal(lab: LabUnderTest) -> None:
    """Have the authority ask for a renewal of one certificate (RFC 9773)."""
    leaf = lab.outputs(SITE)["certificates"][ZONE]["chain"].partition("-----END CERTIFICATE-----")
    window = {"suggestedWindow": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}}
    answer = requests.post(
        f"https://{network.acme(lab.lab).address}:{MANAGEMENT_PORT}/set-renewal-info/",
        json={"certificate": f"{leaf[0]}{leaf[1]}\n", "ariResponse": json.dumps(window)},
        verify=str(lab.lab.home / "ca-bundle.pem"),
        timeout=10,
    )
    answer.raise_for_status()


def test_an_update_plan_can_be_kept_to(pipeline: Pipeline) -> None:
    plans = {"OSS_NEXTGEN_UPDATE_PLANS": "true", "PULUMI_EXPERIMENTAL": "true"}
    pipeline.run("preview", 0, **plans)
    assert (pipeline.previews / f"{SITE}.plan").exists()
    pipeline.run("up toulouse", 0, CI_MERGE_REQUEST_IID="", **plans)


def test_a_secret_that_a_run_makes_is_not_in_its_log(pipeline: Pipeline, change: Callable[..., None]) -> None:
    change(None, [("__main__.py", "# Nor is", f"{FRESH}# Nor is")])
    pipeline.run("preview")
    assert "made [secret]" in pipeline.run("up toulouse", 0, CI_MERGE_REQUEST_IID="")


def test_no_secret_is_in_notes_artifacts_and_logs(pipeline: Pipeline, gitlab: GitLabServer) -> None:
    pipeline.run("state")
    folders = (pipeline.previews, pipeline.lab.repository / "states")
    texts = {str(path): path.read_text() for folder in folders for path in folder.rglob("*") if path.is_file()}
    texts |= {f"log {number}": log for number, log in enumerate(pipeline.logs)}
    texts |= {f"note {note['id']}": note["body"] for note in gitlab.notes}
    texts |= {issue["title"]: issue["description"] for issue in gitlab.issues}
    assert f"{pipeline.previews}/{SITE}.json" in texts
    assert f"{pipeline.previews}/{SITE}.plan" in texts
    assert f"{pipeline.lab.repository}/states/{SITE}.json" in texts
    secrets = secrets_of(pipeline.lab, SITE)
    assert "leak password" in secrets
    assert [(name, place) for name, value in secrets.items() for place, text in texts.items() if value in text] == []
