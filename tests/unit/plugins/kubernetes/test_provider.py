"""The provider's configuration: kubeconfigs, refused options, what replaces the provider."""

from __future__ import annotations

import base64
import ssl
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml

from lab.authority import Authority
from lab.plugins.base import UNKNOWN, Props, ResourceError
from lab.plugins.kubernetes import PLUGIN
from lab.plugins.kubernetes.kubeconfig import Kubeconfig, KubeconfigError
from tests.unit.plugins.kubernetes.engine import Engine


def text_of(server: str = "https://127.86.0.9:6443", **user: object) -> str:
    return yaml.safe_dump(
        {
            "current-context": "one",
            "clusters": [
                {"name": "c", "cluster": {"server": server}},
                {"name": "d", "cluster": {"server": "https://d"}},
            ],
            "users": [{"name": "u", "user": user or {"token": "t0ken"}}],
            "contexts": [
                {"name": "one", "context": {"cluster": "c", "user": "u"}},
                {"name": "two", "context": {"cluster": "d", "user": "u", "namespace": "shop"}},
            ],
        }
    )


def test_context_cluster_and_namespace(tmp_path: Path) -> None:
    assert Kubeconfig.load(text_of()).namespace == "default"
    file = tmp_path / "config"
    file.write_text(text_of())
    two = Kubeconfig.load(str(file), "two")
    assert (two.server, two.namespace, two.headers) == ("https://d", "shop", {"Authorization": "Bearer t0ken"})
    assert Kubeconfig.load(text_of(), cluster="d").server == "https://d"


@pytest.mark.parametrize(
    ("source", "context", "message"),
    [
        ("/nowhere/config", "", "/nowhere/config"),
        ("a: b: c\n", "", "not valid YAML"),
        ("a: b\n", "", "holds no clusters"),
        (text_of(), "three", "no context named 'three' .it has: one, two."),
        (text_of(server="nonsense"), "", "no server URL"),
        (text_of(exec={"command": "login"}), "", "'exec', which the lab does not model"),
    ],
)
def test_unusable_kubeconfigs(source: str, context: str, message: str) -> None:
    with pytest.raises(KubeconfigError, match=message):
        _use(source, context)


def _use(source: str, context: str) -> None:
    loaded = Kubeconfig.load(source, context)
    assert loaded.server
    assert loaded.headers


def test_certificates_that_do_not_fit(tmp_path: Path) -> None:
    config = Kubeconfig.load(text_of(**{"client-certificate-data": "AAAA", "client-key-data": "AAAA"}))
    with pytest.raises(KubeconfigError, match="do not fit together"):
        assert isinstance(config.tls, ssl.SSLContext)


def test_client_certificate(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue(tmp_path, IPv4Address("127.86.0.9"))
    inline = base64.b64encode(certificate.read_bytes()).decode()
    config = Kubeconfig.load(text_of(**{"client-certificate-data": inline, "client-key": str(key)}))
    assert config.headers == {}
    assert config.tls.verify_mode is ssl.CERT_REQUIRED
    assert Kubeconfig.load(config.dump()).user == config.user


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"clusterIdentifier": "paris"}, {"clusterIdentifier": "paris"}, set()),
        ({"clusterIdentifier": "paris"}, {"clusterIdentifier": "lille"}, {"clusterIdentifier"}),
        ({"clusterIdentifier": "paris"}, {"clusterIdentifier": "paris", "kubeconfig": UNKNOWN}, set()),
        ({"clusterIdentifier": "paris"}, {"clusterIdentifier": "paris", "kubeconfig": text_of("https://b")}, set()),
        ({}, {"kubeconfig": text_of("https://b")}, {"kubeconfig"}),
        ({}, {"kubeconfig": UNKNOWN}, {"kubeconfig"}),
        ({}, {"kubeconfig": text_of(token="renewed")}, set()),
        ({}, {"context": "two"}, {"context"}),
        ({}, {"enablePatchForce": True}, set()),
    ],
)
def test_what_replaces_the_provider(old: Props, new: Props, replaces: set[str]) -> None:
    before = {"kubeconfig": text_of(), **old}
    diff = PLUGIN.diff_config(before, {**before, **new})
    assert {path for path, change in diff.changes.items() if change.replace} == replaces


def test_refused_options() -> None:
    good = {"kubeconfig": UNKNOWN, "clusterIdentifier": "paris", "enableServerSideApply": True}
    assert PLUGIN.check_config(good, None) == (good, [])
    _, failures = PLUGIN.check_config({"renderYamlToDirectory": "out", "enableServerSideApply": False}, None)
    assert {failure.property for failure in failures} == {"renderYamlToDirectory", "enableServerSideApply"}


def test_a_cluster_that_comes_up_later(kubeconfig: str, namespace: str) -> None:
    provider = PLUGIN.configure({"kubeconfig": "/not/there/yet", "namespace": namespace})
    engine = Engine("kubernetes:core/v1:ConfigMap", provider)
    checked = engine.check({"metadata": {"name": "settings"}})
    assert "namespace" not in checked["metadata"]
    engine.call.config = late = PLUGIN.configure({"kubeconfig": kubeconfig, "namespace": namespace})
    id, _ = engine.resource.create(checked, engine.call)
    assert id == f"{namespace}/settings"
    assert late.try_connect()


def test_unreachable_cluster_says_why() -> None:
    provider = PLUGIN.configure({"kubeconfig": text_of("https://127.86.0.9:1")})
    with pytest.raises(ResourceError, match=r"cluster is unreachable: https://127\.86\.0\.9:1 does not answer"):
        provider.connect()
    assert provider.try_connect() is None
