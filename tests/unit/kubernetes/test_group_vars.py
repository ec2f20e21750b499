"""A change of `kubespray/group_vars` is a change of the cluster."""

from pathlib import Path

import pytest

from components import ansible
from components.kubernetes import plan, provider, runner
from components.kubernetes.provider import ClusterError, KubesprayClusterProvider
from tests.unit.kubernetes.test_changes import STATE, cluster


def test_it_is_run_for_until_that_has_succeeded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[str] = []

    def run(run: plan.Run, *_: object) -> tuple[str, str]:
        ran.append(f"{run.playbook}: {run.why}")
        if len(ran) == 1:
            raise ansible.PlaybookError("cluster.yml failed")
        return "another", "recap"

    monkeypatch.setattr(runner, "GROUP_VARS", tmp_path)
    monkeypatch.setattr(provider, "_run", run)
    subject = KubesprayClusterProvider()
    former = {**STATE, "groupVars": ansible.digest(tmp_path), "kubeconfig": "kept", "recap": "cluster.yml"}
    assert not subject.diff("paris", former, subject.check(former, cluster()).inputs).changes

    (tmp_path / "all.yml").write_text("metrics_server_enabled: false\n")
    news = subject.check(former, cluster()).inputs
    assert subject.diff("paris", former, news).changes
    with pytest.raises(ClusterError):
        subject.update("paris", former, news)
    # The engine has saved nothing of it.
    assert subject.check(former, cluster()).inputs == news
    done = subject.update("paris", former, news).outs

    assert ran == [f"cluster.yml: group_vars {ansible.digest(tmp_path)}"] * 2
    assert done is not None
    assert not subject.diff("paris", done, subject.check(done, cluster()).inputs).changes
