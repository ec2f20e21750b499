"""Which sites a change of files concerns."""

from __future__ import annotations

import pytest

from ci.stacks import changed_since, is_affected


@pytest.mark.parametrize(
    ("paths", "affected"),
    [
        (["Pulumi.paris.yaml"], True),
        (["Pulumi.lille.yaml", "docs/change-control.md", "README.md"], False),
        (["tests/unit/test_settings.py", "lab/engine.py", "Makefile"], False),
        (["components/process.py"], True),
        (["helm/longhorn.yaml"], True),
        (["requirements.txt"], True),
        (["settings/models.py", "Pulumi.lille.yaml"], True),
        (["something-new"], True),
        (["components/README.md"], False),
        ([], False),
    ],
)
def test_a_site_is_affected_when_in_doubt(paths: list[str], affected: bool) -> None:
    assert is_affected("paris", paths) is affected


def test_a_revision_that_is_not_there_says_nothing() -> None:
    assert changed_since("0" * 40) is None
    assert changed_since("HEAD") == []
