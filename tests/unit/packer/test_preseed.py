"""The preseed: debconf accepts the product's, and the lab's installer stops where the real one would."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from lab.proxmox import preseed
from lab.proxmox.debian import Plan

BOOT = "1 1 1 free method{ biosgrub } ."
ROOT = "1 1 -1 ext4 mountpoint{ / } ."
"""Partitions of a recipe."""


def plan(text: str) -> Plan:
    return preseed.plan(preseed.parse(text), hostname="vm", domain="localdomain")


def without(text: str, question: str) -> str:
    """The preseed with one answer less (of those on one line)."""
    lines = [line for line in text.splitlines() if question not in line.split()]
    assert len(lines) < len(text.splitlines())
    return "\n".join(lines)


def answering(text: str, question: str, value: str) -> str:
    """The preseed with another answer to one question."""
    lines = text.replace("\\\n", " ").splitlines()
    lines = [" ".join([*line.split()[:3], value]) if question in line.split() else line for line in lines]
    return "\n".join(lines)


def test_debconf_accepts_the_preseed(preseed_text: str) -> None:
    command = shutil.which("debconf-set-selections")
    assert command, "debconf-set-selections is missing: install the Debian package debconf"
    result = subprocess.run([command, "--checkonly"], input=preseed_text, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_preseed_leaves_no_question_open(preseed_text: str) -> None:
    made = plan(preseed_text)
    assert made.accounts.user == "ossng"
    assert made.mirror == "ftp.fr.debian.org/debian"
    assert made.timezone == "Europe/Paris"
    assert {"openssh-server", "qemu-guest-agent", "open-iscsi", "nfs-common", "cloud-init"} <= made.packages
    assert "systemd-timesyncd" in made.packages
    assert "unattended-upgrades" in made.packages
    assert made.late_command.count("in-target") == 4
    assert made.disk_label == "gpt"


@pytest.mark.parametrize(
    "question",
    [
        "debian-installer/locale",
        "passwd/root-password-crypted",
        "passwd/user-fullname",
        "passwd/username",
        "passwd/user-password-crypted",
        "mirror/http/proxy",
        "partman-auto/method",
        "partman-auto/choose_recipe",
        "partman-basicfilesystems/no_swap",
        "partman-partitioning/confirm_write_new_label",
        "partman/choose_partition",
        "partman/confirm",
        "partman/confirm_nooverwrite",
        "grub-installer/bootdev",
        "finish-install/reboot_in_progress",
    ],
)
def test_an_open_question_is_named(preseed_text: str, question: str) -> None:
    with pytest.raises(preseed.PreseedError, match=f"it asks {question}"):
        plan(without(preseed_text, question))


@pytest.mark.parametrize(
    ("question", "value", "message"),
    [
        ("partman/confirm", "false", "partman/confirm is 'false'"),
        ("partman-auto/method", "crypto", "the lab models 'regular' only"),
        ("partman-auto/choose_recipe", "other", "the recipe is called 'single'"),
        ("partman-auto/expert_recipe", "single :: 1 1 -1 ext4 mountpoint{ /srv }", "is not `name :: partition ... .`"),
        (
            "partman-auto/expert_recipe",
            f"single :: {BOOT} 1 1 -1 ext4 mountpoint{{ /srv }} .",
            "has no root file system",
        ),
        ("partman-auto/expert_recipe", f"single :: {ROOT}", r"no partition of method{ biosgrub } for the GPT"),
        ("partman-auto/expert_recipe", f"single :: {BOOT} {ROOT[:-1]} $bootable{{ }} .", "no EFI system partition"),
        ("partman-partitioning/default_label", "bsd", "is 'bsd': the lab models gpt, msdos"),
        ("partman-basicfilesystems/no_swap", "true", "goes back to the partitioning menu"),
        ("passwd/root-password-crypted", "in-clear", "no crypt"),
        ("passwd/username", "Not a name", "no user name"),
        ("grub-installer/bootdev", "/dev/vda", "the VM's only disk is /dev/sda"),
        ("pkgsel/include", "sudo no-such-package", "unable to locate package no-such-package"),
        ("pkgsel/update-policy", "landscape", "pkgsel/update-policy is 'landscape': none or unattended-upgrades"),
    ],
)
def test_a_wrong_answer_is_named(preseed_text: str, question: str, value: str, message: str) -> None:
    with pytest.raises(preseed.PreseedError, match=message):
        plan(answering(preseed_text, question, value))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("d-i partman/confirm", "line 1: expected `owner question type value`"),
        ("d-i partman/confirm string true", "is of type boolean, not string"),
        ("d-i partman/confirm boolean yes", "is true or false"),
        ("d-i partman/confrm boolean true", "does not model partman/confrm"),
        ("grub grub-installer/only_debian boolean true", "owner 'grub' is none of"),
    ],
)
def test_a_line_that_debconf_would_not_use_is_refused(line: str, message: str) -> None:
    with pytest.raises(preseed.PreseedError, match=message):
        preseed.parse(line)


def test_continued_lines_are_one_answer() -> None:
    assert preseed.parse("# comment\nd-i pkgsel/include string a \\\n   b\n") == {"pkgsel/include": "a     b"}


def test_a_disk_has_an_mbr_unless_told_otherwise(preseed_text: str) -> None:
    """And on an MBR, $bootable{ } and no partition for GRUB are right."""
    text = without(preseed_text, "partman-partitioning/default_label")
    recipe = f"single :: {ROOT[:-1]} $bootable{{ }} ."
    assert plan(answering(text, "partman-auto/expert_recipe", recipe)).disk_label == "dos"


def test_nothing_is_updated_unless_asked_for(preseed_text: str) -> None:
    text = without(preseed_text, "pkgsel/update-policy")
    assert "unattended-upgrades" not in plan(text).packages
    with pytest.raises(preseed.PreseedError, match="models no unattended-upgrades that updates nothing"):
        plan(answering(text, "pkgsel/include", "sudo unattended-upgrades"))


def test_a_locked_root_makes_the_user_administrator(preseed_text: str) -> None:
    assert plan(answering(preseed_text, "passwd/root-login", "false")).accounts.root_hash == "!"
