"""The lab's packer: what it reads of HCL, what it makes of the product's template, what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.packer import hcl
from lab.packer.translate import Finish, Login, Translation, translate

TEMPLATE = Path(__file__).resolve().parents[3] / "packer"
ROOT_PASSWORD = "root-at-pam"

Edit = Callable[[str, str], Path]


def login(_url: str) -> Login:
    return Login("root@pam", ROOT_PASSWORD)


def translated(folder: Path, variables: dict[str, str]) -> Translation:
    return translate(hcl.load(folder, variables), login)


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """A copy of the product's template with one text replaced by another."""

    def replace(old: str, new: str) -> Path:
        folder = tmp_path / "packer"
        shutil.copytree(TEMPLATE, folder)
        changed = 0
        for path in folder.glob("*.pkr.hcl"):
            text = path.read_text()
            changed += text.count(old)
            path.write_text(text.replace(old, new))
        assert changed, f"{old!r} is not in the template"
        return folder

    return replace


def test_the_product_template_is_translated(variables: dict[str, str]) -> None:
    made = translated(TEMPLATE, variables)

    (builder,) = made.document["builders"]
    assert builder["vm_id"] == 2001
    assert builder["iso_file"] == "local:iso/debian-12.12.0-amd64-netinst.iso"
    assert builder["disks"] == [
        {
            "type": "scsi",
            "storage_pool": "local-lvm",
            "storage_pool_type": "lvm",
            "disk_size": "20G",
            "io_thread": True,
        }
    ]
    assert "".join(builder["boot_command"]) == (
        "<esc><wait>auto url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg"
        " hostname=paris-debian-12-0123456789ab domain=localdomain<enter>"
    )
    (provisioner,) = made.document["provisioners"]
    scripts = [Path(script).name for script in provisioner["scripts"]]
    assert scripts == ["verify.sh", "updates.sh", "cloud-init.sh", "seal.sh"]
    assert all(Path(script).is_file() for script in provisioner["scripts"])
    assert made.files == {"/preseed.cfg": variables["PKR_VAR_preseed"]}
    assert made.finish == Finish(
        tags="debian-12;oss-nextgen",
        disk_options={"scsi0": ("discard=on", "ssd=1")},
        cloud_init_storage="local-lvm",
        remove=("ide2",),
    )


def test_secrets_are_in_the_environment_only(variables: dict[str, str]) -> None:
    made = translated(TEMPLATE, variables)

    document = json.dumps(made.document)
    for secret in (ROOT_PASSWORD, variables["PKR_VAR_proxmox_token"], variables["PKR_VAR_ssh_password"], "$2a$"):
        assert secret not in document
    assert made.environment == {
        "PKR_LAB_proxmox_password": ROOT_PASSWORD,
        "PKR_LAB_ssh_password": variables["PKR_VAR_ssh_password"],
    }
    assert made.document["sensitive-variables"] == ["proxmox_password", "ssh_password"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("qemu_agent = true", "qemu_agent = true\n  bios = \"ovmf\"", "source: .* does not translate bios"),
        ("discard      = true", "asyncio      = \"native\"", "disks: .* does not translate asyncio"),
        ("vlan_tag = var.vlan", "mtu = 1", "network_adapters: .* does not translate mtu"),
        ('index    = "2"', 'index    = "3"', "attaches it as ide2 only"),
        ("iso_file = var.iso_file", 'iso_url = "https://example.org/x.iso"', "boot_iso: .* does not translate iso_url"),
        ('provisioner "shell"', 'provisioner "ansible"', "does not translate the provisioner ansible"),
        ("execute_command", "remote_folder", "provisioner shell: .* does not translate remote_folder"),
        ('sources = ["source.proxmox-iso.debian"]', 'sources = ["source.proxmox-iso.other"]', "must be the one source"),
        ('"proxmox-iso"', '"proxmox-clone"', "must be the one source"),
        ("cores           = 2", "cores           = 1 + 1", "does not evaluate the expression"),
        ("var.bridge", "local.bridge", "does not evaluate the expression 'local.bridge'"),
        ("var.bridge", "var.brigde", "var.brigde is not declared"),
        ('"${var.disk_gib}G"', '"%{ if true }20G%{ endif }"', "does not translate the string"),
        ('"/preseed.cfg" = var.preseed', '"../x" = var.preseed', "a path starts with a slash"),
        ("build {", 'locals {}\nbuild {', "does not translate the block locals"),
        ("build {", 'build {\n  post-processor "manifest" {}\n', "build: .* does not translate post-processor"),
        ("type        = bool", "type        = list(string)", "does not translate the type"),
        ("source \"proxmox-iso\" \"debian\" {", "source \"proxmox-iso\" {{", r"debian\.pkr\.hcl"),
    ],
)  # fmt: skip
def test_what_is_not_translated_is_refused_by_name(
    edit: Edit, variables: dict[str, str], old: str, new: str, message: str
) -> None:
    with pytest.raises(hcl.TemplateError, match=message):
        translated(edit(old, new), variables)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("vm_id", "two thousand", "variable vm_id: PKR_VAR_vm_id is no number"),
        ("insecure_skip_tls_verify", "yes", "is no bool"),
        ("http_bind_address", "", "the lab listens on loopback only"),
        ("http_bind_address", "10.0.0.1", "the lab listens on loopback only"),
        ("description", "a {{ b }}", "would interpret the braces"),
    ],
)
def test_a_bad_variable_is_named(variables: dict[str, str], name: str, value: str, message: str) -> None:
    with pytest.raises(hcl.TemplateError, match=message):
        translated(TEMPLATE, variables | {f"PKR_VAR_{name}": value})


def test_missing_variables_are_listed(variables: dict[str, str]) -> None:
    given = {name: value for name, value in variables.items() if name not in ("PKR_VAR_node", "PKR_VAR_bridge")}
    with pytest.raises(hcl.TemplateError, match=r"no value for node, bridge"):
        translated(TEMPLATE, given)


def test_a_folder_without_template(tmp_path: Path) -> None:
    with pytest.raises(hcl.TemplateError, match=r"no \*\.pkr\.hcl file"):
        hcl.load(tmp_path, {})


def test_every_secret_variable_is_declared_sensitive(variables: dict[str, str]) -> None:
    declared = hcl.load(TEMPLATE, variables).variables
    assert {name for name, variable in declared.items() if variable.sensitive} == {
        "proxmox_token",
        "preseed",
        "ssh_password",
    }


def test_the_plugin_is_pinned() -> None:
    assert hcl.required_plugins(TEMPLATE) == {"github.com/hashicorp/proxmox": "= 1.2.3"}
