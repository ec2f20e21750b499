"""The lab's plugins attached to the real engine, with a small program of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.project import Project, running_plugins

LIFE = """
import pulumi
import pulumi_command as command
import pulumi_random as random
import pulumi_tls as tls

config = pulumi.Config()
password = random.RandomPassword("password", length=24, keepers={"generation": config.require("generation")})
key = tls.PrivateKey("key", algorithm="ED25519")
log = config.require("log")
write = command.local.Command(
    "write",
    create=f"echo created >> {log}; echo $PASSWORD",
    update=f"echo updated from $PULUMI_COMMAND_STDERR >> {log}; echo $PASSWORD",
    delete=f"echo deleted >> {log}",
    environment={"PASSWORD": password.result, "LEVEL": config.require("level")},
    triggers=[key.public_key_openssh],
)
adopted = random.RandomString(
    "adopted", length=7, opts=pulumi.ResourceOptions(import_="adopted" if config.get_bool("import") else None)
)
pulumi.export("password", password.result)
pulumi.export("hash", password.bcrypt_hash)
pulumi.export("privateKey", key.private_key_openssh)
pulumi.export("publicKey", key.public_key_openssh)
pulumi.export("stdout", write.stdout)
pulumi.export("adopted", adopted.result)
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Value of PULUMI_DEBUG_PROVIDERS."""
    with running_plugins(tmp_path_factory.mktemp("plugins"), "random,tls,command") as attached:
        yield attached


@pytest.fixture
def project(tmp_path: Path, plugins: str) -> Project:
    return Project(tmp_path, plugins)


def test_life_of_a_stack(project: Project) -> None:
    log = project.folder / "log"
    project.write(LIFE)
    project.configure(log=str(log), generation="1", level="1", **{"import": "true"})

    preview = project.pulumi("preview")
    assert "random:index:RandomString adopted import" in preview
    assert "command:local:Command write create" in preview
    assert not log.exists()

    project.pulumi("up", "--yes")
    first = project.outputs()
    assert first["stdout"] == first["password"]
    assert first["adopted"] == "adopted"
    assert log.read_text() == "created\n"
    for secret in ("password", "hash", "privateKey"):
        assert first[secret].splitlines()[-2 if secret == "privateKey" else 0] not in project.state
    assert first["publicKey"].strip() in project.state

    project.pulumi("up", "--yes", "--expect-no-changes")
    project.pulumi("refresh", "--yes")
    project.pulumi("preview", "--expect-no-changes")

    project.configure(level="2")
    assert "command:local:Command write update" in project.pulumi("preview")
    project.pulumi("up", "--yes")
    assert log.read_text() == "created\nupdated from\n"

    project.configure(generation="2")
    changed = project.pulumi("up", "--yes")
    assert "random:index:RandomPassword password replaced" in changed
    second = project.outputs()
    assert second["password"] != first["password"]
    assert second["stdout"] == second["password"]
    assert second["privateKey"] == first["privateKey"]
    assert first["password"] not in changed
    assert second["password"] not in changed

    project.pulumi("destroy", "--yes")
    assert log.read_text().endswith("deleted\n")
    assert "resources" not in json.loads(project.state)["checkpoint"]["latest"]


def test_failure_is_shown_without_the_secrets_of_the_command(project: Project) -> None:
    project.write(
        "import pulumi, pulumi_command as command\n"
        "secret = pulumi.Output.secret('hunter2')\n"
        "command.local.Command('fail', create=secret.apply(lambda s: f'echo {s} is wrong >&2; exit 3'), stdin=secret)\n"
    )
    shown = project.pulumi("up", "--yes", code=1)
    assert "exit status 3: running" in shown
    assert "[secret] is wrong" in shown
    assert "hunter2" not in shown


def test_a_refused_secret_does_not_show(project: Project) -> None:
    project.write(
        "import pulumi, pulumi_tls as tls\ntls.PrivateKey('key', algorithm=pulumi.Output.secret('hunter2'))\n"
    )
    shown = project.pulumi("preview", code=1)
    assert "algorithm: must be one of RSA, ECDSA, ED25519" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("program", "message"),
    [
        pytest.param(
            "import pulumi_random as random\nrandom.RandomPet('pet')",
            "the lab's random plugin does not model random:index/randomPet:RandomPet",
            id="type",
        ),
        pytest.param(
            "import pulumi_command as command\ncommand.local.Command('c', create='x', asset_paths=['*'])",
            "not an input that the lab models of command:local:Command",
            id="input",
        ),
        pytest.param(
            "import pulumi_random as random\nrandom.RandomPassword('p', length=2, min_upper=3)",
            "must be at least 3",
            id="value",
        ),
    ],
)
def test_refusals_come_with_the_preview(program: str, message: str, project: Project) -> None:
    project.write(program)
    assert message in project.pulumi("preview", code=1)
