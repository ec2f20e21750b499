"""Answers to the Debian installer: their format, and whether they leave a question open.

The format is debconf's (`owner question type value`, a final backslash continues a line); the
questions are those of Debian 12's example (installation guide, appendix B). The list is closed: the
lab does not guess what an answer that it does not know would change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lab.proxmox import partitions
from lab.proxmox.debian import AVAILABLE, Accounts, Plan

OWNERS = frozenset({"d-i", "tasksel", "popularity-contest"})
HASH = re.compile(r"^\$(1|5|6|y|2[aby]|7|gy)\$[^:\s]+$")

QUESTIONS = {
    "debian-installer/locale": "string",
    "debian-installer/country": "string",
    "keyboard-configuration/xkb-keymap": "select",
    "clock-setup/utc": "boolean",
    "clock-setup/ntp": "boolean",
    "time/zone": "string",
    "netcfg/choose_interface": "select",
    "mirror/country": "string",
    "mirror/http/hostname": "string",
    "mirror/http/directory": "string",
    "mirror/http/proxy": "string",
    "passwd/root-login": "boolean",
    "passwd/root-password-crypted": "password",
    "passwd/make-user": "boolean",
    "passwd/user-fullname": "string",
    "passwd/username": "string",
    "passwd/user-password-crypted": "password",
    "partman-auto/method": "string",
    "partman-auto/expert_recipe": "string",
    "partman-auto/choose_recipe": "select",
    "partman-basicfilesystems/no_swap": "boolean",
    "partman-partitioning/confirm_write_new_label": "boolean",
    "partman-partitioning/default_label": "string",
    "partman/choose_partition": "select",
    "partman/confirm": "boolean",
    "partman/confirm_nooverwrite": "boolean",
    "apt-setup/cdrom/set-first": "boolean",
    "apt-setup/non-free-firmware": "boolean",
    "tasksel/first": "multiselect",
    "pkgsel/include": "string",
    "pkgsel/update-policy": "select",
    "pkgsel/upgrade": "select",
    "popularity-contest/participate": "boolean",
    "grub-installer/only_debian": "boolean",
    "grub-installer/bootdev": "string",
    "preseed/late_command": "string",
    "finish-install/reboot_in_progress": "note",
}
"""Question -> debconf type."""

MUST_BE = {
    "partman-auto/method": "regular",
    "partman-partitioning/confirm_write_new_label": "true",
    "partman/choose_partition": "finish",
    "partman/confirm": "true",
    "partman/confirm_nooverwrite": "true",
    "grub-installer/only_debian": "true",
    "tasksel/first": "",
}
"""Answers that the installer needs to go on by itself, and that the lab models no other of."""

UPDATER = "unattended-upgrades"
"""Answer to pkgsel/update-policy, and the package that it brings."""

REQUIRED = (
    "debian-installer/locale",
    "partman-auto/choose_recipe",
    "grub-installer/bootdev",
    "finish-install/reboot_in_progress",
)
"""Asked at critical priority, whatever the answer."""


class PreseedError(Exception):
    """The installer would stop; the message names every question and line that is to blame."""


def parse(text: str) -> dict[str, str]:
    """Question -> answer.

    Raises:
        PreseedError: a line that debconf does not read, or a question that the lab does not model.
    """
    answers: dict[str, str] = {}
    problems = []
    for number, line in _lines(text):
        # One blank ends the type: the value may be empty, or begin with a blank of its own.
        match = re.fullmatch(r"\s*(\S+)\s+(\S+)\s+(\S+)(?:\s(.*))?", line, re.DOTALL)
        problem = f"expected `owner question type value`, found {line!r}" if match is None else _unknown(match)
        if problem:
            problems.append(f"line {number}: {problem}")
        elif match is not None:
            answers[match[2]] = (match[4] or "").strip()
    if problems:
        raise PreseedError("\n".join(problems))
    return answers


def plan(answers: Mapping[str, str], hostname: str, domain: str) -> Plan:
    """What is installed if nobody answers anything.

    Args:
        answers: From the boot line and from the preseed.
        hostname: Host name of the boot line, or the installer's default.
        domain: Likewise.

    Raises:
        PreseedError: the installer would stop at a question, or fail at a package.
    """
    problems = [*_open_questions(answers), *_wrong_answers(answers)]
    if problems:
        raise PreseedError("the installation would stop: " + "; ".join(problems))
    return Plan(
        hostname=hostname,
        domain=domain,
        locale=answers["debian-installer/locale"],
        timezone=answers.get("time/zone", "Etc/UTC"),
        mirror=answers.get("mirror/http/hostname", "ftp.fr.debian.org")
        + answers.get("mirror/http/directory", "/debian"),
        accounts=_accounts(answers),
        packages=frozenset(_packages(answers)) | _updater(answers),
        disk_label=partitions.DISK_LABELS[partitions.disk_label(answers)],
        late_command=answers.get("preseed/late_command", ""),
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """(Number of its first line, text) of each logical line."""
    start, pending = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        if not pending:
            start = number
            if not raw.strip() or raw.lstrip().startswith("#"):
                continue
        pending += raw
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        yield start, pending
        pending = ""
    if pending:
        yield start, pending


def _unknown(match: re.Match[str]) -> str | None:
    owner, question, kind = match[1], match[2], match[3]
    if owner not in OWNERS:
        return f"owner {owner!r} is none of {', '.join(sorted(OWNERS))}"
    if question not in QUESTIONS:
        return f"the lab's installer does not model {question}"
    if kind != QUESTIONS[question]:
        return f"{question} is of type {QUESTIONS[question]}, not {kind}"
    if kind == "boolean" and (match[4] or "").strip() not in ("true", "false"):
        return f"{question} is true or false, not {match[4]!r}"
    return None


def _open_questions(answers: Mapping[str, str]) -> Iterator[str]:
    """Questions that would be asked."""
    required = [*REQUIRED, *MUST_BE]
    if answers.get("passwd/root-login", "true") == "true":
        required.append("passwd/root-password-crypted")
    if answers.get("passwd/make-user", "true") == "true":
        required += ["passwd/user-fullname", "passwd/username", "passwd/user-password-crypted"]
    if answers.get("mirror/country") == "manual":
        required += ["mirror/http/hostname", "mirror/http/directory", "mirror/http/proxy"]
    if "method{ swap }" not in answers.get("partman-auto/expert_recipe", "method{ swap }"):
        required.append("partman-basicfilesystems/no_swap")
    for question in required:
        if question not in answers:
            yield f"it asks {question}"


def _wrong_answers(answers: Mapping[str, str]) -> Iterator[str]:
    """Answers that the installer refuses, or that the lab does not model."""
    for question, value in MUST_BE.items():
        if answers.get(question, value) != value:
            yield f"{question} is {answers[question]!r}: the lab models {value!r} only"
    for question in ("passwd/root-password-crypted", "passwd/user-password-crypted"):
        if question in answers and not HASH.match(answers[question]):
            yield f"{question} is no crypt(3) hash"
    if answers.get("partman-basicfilesystems/no_swap") == "true":
        yield "partman-basicfilesystems/no_swap is true: it goes back to the partitioning menu"
    if answers.get("grub-installer/bootdev", "default") not in ("default", "/dev/sda"):
        yield f"grub-installer/bootdev is {answers['grub-installer/bootdev']!r}: the VM's only disk is /dev/sda"
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", answers.get("passwd/username", "user")):
        yield f"passwd/username is {answers['passwd/username']!r}: no user name"
    yield from partitions.problems(answers)
    yield from _package_problems(answers)


def _package_problems(answers: Mapping[str, str]) -> Iterator[str]:
    policy = answers.get("pkgsel/update-policy", "none")
    if policy not in ("none", UPDATER):
        yield f"pkgsel/update-policy is {policy!r}: none or {UPDATER}"
    if policy == "none" and UPDATER in _packages(answers):
        yield f"pkgsel/include: the lab models no {UPDATER} that updates nothing: set pkgsel/update-policy"
    missing = [name for name in _packages(answers) if name not in AVAILABLE]
    if missing:
        names = ", ".join(missing)
        yield f"pkgsel/include: unable to locate package {names} (the lab has those of lab/proxmox/debian.py)"


def _packages(answers: Mapping[str, str]) -> list[str]:
    return answers.get("pkgsel/include", "").replace(",", " ").split()


def _updater(answers: Mapping[str, str]) -> frozenset[str]:
    """What pkgsel installs besides. It is switched on unless the answer was none, which is the installer's default."""
    return frozenset({UPDATER}) & {answers.get("pkgsel/update-policy")}


def _accounts(answers: Mapping[str, str]) -> Accounts:
    make_user = answers.get("passwd/make-user", "true") == "true"
    root_login = answers.get("passwd/root-login", "true") == "true"
    return Accounts(
        root_hash=answers["passwd/root-password-crypted"] if root_login else "!",
        user=answers["passwd/username"] if make_user else None,
        user_fullname=answers["passwd/user-fullname"] if make_user else "",
        user_hash=answers["passwd/user-password-crypted"] if make_user else "!",
    )
