"""What holds for any record sets: written and read back they are the same, and any edits end in what was wanted."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from components.powerdns import client
from components.powerdns.provider import ZoneProvider
from tests.unit.powerdns.inputs import ZONE, zone
from tests.unit.powerdns.server import Server

PROVIDER = ZoneProvider()
HOST_LABELS = st.text("abAB01é", min_size=1, max_size=4)
LABELS = HOST_LABELS | st.text("abAB01-_", min_size=1, max_size=4)
HOSTS = st.lists(HOST_LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example.com"]))
NAMES = st.builds(
    lambda star, labels: ".".join([*star, *labels, "ef-fr.dev"]),
    st.sampled_from([[], [], ["*"]]),
    st.lists(LABELS, min_size=1, max_size=2),
)
NUMBERS = st.integers(0, 65535)
TEXTS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=300).filter(
    lambda text: not text.startswith('"')
)
VALUES = {
    "A": st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number))),
    "AAAA": st.integers(0, 2**128 - 1).map(lambda number: IPv6Address(number).exploded.upper()),
    "CAA": st.builds('{} issue "{}"'.format, st.integers(0, 255), st.text("abc.; =", max_size=20)),
    "MX": st.builds("{} {}".format, NUMBERS, HOSTS),
    "PTR": NAMES,
    "SRV": st.builds("{} {} {} {}".format, NUMBERS, NUMBERS, NUMBERS, HOSTS),
    "SSHFP": st.builds("{} 2 {}".format, st.integers(1, 4), st.binary(min_size=32, max_size=32).map(bytes.hex)),
    "TXT": TEXTS,
}
MAY_BREAK = {"declared-twice", "empty-value", "value-twice"}
"""Rules that names and values which are each valid may break together, and an empty CAA value."""
KEYS = st.builds("{} {}".format, NAMES, st.sampled_from(sorted(VALUES)))


@st.composite
def contents(draw: st.DrawFn) -> dict[str, str]:
    """Record sets as a program may write them; those that break a rule are left out."""
    record_sets: dict[str, str] = {}
    for key in draw(st.lists(KEYS, max_size=6)):
        ttl = draw(st.integers(0, 2**31 - 1))
        values = draw(st.lists(VALUES[key.rpartition(" ")[2]], min_size=1, max_size=3))
        candidate = {**record_sets, key: "\n".join(f"{ttl} {value}" for value in values)}
        failures = [failure.reason for failure in PROVIDER.check({}, zone(None, candidate)).failures]
        assert MAY_BREAK.issuperset(reason.rpartition(" [")[2].removesuffix("]") for reason in failures), failures
        if not failures:
            record_sets = candidate
    return record_sets


@pytest.fixture(autouse=True)
def no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is shown at once."""
    monkeypatch.setattr(client, "RETRY_FOR", 0.0)


# To shrink a failing case takes minutes on a server: it is shown as it was found.
@settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(contents(), min_size=1, max_size=4))
def test_any_edits_end_in_the_wanted_zone(powerdns: Server, steps: list[dict[str, str]]) -> None:
    powerdns.clear()
    state = PROVIDER.create(PROVIDER.check({}, zone(powerdns)).inputs).outs
    assert state is not None
    for step in steps:
        wanted = PROVIDER.check(state, zone(powerdns, step, allowBulkChange=True)).inputs
        if PROVIDER.diff(ZONE, state, wanted).changes:
            state = PROVIDER.update(ZONE, state, wanted).outs
            assert state is not None
        read = PROVIDER.read(ZONE, state)
        assert read.inputs == wanted
        assert read.outs == state
        assert state["foreign"] == {}
        assert not PROVIDER.diff(ZONE, state, wanted).changes
