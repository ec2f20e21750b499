"""How the controllers live with a cluster that comes, goes and changes."""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path

import pytest

from lab.controllers.base import serve
from lab.controllers.client import Cluster, Kind
from lab.controllers.config import Config, ConfigError
from tests.unit.controllers.conftest import WAIT_SECONDS, eventually, serving

CONFIG_MAP = Kind("v1", "ConfigMap")
NOT_SERVED = Kind("example.org/v1", "Nothing")


class Recorder:
    """Follows one ConfigMap; fails at first."""

    name = "recorder"

    def __init__(self) -> None:
        self.seen: queue.Queue[str] = queue.Queue()
        self.runs = 0

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        self.runs += 1
        if self.runs == 1:
            raise ValueError("a bug")
        for view in cluster.follow(stop, CONFIG_MAP, NOT_SERVED):
            item = view.get(CONFIG_MAP, "default", "recorded")
            self.seen.put(item["data"]["word"] if item else "")
            assert view.all(NOT_SERVED) == []
        self.seen.put("end")


def wait_for(recorder: Recorder, word: str) -> None:
    while recorder.seen.get(timeout=WAIT_SECONDS) != word:
        pass


def test_controllers_follow_the_cluster(
    config: Config, admin: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "kubeconfig"
    text = config.kubeconfig.read_text()
    recorder = Recorder()
    with caplog.at_level(logging.INFO, "lab"), serving(config.model_copy(update={"kubeconfig": file}), [recorder]):
        file.write_text(text[: len(text) // 2])
        file.write_text(text)
        admin.create(CONFIG_MAP, {"metadata": {"name": "recorded", "namespace": "default"}, "data": {"word": "one"}})
        wait_for(recorder, "one")
        item = admin.api.get("/api/v1/namespaces/default/configmaps/recorded")
        admin.patch(CONFIG_MAP, item, {"data": {"word": "two"}})
        wait_for(recorder, "two")
        file.unlink()
        admin.delete(CONFIG_MAP, item)
        wait_for(recorder, "")  # the file is gone, the cluster is not: work goes on
        file.write_text(f"{text}# another cluster\n")
        wait_for(recorder, "end")
        eventually(lambda: recorder.runs == 3, "it runs on the other cluster")
    assert "recorder failed; it starts again" in caplog.text
    wait_for(recorder, "end")


def test_without_a_cluster_it_waits_and_ends(config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    stop = threading.Event()
    nowhere = config.model_copy(update={"kubeconfig": tmp_path / "none"})
    thread = threading.Thread(target=serve, args=(nowhere, [recorder], stop))
    thread.start()
    eventually(config.state.exists, "it has started")
    stop.set()
    thread.join(timeout=WAIT_SECONDS)
    assert not thread.is_alive()
    assert not recorder.runs
    assert not caplog.text


def test_configuration_errors_name_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "controllers.json"
    with pytest.raises(ConfigError, match="No such file"):
        Config.read(file)
    file.write_text('{"site": "paris", "dns": {"address": "here"}}')
    with pytest.raises(ConfigError) as error:
        Config.read(file)
    assert f"{file}: dns.address: Input is not a valid IPv4 address" in str(error.value)
    assert f"{file}: kubeconfig: Field required" in str(error.value)
