"""GoldenImage under mocks: which templates it declares, from what, and what pools are cloned from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pulumi
import pulumi_proxmoxve as proxmoxve
import pytest

from components.images import GoldenImage, GoldenImageArgs, recipe
from settings import Image, Settings
from tests.component.mocks import Agreeing

Test = TypeVar("Test", bound=Callable[..., pulumi.Output[None]])
runtime_test: Callable[[Test], Test] = pulumi.runtime.test  # the SDK leaves it untyped
SITE = Settings.read(Path(__file__).resolve().parents[2] / "Pulumi.toulouse.yaml")
OLD, OLDER = "toulouse-debian-12-000000000001", "toulouse-debian-12-000000000002"
CLOUD = {
    "source": "cloud-image",
    "cloud_image": {"url": "https://images.example.org/debian-12.qcow2", "sha256": "0" * 64},
}


class Mocks(Agreeing):
    def __init__(self) -> None:
        self.templates: dict[str, dict[str, Any]] = {}
        self.files: list[dict[str, Any]] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == "proxmoxve:download/file:File":
            self.files.append(args.inputs)
            return f"{args.inputs['datastoreId']}:{args.inputs['contentType']}/{args.inputs['fileName']}", args.inputs
        if args.typ == "pulumi-python:dynamic/images:Template":
            self.templates[args.name] = args.inputs
            return args.name, {**args.inputs, "vmId": len(self.templates), "node": "pve-tls-1"}
        return super().new_resource(args)


@pytest.fixture
def mocks() -> Mocks:
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="toulouse", preview=False)
    return mocks


def make(image: dict[str, Any], pins: tuple[str | None, str | None] = (None, None)) -> tuple[Settings, GoldenImage]:
    pools = tuple(pool.model_copy(update={"image": pin}) for pool, pin in zip(SITE.pools, pins, strict=True))
    settings = SITE.model_copy(update={"image": Image.model_validate(image, by_name=True), "pools": pools})
    secret = pulumi.Output.secret
    credentials = SimpleNamespace(
        root_password_hash=secret("$2a$root"),
        user_password_hash=secret("$2a$user"),
        user_password=secret("user password"),
        public_key=pulumi.Output.from_input("ssh-ed25519 AAAA"),
    )
    server = proxmoxve.Provider("proxmox", endpoint=SITE.proxmox.endpoint, api_token="a@pve!b=c")
    args = GoldenImageArgs(settings, cast(Any, credentials), secret("a@pve!b=c"))
    return settings, GoldenImage("image", args, pulumi.ResourceOptions(providers=[server]))


def golden_name(settings: Settings) -> str:
    digest = recipe.digest(settings.image, settings.access, settings.network, settings.proxmox)
    return recipe.template_name(settings.site, digest)


@runtime_test
def test_the_default_is_one_image_that_packer_builds(mocks: Mocks) -> pulumi.Output[None]:
    settings, image = make({})

    def check(name: str) -> None:
        assert name == golden_name(settings)
        assert list(mocks.templates) == [f"image-{name}"]
        template = mocks.templates[f"image-{name}"]
        assert (template["source"], template["buildNode"], template["vmIdBase"]) == ("packer", "pve-tls-1", 3000)
        assert template["isoFile"] == "local:iso/debian-12.12.0-amd64-netinst.iso"
        assert mocks.files[0]["checksum"] == settings.image.iso.sha256

    return image.name.apply(check)


@runtime_test
def test_what_is_kept_or_pinned_is_declared_too(mocks: Mocks) -> pulumi.Output[None]:
    settings, image = make({"keep": [OLD]}, (OLDER, "debian-golden"))
    golden = golden_name(settings)
    chosen = [image.template(pool).name for pool in settings.pools]

    def check(names: list[str]) -> None:
        assert names == [OLDER, "debian-golden"]
        sources = {name.removeprefix("image-"): props["source"] for name, props in mocks.templates.items()}
        assert sources == {OLD: "kept", OLDER: "kept", "debian-golden": "existing", golden: "packer"}
        assert mocks.templates[f"image-{OLD}"]["machines"] == []
        machines = [f"toulouse-masters-{number}" for number in (1, 2, 3)]
        assert mocks.templates[f"image-{OLDER}"]["machines"] == machines

    return pulumi.Output.all(image.name, *chosen).apply(lambda all_names: check(all_names[1:]))


@runtime_test
def test_a_template_made_by_hand_needs_no_installer(mocks: Mocks) -> pulumi.Output[None]:
    settings, image = make({"source": "existing", "template": "debian-golden"})

    def check(name: str) -> None:
        assert name == "debian-golden"
        assert mocks.files == []
        template = mocks.templates["image-debian-golden"]
        assert template["source"] == "existing"
        assert len(template["machines"]) == sum(pool.count for pool in settings.pools)

    return image.name.apply(check)


@runtime_test
def test_a_cloud_image_is_imported(mocks: Mocks) -> pulumi.Output[None]:
    settings, image = make(CLOUD)

    def check(name: str) -> None:
        assert name == golden_name(settings)
        assert (mocks.files[0]["contentType"], mocks.files[0]["fileName"]) == ("import", f"{name}.qcow2")
        template = mocks.templates[f"image-{name}"]
        assert (template["source"], template["diskImage"]) == ("cloud-image", f"local:import/{name}.qcow2")
        assert not template.keys() & {"preseed", "userPassword"}

    return image.name.apply(check)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({}, {"keep": [OLD]}, True),
        ({}, {"http_address": "10.31.10.5"}, True),
        ({}, {"disk_gib": 21}, False),
        ({}, {"mirror": "deb.debian.org"}, False),
        ({}, CLOUD, False),
        (CLOUD, {**CLOUD, "disk_gib": 21}, False),
        (CLOUD, {**CLOUD, "cloud_image": {**CLOUD["cloud_image"], "sha256": "1" * 64}}, False),  # type: ignore[dict-item]
    ],
)
def test_another_recipe_is_another_name(first: dict[str, Any], second: dict[str, Any], same: bool) -> None:
    names = [
        golden_name(SITE.model_copy(update={"image": Image.model_validate(each, by_name=True)}))
        for each in (first, second)
    ]
    assert (names[0] == names[1]) is same
