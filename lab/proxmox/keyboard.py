"""The keyboard of a VM that boots from a Debian installation medium.

Proxmox passes `sendkey` on to QEMU, key by key; here they reach the medium's boot loader (isolinux):
its menu first, then, after Escape, its `boot:` prompt. Key names are QEMU's (`QKeyCode`), the layout
is the US one that a boot loader has.
"""

from __future__ import annotations

import asyncio
import string

_PLAIN = {
    **{key: key for key in string.ascii_lowercase + string.digits},
    "spc": " ",
    "minus": "-",
    "equal": "=",
    "bracket_left": "[",
    "bracket_right": "]",
    "semicolon": ";",
    "apostrophe": "'",
    "grave_accent": "`",
    "backslash": "\\",
    "comma": ",",
    "dot": ".",
    "slash": "/",
    "asterisk": "*",
}
_SHIFTED = {
    **{key: key.upper() for key in string.ascii_lowercase},
    **dict(zip("1234567890", "!@#$%^&*()", strict=True)),
    "minus": "_",
    "equal": "+",
    "bracket_left": "{",
    "bracket_right": "}",
    "semicolon": ":",
    "apostrophe": '"',
    "grave_accent": "~",
    "backslash": "|",
    "comma": "<",
    "dot": ">",
    "slash": "?",
    "spc": " ",
}
_COMMANDS = frozenset({"ret", "kp_enter", "esc", "backspace"})
_SILENT = frozenset(
    {"tab", "up", "down", "left", "right", "home", "end", "pgup", "pgdn", "insert", "delete", "caps_lock"}
    | {f"f{number}" for number in range(1, 13)}
)


class UnknownKeyError(ValueError):
    """A key that QEMU has no name for, or a combination that a boot loader does not read."""


class Keyboard:
    """The keys of one boot, from power-on to the line that starts the installer."""

    def __init__(self) -> None:
        self.line: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
        """The boot line, once: the menu's default entry is an empty one."""
        self._typed = ""
        self._prompt = False
        self._booted = False

    def press(self, key: str) -> None:
        """Press one key or a combination with shift (`ret`, `shift-semicolon`).

        Raises:
            UnknownKeyError: QEMU would answer `invalid parameter`.
        """
        character = decode(key)
        if self._booted:
            return
        if key in ("ret", "kp_enter"):
            self._booted = True
            self.line.put_nowait(self._typed)
        elif key == "esc":
            self._prompt, self._typed = True, ""
        elif key == "backspace":
            self._typed = self._typed[:-1]
        elif self._prompt:
            self._typed += character


def decode(key: str) -> str:
    """The character that a key or a combination types; empty for a key that types none.

    Raises:
        UnknownKeyError: see `Keyboard.press`.
    """
    *modifiers, name = key.split("-")
    if set(modifiers) == {"shift"} and name in _SHIFTED:
        return _SHIFTED[name]
    if not modifiers and name in _PLAIN:
        return _PLAIN[name]
    if not modifiers and name in _COMMANDS | _SILENT:
        return ""
    raise UnknownKeyError(f"invalid parameter: {key}")
