"""Who may log in to a guest: its own passwd, shadow, sshd_config and authorized_keys decide."""

from __future__ import annotations

import ctypes
import fnmatch
import hmac
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Account:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


def account(root: Path, name: str) -> Account | None:
    """The account, or None where the guest has no such user."""
    for line in _lines(root / "etc/passwd"):
        fields = line.split(":")
        if len(fields) == 7 and fields[0] == name:
            return Account(name, int(fields[2]), int(fields[3]), fields[5], fields[6] or "/bin/sh")
    return None


def password_matches(root: Path, name: str, password: str) -> bool:
    """Compare with the hash in /etc/shadow; a locked or empty password never matches."""
    for line in _lines(root / "etc/shadow"):
        user, _, rest = line.partition(":")
        stored = rest.split(":")[0]
        if user == name and stored.startswith("$"):
            return hmac.compare_digest(_crypt(password, stored) or "", stored)
    return False


def key_matches(root: Path, user: Account, algorithm: str, blob: str) -> bool:
    """Whether a public key (algorithm and base64 text) is in the user's authorized_keys."""
    path = root / user.home.lstrip("/") / ".ssh/authorized_keys"
    return any((algorithm, blob) in zip(line.split(), line.split()[1:], strict=False) for line in _lines(path))


def password_login(root: Path, name: str) -> bool:
    """Whether sshd lets this user in by password."""
    if sshd_option(root, "PasswordAuthentication", "yes") != "yes":
        return False
    return name != "root" or sshd_option(root, "PermitRootLogin", "prohibit-password") == "yes"


def key_login(root: Path, name: str) -> bool:
    """Whether sshd lets this user in by public key."""
    if sshd_option(root, "PubkeyAuthentication", "yes") != "yes":
        return False
    return name != "root" or sshd_option(root, "PermitRootLogin", "prohibit-password") != "no"


def sshd_option(root: Path, option: str, default: str) -> str:
    """Value of an sshd option, in lower case: the first one wins (sshd_config(5)), `Match` blocks are left out."""
    for path in _sshd_files(root):
        for line in _lines(path):
            words = line.replace("=", " ").split()
            if len(words) > 1 and words[0].lower() == "match":
                break
            if len(words) > 1 and words[0].lower() == option.lower():
                return words[1].lower()
    return default


def _sshd_files(root: Path) -> list[Path]:
    """Debian's sshd_config includes sshd_config.d/*.conf before anything else."""
    main = root / "etc/ssh/sshd_config"
    included = [
        line.split()[1] for line in _lines(main) if line.lower().startswith("include ") and len(line.split()) > 1
    ]
    files = [
        path
        for pattern in included
        for path in sorted((root / PurePosixPath(pattern).parent.as_posix().lstrip("/")).glob("*"))
        if fnmatch.fnmatch(path.name, PurePosixPath(pattern).name)
    ]
    return [*files, main]


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _crypt(password: str, setting: str) -> str | None:
    """crypt(3) of the system's libcrypt: every scheme that a Debian shadow file may hold.

    The standard library's `crypt` is deprecated and gone in Python 3.13.
    """
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt_ra.restype = ctypes.c_char_p
    data, size = ctypes.c_void_p(), ctypes.c_int(0)
    hashed = library.crypt_ra(password.encode(), setting.encode(), ctypes.byref(data), ctypes.byref(size))
    if data:
        ctypes.CDLL(None).free(data)
    return hashed.decode() if hashed else None
