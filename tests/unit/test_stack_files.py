"""The stack files of the repository, and the command that checks them."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import pytest
import yaml

from settings import PROJECT, Settings, SettingsError
from settings.__main__ import check
from settings.pool_rules import SITE_VM_IDS
from settings.stack import read_folder

REPOSITORY = Path(__file__).resolve().parents[2]
SITES = ("backup", "lille", "marseille", "paris", "toulouse")


@pytest.fixture(scope="module")
def sites() -> dict[str, Settings]:
    return {site: Settings.read(REPOSITORY / f"Pulumi.{site}.yaml") for site in SITES}


def test_there_is_a_file_per_site() -> None:
    assert sorted(path.name for path in REPOSITORY.glob("Pulumi.*.yaml")) == [f"Pulumi.{site}.yaml" for site in SITES]


def test_they_belong_to_the_project() -> None:
    assert yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())["name"] == PROJECT


def test_every_vm_id_belongs_to_one_site(sites: dict[str, Settings]) -> None:
    bases = sorted(settings.proxmox.vm_id_base for settings in sites.values())
    assert all(second - first >= SITE_VM_IDS for first, second in pairwise(bases))


def test_sites_share_no_address(sites: dict[str, Settings]) -> None:
    for first, second in combinations(sites.values(), 2):
        assert not first.network.cidr.overlaps(second.network.cidr), (first.site, second.site)


def test_paris_can_delegate_every_other_zone(sites: dict[str, Settings]) -> None:
    apexes = sites["paris"].domains
    assert apexes == ("ef-fr.dev", "ef-fr.io")
    for site in set(SITES) - {"paris"}:
        assert sites[site].domains == tuple(f"{site}.{apex}" for apex in apexes)


def test_only_the_backup_site_has_no_cluster(sites: dict[str, Settings]) -> None:
    assert [site for site, settings in sites.items() if settings.kubernetes is None] == ["backup"]
    assert {pool.role for pool in sites["backup"].pools} == {"storage"}


def test_machines_are_numbered_like_their_vm_ids(sites: dict[str, Settings]) -> None:
    for settings in sites.values():
        assert all(pool.offsets.start % 100 == 1 for pool in settings.pools), settings.site


def test_the_committed_files_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(REPOSITORY) == 0
    assert capsys.readouterr().out.split()[1::2] == ["ok"] * len(SITES)


def test_the_command_prints_each_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (REPOSITORY / "Pulumi.paris.yaml").read_text()
    (tmp_path / "Pulumi.paris.yaml").write_text(text)
    (tmp_path / "Pulumi.lyon.yaml").write_text(text)

    assert check(tmp_path) == 1

    output = capsys.readouterr().out
    assert "Pulumi.lyon.yaml   1 problem" in output
    assert "Pulumi.paris.yaml  ok" in output
    assert """Pulumi.lyon.yaml: oss-nextgen:site is "paris": must be the stack's name, lyon""" in output


def test_a_folder_without_stack_files_does_not_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path) == 1
    assert "no stack file" in capsys.readouterr().out


def rules_of(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.read(path)
    assert "s3cret" not in str(caught.value)
    return [problem.rule for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("config: {oss-nextgen:proxmoxApiToken: 's3cret", "not-yaml"),
        ("- config", "no-config"),
        ("config: s3cret", "no-config"),
    ],
)
def test_a_file_that_is_no_stack_file_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "Pulumi.paris.yaml"
    path.write_text(text)

    assert rules_of(path) == [rule]


def test_a_file_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.paris.yaml").write_text((REPOSITORY / "Pulumi.paris.yaml").read_text())
    (tmp_path / "Pulumi.lille.yaml").write_text("config: {oss-nextgen:site: !!timestamp lille}")

    found = read_folder(tmp_path)

    assert isinstance(found["Pulumi.lille.yaml"], SettingsError)
    assert isinstance(found["Pulumi.paris.yaml"], Settings)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert rules_of(tmp_path / "Pulumi.paris.yaml") == ["unreadable"]


def paris_with(folder: Path, lines: str) -> Path:
    path = folder / "Pulumi.paris.yaml"
    path.write_text((REPOSITORY / path.name).read_text() + lines)
    return path


def test_an_encrypted_token_is_accepted(tmp_path: Path) -> None:
    path = paris_with(tmp_path, "  oss-nextgen:proxmoxApiToken: {secure: 'v1:s3cret'}\n")

    assert Settings.read(path).site == "paris"


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ("  oss-nextgen:proxmoxApiToken: s3cret\n", "secret-in-clear"),
        ("  proxmoxApiToken: s3cret\n", "secret-in-clear"),
        ("  oss-nextgen:access: {password: {secure: 'v1:s3cret'}}\n", "unexpected-secret"),
        ("  oss-nextgen:image:\n", "model-type"),
    ],
)
def test_a_file_is_read_as_the_engine_reads_it(tmp_path: Path, lines: str, rule: str) -> None:
    assert rules_of(paris_with(tmp_path, lines)) == [rule]
