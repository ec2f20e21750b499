"""For the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.ci.scripted import Answers

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answers], None]:
    """Puts a `pulumi` on the PATH that gives these answers, and the first fitting one."""

    def install(given: Answers) -> None:
        (tmp_path / "answers.json").write_text(json.dumps([[key.split(), *value] for key, value in given.items()]))
        script = tmp_path / "pulumi"
        script.write_text(
            "#!/usr/bin/env python3\nimport json, pathlib, sys\n"
            "for words, code, out, err in json.loads(pathlib.Path(__file__).with_name('answers.json').read_text()):\n"
            "    if set(words) <= set(sys.argv[1:]):\n"
            "        print(out, end=''), print(err, end='', file=sys.stderr), sys.exit(code)\n"
            "sys.exit(f'no answer to {sys.argv[1:]}')\n"
        )
        script.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(ROOT / "Pulumi.paris.yaml"))
    return install
