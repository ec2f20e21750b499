"""Versions that a failed run was to bring, and that cannot be taken back."""

import pytest

from components.ansible import PlaybookError
from components.kubernetes import provider, upgrades
from components.kubernetes.provider import ClusterError, KubesprayClusterProvider
from tests.unit.kubernetes.test_changes import cluster
from tests.unit.kubernetes.test_members import M1, W1, Inputs, Site, said


def pair(kubespray: str, version: str) -> Inputs:
    return {"kubespray": kubespray, "version": version}


def taken_back(setting: str, tried: str, new: str) -> str:
    return (
        f"{setting} was {tried} in a run that has not succeeded, and cannot become {new}: machines may have {tried} "
        f"already, and a cluster does not go back. Restore {tried} and run again, or build the site anew."
    )


def test_an_upgrade_that_failed_is_not_taken_back() -> None:
    site = Site()
    site.run(M1, W1, version="1.34.7")
    (upgrade,) = site.run(M1, W1, succeeds=False)
    assert upgrade.playbook == "upgrade-cluster.yml"

    assert site.refused(M1, W1, version="1.34.7") == [taken_back("kubernetes.version", "1.35.4", "1.34.7")]

    assert said(site.run(M1, W1)) == ["upgrade-cluster.yml: Kubernetes 1.34.7 to 1.35.4"]
    assert site.refused(M1, W1) == []
    assert not site.changes(site.preview(M1, W1))


V30, V31, V29 = "v2.30.0", "v2.31.0", "v2.29.1"
BEGUN: dict[str, tuple[Inputs, Inputs, list[tuple[str, str]], list[str]]] = {
    "the-same-again": (pair(V31, "1.34.7"), pair(V31, "1.35.4"), [(V31, "1.34.7"), (V31, "1.35.4")], []),
    "a-later-patch": (pair(V31, "1.34.7"), pair(V31, "1.35.4"), [(V31, "1.34.7"), (V31, "1.35.3")], []),
    "an-earlier-patch": (
        pair(V31, "1.34.7"),
        pair(V31, "1.35.3"),
        [(V31, "1.34.7"), (V31, "1.35.4")],
        [taken_back("kubernetes.version", "1.35.4", "1.35.3")],
    ),
    "a-release": (
        pair(V30, "1.34.7"),
        pair(V30, "1.34.7"),
        [(V30, "1.34.7"), (V31, "1.34.7")],
        [taken_back("kubernetes.kubespray.version", V31, V30)],
    ),
    # It was refused, and no run began with it.
    "a-skipped-minor": (pair(V31, "1.33.5"), pair(V31, "1.33.5"), [(V31, "1.33.5"), (V31, "1.35.4")], []),
    "a-skipped-release": (pair(V29, "1.33.5"), pair(V29, "1.33.5"), [(V29, "1.33.5"), (V31, "1.33.5")], []),
    "long-ago": (pair(V31, "1.35.4"), pair(V31, "1.35.4"), [(V31, "1.34.7"), (V31, "1.35.4")], []),
    "the-first-run": (
        {},
        pair(V31, "1.34.7"),
        [(V31, "1.35.4"), (V31, "1.34.7")],
        [taken_back("kubernetes.version", "1.35.4", "1.34.7")],
    ),
}


@pytest.mark.parametrize("case", BEGUN)
def test_what_was_begun_with(case: str) -> None:
    olds, news, begun, refused = BEGUN[case]
    assert [*upgrades.begun_refusals(olds, news, [pair(*one) for one in begun])] == refused


def test_a_first_run_finds_out_that_a_later_version_was_begun_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the preview that was unknown: machines were added as well."""
    monkeypatch.setattr(provider, "_run", lambda *_: pytest.fail("a playbook was run"))
    props = cluster(version="1.34.7", begun=[pair(V31, "1.35.4"), pair(V31, "1.34.7")], playbook="")
    with pytest.raises(ClusterError, match=r"stays as it is:\nkubernetes\.version was 1\.35\.4"):
        KubesprayClusterProvider().create(props)


@pytest.mark.parametrize(
    ("former", "advice"),
    [
        (cluster(nodes=[M1]), "run again, or take the change back: what has joined is removed then."),
        (cluster(nodes=[M1], version="1.34.7"), "run again: an upgrade is not taken back."),
    ],
)
def test_what_to_do_about_a_run_that_failed(former: Inputs, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> tuple[str, str]:
        raise PlaybookError("scale.yml failed")

    monkeypatch.setattr(provider, "_run", run)
    with pytest.raises(ClusterError) as error:
        KubesprayClusterProvider().update("paris", former, cluster(nodes=[M1, W1]))
    assert str(error.value).endswith(f"scale.yml failed\nMend it and {advice}")
