"""Takes every secret out of what the engine printed, whoever let it slip in.

The engine masks what it knows to be secret; what a program or a server puts into a message it does not know. So the
values themselves are looked for: those of the state, of the configuration and of the pipeline's own variables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from components.engine import SIGNATURE

MASK: Final = "[secret]"
SHORTEST: Final = 8
"""Characters. What is shorter cannot be told from other words."""
LONG_WORD: Final = 32
"""Characters of a part that is looked for by itself: a line of a key, a token in a kubeconfig."""
_NAME: Final = re.compile(r"[a-z]+([-._/:@ ]+[a-z]+)*/?|\d+([.:/]\d+)+")
"""What things are called by, or an address: hardly a generator of secrets makes such a text."""
_SECRET_VARIABLE: Final = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSPHRASE|KEY)$")


class Scrubber:
    """Replaces secrets in texts.

    Args:
        deployment: The state, as `pulumi stack export --show-secrets` prints it.
        config: The configuration, as `pulumi config --json --show-secrets` prints it.
        environment: Variables; secret are those whose names end in `TOKEN`, `SECRET`, `PASSWORD`, `PASSPHRASE`, `KEY`.
    """

    def __init__(
        self, deployment: Mapping[str, Any], config: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        state: list[Any] = []
        clear = "\n".join(_split(deployment, state))
        # A name or an address in a structure that is secret as a whole is none: the state shows it elsewhere.
        words = {word for value in state for secret in _texts(value) for word in _words(secret) if word not in clear}
        # What is marked by itself is one wherever it stands: a program has let it slip into the state as well.
        alone = {word for value in state if isinstance(value, str) for word in _whole(value)}
        words |= {word for word in alone if not _NAME.fullmatch(word)}
        # What a person has set as a secret is one, also where a program has let it slip into the state.
        words |= {word for each in config.values() if each.get("secret") for word in _words(each.get("value", ""))}
        words |= {
            value for name, value in environment.items() if _SECRET_VARIABLE.search(name) and len(value) >= SHORTEST
        }
        longest_first = sorted(map(re.escape, words), key=len, reverse=True)
        self._pattern = re.compile("|".join(longest_first)) if words else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """The same for every text in a value of JSON."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.value(each) for key, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list) else value


def _split(value: Any, secrets: list[Any]) -> Iterator[str]:
    """Yields the texts that the state shows; adds the values that it keeps secret to `secrets`."""
    if isinstance(value, Mapping) and SIGNATURE in value:
        secrets.append(json.loads(value.get("plaintext", "null")))
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _split(each, secrets)
    elif isinstance(value, str):
        yield value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _words(secret: str) -> Iterable[str]:
    return {word for word in re.split(r"[\s=\"']+", secret) if len(word) >= LONG_WORD} | _whole(secret)


def _whole(secret: str) -> set[str]:
    """The text itself, if it is one line that can be told from other words."""
    line = secret.strip()
    return {line} if len(line) >= SHORTEST and "\n" not in line else set()
