"""Domain names in normal form."""

import pytest

from components.powerdns import names
from components.powerdns.refusal import RefusedError

ZONE = "ef-fr.dev."


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("www.ef-fr.dev", "www.ef-fr.dev."),
        ("WWW.EF-FR.DEV.", "www.ef-fr.dev."),
        ("*.ef-fr.dev", "*.ef-fr.dev."),
        ("_dmarc.ef-fr.dev", "_dmarc.ef-fr.dev."),
        ("0/26.2.0.192.in-addr.arpa", "0/26.2.0.192.in-addr.arpa."),
        ("café.ef-fr.dev", "xn--caf-dma.ef-fr.dev."),
        ("straße.ef-fr.dev", "xn--strae-oqa.ef-fr.dev."),
        ("_DMARC.Café.ef-fr.dev", "_dmarc.xn--caf-dma.ef-fr.dev."),
        ("*.café.ef-fr.dev", "*.xn--caf-dma.ef-fr.dev."),
        ("-a_.café.ef-fr.dev", "-a_.xn--caf-dma.ef-fr.dev."),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert names.normalise(text) == normal
    assert names.normalise(normal) == normal


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "bad-name"),
        ("www..ef-fr.dev", "bad-name"),
        (f"{'a' * 64}.ef-fr.dev", "bad-name"),
        (f"{'a.' * 128}dev", "bad-name"),
        ("www ef-fr.dev", "bad-name"),
        ("www.*.ef-fr.dev", "bad-name"),
        ("\\000.ef-fr.dev", "bad-name"),
        ("\u2488com.ef-fr.dev", "bad-idn"),
        ("_é.ef-fr.dev", "bad-idn"),
        (f"{'a' * 64}.é.ef-fr.dev", "bad-name"),
        ("www.*.é.ef-fr.dev", "bad-name"),
        ("a b.é.ef-fr.dev", "bad-name"),
    ],
)
def test_what_is_no_name(text: str, rule: str) -> None:
    with pytest.raises(RefusedError) as refused:
        names.normalise(text)
    assert refused.value.rule == rule


def test_within_a_zone() -> None:
    assert names.within("@", ZONE) == ZONE
    assert names.within("ef-fr.dev", ZONE) == ZONE
    assert names.within("a.b.ef-fr.dev", ZONE) == "a.b.ef-fr.dev."
    with pytest.raises(RefusedError, match=r"write the full name, www\.ef-fr\.dev\."):
        names.within("www", ZONE)
    with pytest.raises(RefusedError, match="outside the zone"):
        names.within("not-ef-fr.dev", ZONE)


def test_mailbox() -> None:
    assert names.of_mailbox("dns.admin@ef-fr.dev") == "dns\\.admin.ef-fr.dev."
