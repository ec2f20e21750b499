"""The administrator's kubeconfig and its local file."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pulumi
import pytest
import yaml

from components.kubernetes import kubeconfig, kubeconfig_file
from components.kubernetes.known_kubeconfig import KnownKubeconfigProvider
from components.kubernetes.kubeconfig import KubeconfigError
from components.kubernetes.kubeconfig_file import KubeconfigFileProvider

PEM = base64.b64encode(b"pem").decode()


def config(server: str = "https://10.0.0.1:6443", **user: str) -> str:
    return yaml.safe_dump(
        {
            "clusters": [
                {"name": "other", "cluster": {"server": "https://other"}},
                {"name": "c", "cluster": {"server": server, "certificate-authority-data": PEM}},
            ],
            "users": [{"name": "u", "user": {"client-certificate-data": PEM, **user}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def test_only_the_current_cluster_gets_the_virtual_address() -> None:
    text = kubeconfig.with_server(config(), "https://10.0.0.10:6443")
    servers = [entry["cluster"]["server"] for entry in yaml.safe_load(text)["clusters"]]
    assert servers == ["https://other", "https://10.0.0.10:6443"]


@pytest.mark.parametrize("text", ["", "[]", "a: b", "{", "current-context: x\ncontexts: []"])
def test_what_is_no_kubeconfig_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(KubeconfigError, match=r"admin\.conf"):
        kubeconfig.with_server(text, "https://10.0.0.10:6443")


def test_a_kubeconfig_that_embeds_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="embeds no key"):
        kubeconfig.wait_ready(config(), tmp_path)


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"https://127\.0\.0\.1:1/readyz does not answer"):
        kubeconfig.wait_ready(config("https://127.0.0.1:1", **{"client-key-data": PEM}), tmp_path, timeout=0)


def test_a_cluster_that_does_not_tell_its_nodes(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="The cluster does not tell its nodes: "):
        kubeconfig.machines(config("https://127.0.0.1:1", **{"client-key-data": PEM}), tmp_path)


class TestKnown:
    """The kubeconfig of the last run."""

    STATE: ClassVar = {"site": "paris", "content": "one"}

    def test_a_preview_goes_by_the_last_one(self) -> None:
        content = (
            KnownKubeconfigProvider().check(self.STATE, {"site": "paris", "content": pulumi.UNKNOWN}).inputs["content"]
        )
        assert content["value"] == "one"
        # As a secret, by the signature that the engine knows one by.
        assert content["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"

    def test_the_first_one_is_unknown_to_a_preview(self) -> None:
        checked = KnownKubeconfigProvider().check({}, {"site": "paris", "content": pulumi.UNKNOWN})
        assert checked.inputs["content"] is pulumi.UNKNOWN

    def test_another_one_is_an_update(self) -> None:
        provider, news = KnownKubeconfigProvider(), {"site": "paris", "content": "two", "__provider": "pickled"}
        assert provider.check(self.STATE, news).inputs == news
        assert provider.diff("paris", self.STATE, news).changes
        assert not provider.diff("paris", self.STATE, {**self.STATE, "__provider": "pickled"}).changes
        assert provider.update("paris", self.STATE, news).outs == {"site": "paris", "content": "two"}


class TestFile:
    PROPS: ClassVar = {"path": ".kube/paris.yaml", "content": "one"}

    @pytest.fixture(autouse=True)
    def clone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(kubeconfig_file, "ROOT", tmp_path)
        return tmp_path

    @pytest.fixture
    def state(self) -> dict[str, Any]:
        outs = KubeconfigFileProvider().create(self.PROPS).outs
        assert outs is not None
        return outs

    def test_it_is_private(self, clone: Path, state: dict[str, Any]) -> None:
        file = clone / ".kube/paris.yaml"
        assert file.read_text() == "one"
        assert file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in file.parent.iterdir()] == ["paris.yaml"]

    def test_an_unchanged_file_is_no_change(self, state: dict[str, Any]) -> None:
        assert KubeconfigFileProvider().diff("id", state, self.PROPS).changes is False

    @pytest.mark.parametrize("harm", [Path.unlink, lambda file: file.write_text("two"), lambda file: file.chmod(0o644)])
    def test_a_file_that_is_not_as_it_was_is_a_change(
        self, harm: Callable[[Path], object], clone: Path, state: dict[str, Any]
    ) -> None:
        harm(clone / ".kube/paris.yaml")
        provider = KubeconfigFileProvider()
        assert provider.diff("id", state, self.PROPS).changes
        provider.update("id", state, self.PROPS)
        assert provider.diff("id", state, self.PROPS).changes is False

    def test_new_content_is_written_and_delete_removes(self, clone: Path, state: dict[str, Any]) -> None:
        provider, news = KubeconfigFileProvider(), {**self.PROPS, "content": "two"}
        assert provider.diff("id", state, news).changes
        provider.update("id", state, news)
        assert (clone / ".kube/paris.yaml").read_text() == "two"
        provider.delete("id", news)
        provider.delete("id", news)
        assert not (clone / ".kube/paris.yaml").exists()

    def test_a_refresh_in_another_clone_keeps_the_state(self, clone: Path, state: dict[str, Any]) -> None:
        (clone / ".kube/paris.yaml").unlink()
        result = KubeconfigFileProvider().read(".kube/paris.yaml", state)
        assert (result.id, result.outs, result.inputs) == (".kube/paris.yaml", state, self.PROPS)
