"""What a change of the inputs runs, and what is refused."""

from typing import Any

import pytest
from pulumi.output import UNKNOWN

from components import ansible
from components.kubernetes import changes, provider, runner
from components.kubernetes.provider import ClusterError, KubesprayClusterProvider

COMMIT = "1" * 40
GROUP_VARS = ansible.digest(runner.GROUP_VARS)


def node(name: str, address: Any, role: str = "worker") -> dict[str, Any]:
    return {"name": name, "address": address, "role": role}


def zoned(node: dict[str, Any], zone: str) -> dict[str, Any]:
    return {**node, "zone": zone}


MASTER, WORKER = node("m-1", "10.0.0.1", "control-plane"), node("w-1", "10.0.0.2")


def cluster(**changed: Any) -> dict[str, Any]:
    return {
        "site": "paris",
        "nodes": [MASTER, WORKER],
        "apiServer": "10.0.0.10",
        "version": "1.35.4",
        "podCidr": "10.233.64.0/18",
        "serviceCidr": "10.233.0.0/18",
        "registryMirror": "",
        "kubespray": {"repository": "https://example.org/kubespray.git", "version": "v2.31.0", "commit": COMMIT},
        "groupVars": GROUP_VARS,
        "user": "ossng",
        "sshPort": 22.0,
        "privateKey": "key",
        **changed,
    }


def release(**changed: Any) -> dict[str, Any]:
    return cluster(kubespray={**cluster()["kubespray"], **changed})


STATE = cluster(playbook="cluster.yml: m-1, w-1")
MASTERS = [MASTER, node("m-2", "10.0.0.12", "control-plane"), node("m-3", "10.0.0.13", "control-plane")]
THREE = cluster(nodes=[*MASTERS, WORKER], playbook="cluster.yml")

Inputs = dict[str, Any]


def version(old: str, new: str) -> tuple[Inputs, Inputs]:
    return cluster(version=old), cluster(version=new)


def tag(old: str, new: str) -> tuple[Inputs, Inputs]:
    return release(version=old), release(version=new)


REFUSED: dict[str, tuple[tuple[Inputs, Inputs], str]] = {
    "api-server": (
        (STATE, cluster(apiServer="10.0.0.11")),
        (
            "kubernetes.apiServer is 10.0.0.10 and cannot become 10.0.0.11: the virtual address is in every "
            "certificate. Restore it, or build the site anew."
        ),
    ),
    "pod-cidr": (
        (STATE, cluster(podCidr="10.1.0.0/16")),
        (
            "kubernetes.podCidr is 10.233.64.0/18 and cannot become 10.1.0.0/16: pods have addresses from it. "
            "Restore it, or build the site anew."
        ),
    ),
    "service-cidr": (
        (STATE, cluster(serviceCidr="10.1.0.0/16")),
        (
            "kubernetes.serviceCidr is 10.233.0.0/18 and cannot become 10.1.0.0/16: services have addresses from it. "
            "Restore it, or build the site anew."
        ),
    ),
    "skipped-minor": (
        version("1.33.5", "1.35.4"),
        (
            "kubernetes.version is 1.33.5 and cannot become 1.35.4: Kubernetes upgrades one minor version at a time. "
            "Go to 1.34.7 first."
        ),
    ),
    "downgrade": (
        version("1.35.4", "1.34.7"),
        (
            "kubernetes.version is 1.35.4 and cannot become 1.34.7: a control plane does not go back. "
            "Restore 1.35.4, or build the site anew."
        ),
    ),
    "patch-downgrade": (
        version("1.35.4", "1.35.3"),
        (
            "kubernetes.version is 1.35.4 and cannot become 1.35.3: a control plane does not go back. "
            "Restore 1.35.4, or build the site anew."
        ),
    ),
    "skipped-tag": (
        tag("v2.29.0", "v2.31.0"),
        (
            "kubernetes.kubespray.version is v2.29.0 and cannot become v2.31.0: Kubespray upgrades one release "
            "after the other. Go to v2.30.0 first, with the version of this program that is written for it."
        ),
    ),
    "several-skipped-tags": (
        tag("v2.27.0", "v2.31.0"),
        (
            "kubernetes.kubespray.version is v2.27.0 and cannot become v2.31.0: Kubespray upgrades one release "
            "after the other. Go to v2.28.1 first, with the version of this program that is written for it."
        ),
    ),
    "release-downgrade": (
        tag("v2.31.0", "v2.30.0"),
        (
            "kubernetes.kubespray.version is v2.31.0 and cannot become v2.30.0: a cluster does not go back. "
            "Restore v2.31.0, or build the site anew."
        ),
    ),
    "members-and-release": (
        (release(version="v2.30.0"), cluster(nodes=[MASTER, WORKER, node("w-2", UNKNOWN)])),
        (
            "w-2 cannot join or leave in the run that upgrades Kubespray to v2.31.0: members change by the release "
            "that the cluster has, which needs an Ansible of its own. Restore the pools, upgrade, then change them."
        ),
    ),
    "first-control-plane-node": (
        (THREE, cluster(nodes=[*MASTERS[1:], WORKER])),
        (
            "m-1 is gone from the pools, but is the cluster's first control-plane node, which Kubespray cannot remove. "
            "Restore its pool, or build the site anew."
        ),
    ),
    "another-first-node": (
        (STATE, cluster(nodes=[*MASTERS[1:], MASTER, WORKER])),
        (
            "m-2 would be the first control-plane node, and m-1 is: Kubespray can only add nodes behind it. "
            "Put the pool of m-1 before the others."
        ),
    ),
    "replaced-control-plane": (
        (THREE, cluster(nodes=[*MASTERS[:2], node("n-1", UNKNOWN, "control-plane"), WORKER])),
        (
            "m-3 cannot leave the control plane in the run in which n-1 join it: etcd would have an even number of "
            "members meanwhile. Let them join first, then take nodes away."
        ),
    ),
    "role": (
        (STATE, cluster(nodes=[MASTER, node("w-1", "10.0.0.2", "storage")])),
        "w-1 is a worker and cannot become a storage: restore the pool's role.",
    ),
    "address": (
        (STATE, cluster(nodes=[MASTER, node("w-1", "10.0.0.9")])),
        (
            "w-1 had the address 10.0.0.2 and now has 10.0.0.9: Kubernetes nodes cannot be re-addressed. Reserve the "
            "former address for its MAC address in DHCP, restart the VM, run `pulumi refresh`, then `pulumi up`."
        ),
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_no_playbook_can_do_is_refused_in_the_preview(rule: str) -> None:
    (olds, news), reason = REFUSED[rule]
    (failure,) = KubesprayClusterProvider().check(olds, news).failures
    assert failure.reason == reason


def test_all_refusals_come_at_once() -> None:
    news = cluster(version="1.34.7", podCidr="10.1.0.0/16", nodes=[node("w-1", "10.0.0.9")])
    assert len(KubesprayClusterProvider().check(STATE, news).failures) == 4


def test_an_address_that_only_the_update_knows_stops_it_before_ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the preview the machine was being replaced, and its address unknown."""
    monkeypatch.setattr(provider, "_run", lambda *_: pytest.fail("a playbook was run"))
    subject = KubesprayClusterProvider()
    assert not subject.check(STATE, cluster(nodes=[MASTER, node("w-1", UNKNOWN)])).failures
    news = cluster(nodes=[MASTER, node("w-1", "10.0.0.9")], playbook="")
    with pytest.raises(ClusterError, match=r"w-1 had the address 10\.0\.0\.2 and now has 10\.0\.0\.9: .*Reserve"):
        subject.update("paris", {**STATE, "kubeconfig": "kept"}, news)


W2, W3 = node("w-2", "10.0.0.3"), node("w-3", "10.0.0.4")
SAID: dict[str, tuple[Inputs, Inputs, str]] = {
    "workers-join": (STATE, cluster(nodes=[MASTER, WORKER, W2, W3]), "scale.yml: + w-2, + w-3"),
    "address-unknown": (STATE, cluster(nodes=[MASTER, WORKER, node("w-2", UNKNOWN)]), "scale.yml: + w-2"),
    "a-worker-goes": (cluster(nodes=[MASTER, WORKER, W2]), cluster(), "remove-node.yml: - w-2"),
    "one-comes-one-goes": (
        cluster(nodes=[MASTER, WORKER, W2]),
        cluster(nodes=[MASTER, WORKER, W3]),
        "scale.yml: + w-3; remove-node.yml: - w-2",
    ),
    "control-plane-joins": (STATE, cluster(nodes=[*MASTERS, WORKER, W2]), "cluster.yml: + m-2, + m-3, + w-2"),
    "control-plane-goes": (THREE, cluster(), "remove-node.yml: - m-2, - m-3; cluster.yml: etcd members"),
    "kubernetes": (cluster(version="1.34.7"), cluster(), "upgrade-cluster.yml: Kubernetes 1.34.7 to 1.35.4"),
    "kubespray": (
        release(version="v2.30.0"),
        release(commit="2" * 40),
        "upgrade-cluster.yml: Kubespray v2.30.0 to v2.31.0",
    ),
    "mirror": (
        STATE,
        cluster(registryMirror="registry.example:5000"),
        "cluster.yml: images from registry.example:5000",
    ),
    "no-mirror": (cluster(registryMirror="registry.example"), STATE, "cluster.yml: images from the public registries"),
    "commit": (STATE, release(commit="2" * 40), "cluster.yml: Kubespray 222222222222"),
    "group-vars": (cluster(groupVars="former"), cluster(), f"cluster.yml: group_vars {GROUP_VARS}"),
    "a-state-of-before-group-vars-were-looked-at": (
        {key: value for key, value in STATE.items() if key != "groupVars"},
        cluster(),
        f"cluster.yml: group_vars {GROUP_VARS}",
    ),
    "a-machine-was-moved": (
        cluster(nodes=[zoned(MASTER, "pve1"), zoned(WORKER, "pve1")]),
        cluster(nodes=[zoned(MASTER, "pve1"), zoned(WORKER, "pve2")]),
        "cluster.yml: w-1 on pve2",
    ),
    "a-state-of-before-zones": (
        STATE,
        cluster(nodes=[zoned(MASTER, "pve1"), zoned(WORKER, "pve2")]),
        "cluster.yml: m-1 on pve1, w-1 on pve2",
    ),
    "one-that-joins-is-labelled-then": (
        cluster(nodes=[zoned(MASTER, "pve1"), zoned(WORKER, "pve1")]),
        cluster(nodes=[zoned(MASTER, "pve1"), zoned(WORKER, "pve1"), zoned(W2, "pve2")]),
        "scale.yml: + w-2",
    ),
    "kubernetes-and-group-vars": (
        cluster(version="1.34.7", groupVars="former"),
        release(commit="2" * 40),
        f"upgrade-cluster.yml: Kubernetes 1.34.7 to 1.35.4, Kubespray 222222222222, group_vars {GROUP_VARS}",
    ),
    "everything": (
        cluster(nodes=[MASTER, WORKER, W2], version="1.34.7"),
        cluster(nodes=[MASTER, WORKER, W3]),
        "scale.yml: + w-3; remove-node.yml: - w-2; upgrade-cluster.yml: Kubernetes 1.34.7 to 1.35.4",
    ),
}


@pytest.mark.parametrize("change", SAID)
def test_a_preview_says_what_will_run(change: str) -> None:
    olds, news, text = SAID[change]
    subject = KubesprayClusterProvider()
    result = subject.check(olds, news)
    assert not result.failures
    assert result.inputs["playbook"] == text
    assert subject.diff("paris", {**olds, "kubeconfig": "k"}, result.inputs).changes


def test_the_first_preview_names_the_machines_before_their_addresses_are_known() -> None:
    news = cluster(nodes=[node("m-1", UNKNOWN, "control-plane"), node("w-1", UNKNOWN)], privateKey=UNKNOWN)
    assert KubesprayClusterProvider().check({}, news).inputs["playbook"] == "cluster.yml: m-1, w-1"


def test_the_text_stays_while_nothing_changes() -> None:
    subject = KubesprayClusterProvider()
    result = subject.check(STATE, cluster())
    assert result.inputs["playbook"] == STATE["playbook"]
    diff = subject.diff("paris", {**STATE, "kubeconfig": "k"}, result.inputs)
    assert not diff.changes
    assert not diff.replaces


@pytest.mark.parametrize(
    "news",
    [cluster(privateKey="new"), cluster(user="root"), cluster(sshPort=2222.0), release(repository="/srv/mirror.git")],
)
def test_how_machines_are_reached_is_recorded_and_runs_nothing(
    news: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_run", lambda *_: pytest.fail("a playbook was run"))
    subject, state = KubesprayClusterProvider(), {**STATE, "kubeconfig": "kept", "recap": "cluster.yml"}
    inputs = subject.check(STATE, news).inputs
    assert subject.diff("paris", state, inputs).changes
    assert subject.update("paris", state, inputs).outs == {**inputs, "kubeconfig": "kept", "recap": "cluster.yml"}


def test_an_address_that_a_preview_does_not_know_is_not_refused() -> None:
    news = cluster(nodes=[MASTER, node("w-1", UNKNOWN)])
    assert changes.refusals(STATE, news) == []


def test_another_site_is_another_cluster() -> None:
    news = {**STATE, "site": "lille"}
    assert KubesprayClusterProvider().diff("paris", STATE, news).replaces == ["site"]


def test_the_same_once_more_is_a_change_that_shows() -> None:
    """A worker that was added, went, and comes back: nothing else of the input would differ."""
    grown, added = cluster(nodes=[*MASTERS, WORKER, W2]), "scale.yml: + w-2"
    texts = [added]
    for _ in range(2):
        last = cluster(nodes=[*MASTERS, WORKER], playbook=texts[-1])
        texts.append(KubesprayClusterProvider().check(last, grown).inputs["playbook"])
    assert texts == [added, f"{added} (again)", added]
