"""The keyboard of a booting VM: QEMU's key names, and isolinux's menu and prompt."""

from __future__ import annotations

import asyncio

import pytest

from lab.proxmox.keyboard import Keyboard, UnknownKeyError, decode


def typed(*keys: str) -> str | None:
    """The boot line that a sequence of keys makes; None if nothing has booted."""

    async def press() -> str | None:
        keyboard = Keyboard()
        for key in keys:
            keyboard.press(key)
        return None if keyboard.line.empty() else keyboard.line.get_nowait()

    return asyncio.run(press())


@pytest.mark.parametrize(
    ("key", "character"),
    [
        ("a", "a"),
        ("shift-a", "A"),
        ("7", "7"),
        ("spc", " "),
        ("slash", "/"),
        ("shift-semicolon", ":"),
        ("shift-minus", "_"),
        ("dot", "."),
        ("equal", "="),
        ("shift-slash", "?"),
        ("f6", ""),
    ],
)
def test_key_names(key: str, character: str) -> None:
    assert decode(key) == character


@pytest.mark.parametrize("key", ["é", "A", "ctrl-alt-delete", "shift-ret", "", "shift-shift-a-b"])
def test_an_unknown_key_is_refused(key: str) -> None:
    with pytest.raises(UnknownKeyError, match="invalid parameter"):
        decode(key)


def test_escape_opens_the_prompt_and_return_boots() -> None:
    keys = ("esc", *"auto", "spc", *"url", "equal", *"http", "shift-semicolon", "slash", "slash", "x", "ret")
    assert typed(*keys) == "auto url=http://x"


def test_keys_before_the_prompt_are_the_menus() -> None:
    assert typed("x", "esc", "y", "ret") == "y"


def test_return_in_the_menu_boots_its_default() -> None:
    assert typed("ret") == ""


def test_backspace_corrects() -> None:
    assert typed("esc", "a", "b", "backspace", "c", "ret") == "ac"


def test_nothing_boots_before_return() -> None:
    assert typed("esc", "a") is None


def test_keys_after_the_boot_are_ignored() -> None:
    assert typed("esc", "a", "ret", "b", "ret") == "a"
