"""Values of every type: one form for each meaning, the form that the server gives back."""

import pytest

from components.powerdns import record_sets, values
from components.powerdns.record_sets import RRset
from components.powerdns.refusal import RefusedError
from tests.unit.powerdns.server import Server

KEY = "nRolwXYpx/FOAJUciBI+NKPomGoOlfROj5rqkf22iAUwl9MOtA8PG+wJ+uyyw+OQIExCD9g1eX8jhGPorLW6FQ=="
SHA256 = "0B9FA5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3"
EXAMPLES = {
    "A": ("192.0.2.1", "192.0.2.1"),
    "AAAA": ("2001:DB8:0::0001", "2001:db8::1"),
    "AFSDB": ("1 AFS.ef-fr.dev", "1 afs.ef-fr.dev."),
    "ALIAS": ("Lb.Example.com", "lb.example.com."),
    "APL": ("1:192.168.32.0/21 !1:192.168.38.0/28", "1:192.168.32.0/21 !1:192.168.38.0/28"),
    "CAA": ('0 issue "letsencrypt.org"', '0 issue "letsencrypt.org"'),
    "CDNSKEY": (f"257 3 13 {KEY}", f"257 3 13 {KEY}"),
    "CDS": (f"54253 13 2 {SHA256}", f"54253 13 2 {SHA256.lower()}"),
    "CERT": ("PKIX 0 RSASHA256 AQID", "1 0 8 AQID"),
    "CNAME": ("_x.Café.example.com", "_x.xn--caf-dma.example.com."),
    "CSYNC": ("66 3 A NS AAAA", "66 3 A NS AAAA"),
    "DHCID": ("AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",) * 2,
    "DLV": (f"54253 13 2 {SHA256}", f"54253 13 2 {SHA256.lower()}"),
    "DNAME": ("Example.com", "example.com."),
    "DNSKEY": (f"257 3 13 {KEY}", f"257 3 13 {KEY}"),
    "DS": (f"54253 13 2 {SHA256}", f"54253 13 2 {SHA256.lower()}"),
    "EUI48": ("00-11-22-33-44-AA", "00-11-22-33-44-aa"),
    "EUI64": ("00-11-22-33-44-55-66-AA", "00-11-22-33-44-55-66-aa"),
    "HINFO": ("i386 Linux", '"i386" "Linux"'),
    "HTTPS": (
        '1 . port=443 ipv4hint=192.0.2.1,192.0.2.2 alpn="h2,h3"',
        "1 . alpn=h2,h3 port=443 ipv4hint=192.0.2.1,192.0.2.2",
    ),
    "IPSECKEY": ("10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",) * 2,
    "KEY": ("256 3 5 AQID", "256 3 5 AQID"),
    "KX": ("10 kx.example.com", "10 kx.example.com."),
    "L32": ("10 10.1.2.0", "10 10.1.2.0"),
    "L64": ("10 2001:0DB8:1140:1000", "10 2001:0db8:1140:1000"),
    "LOC": ("51 56 0.123 N 5 54 0.000 E 4.00m", "51 56 0.123 N 5 54 0.000 E 4.00m 1.00m 10000.00m 10.00m"),
    "LP": ("10 l64.example.com", "10 l64.example.com."),
    "LUA": ("a \"ifportup(443, {'192.0.2.1', '192.0.2.2'})\"", "A \"ifportup(443, {'192.0.2.1', '192.0.2.2'})\""),
    "MB": ("a.example.com", "a.example.com."),
    "MG": ("a.example.com", "a.example.com."),
    "MINFO": ("a.example.com b.example.com", "a.example.com. b.example.com."),
    "MR": ("a.example.com", "a.example.com."),
    "MX": ("010 Mail.Example.com", "10 mail.example.com."),
    "NAPTR": ('100 10 "S" "SIP+D2U" "" _sip._udp.example.com.', '100 10 "S" "SIP+D2U" "" _sip._udp.example.com.'),
    "NID": ("10 0014:4FFF:FF20:EE64", "10 0014:4fff:ff20:ee64"),
    "NS": ("ns1.example.com", "ns1.example.com."),
    "OPENPGPKEY": ("AQIDBA==", "AQIDBA=="),
    "PTR": ("host.example.com", "host.example.com."),
    "RKEY": ("0 1 1 AQID", "0 1 1 AQID"),
    "RP": ("admin.example.com txt.example.com", "admin.example.com. txt.example.com."),
    "SMIMEA": (f"3 1 1 {SHA256}", f"3 1 1 {SHA256.lower()}"),
    "SPF": ("v=spf1 -all", '"v=spf1 -all"'),
    "SRV": ("10 5 443 a.example.com", "10 5 443 a.example.com."),
    "SSHFP": (f"4 2 {SHA256}", f"4 2 {SHA256.lower()}"),
    "SVCB": ("1 svc.example.com alpn=h2 mandatory=alpn", "1 svc.example.com. mandatory=alpn alpn=h2"),
    "TLSA": (f"3 1 1 {SHA256}", f"3 1 1 {SHA256.lower()}"),
    "TXT": ('say "hi"; \\ é', '"say \\"hi\\"; \\\\ \\195\\169"'),
    "TYPE65300": ("\\# 3 010203", "\\# 3 010203"),
    "URI": ('10 1 "https://example.com/"', '10 1 "https://example.com/"'),
    "ZONEMD": (f"2018031500 1 1 {'a3b69bad' * 12}", f"2018031500 1 1 {'a3b69bad' * 12}"),
}
APEX_ONLY = {"CDS", "CDNSKEY", "DNSKEY", "ZONEMD"}


@pytest.mark.parametrize("type_", EXAMPLES)
def test_one_form(type_: str) -> None:
    text, form = EXAMPLES[type_]
    assert values.is_known(type_)
    assert values.canonical(type_, text) == form
    assert values.canonical(type_, form) == form


def test_the_server_gives_back_what_was_sent(powerdns: Server) -> None:
    zone = "types.dev."
    powerdns.call("POST", "/zones", {"name": zone, "kind": "Native", "nameservers": []})
    wanted = {}
    for type_, (_, form) in EXAMPLES.items():
        name = zone if type_ in APEX_ONLY else f"{type_.lower()}.{zone}"
        rrset = RRset(name, type_, 300, (form,))
        wanted[rrset.key] = rrset
    powerdns.call("PATCH", f"/zones/{zone}", {"rrsets": record_sets.plan({}, wanted)})
    found = record_sets.of_api(powerdns.call("GET", f"/zones/{zone}")["rrsets"])
    found.pop(f"{zone} SOA")
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "form"), [("::1:0", "::1:0"), ("::ffff:1.2.3.4", "::ffff:102:304"), ("::0.1.0.0", "::1:0")]
)
def test_no_dots_in_ipv6(text: str, form: str) -> None:
    assert values.canonical("AAAA", text) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", '""'),
        ("a" * 256, f'"{"a" * 255}" "a"'),
        ("é" * 128, '"' + "\\195\\169" * 127 + '\\195" "\\169"'),
        ('"a" "b"', '"a" "b"'),
        (f'"{"a" * 300}"', f'"{"a" * 255}" "{"a" * 45}"'),
        ('"tab\\009"', '"tab\\009"'),
        ("v=DKIM1; k=rsa", '"v=DKIM1; k=rsa"'),
    ],
)
def test_text(text: str, form: str) -> None:
    assert values.canonical("TXT", text) == form


@pytest.mark.parametrize(
    ("type_", "text", "rule"),
    [
        ("A", "192.0.2.256", "bad-value"),
        ("A", "192.0.2.1 192.0.2.2", "bad-value"),
        ("AAAA", "192.0.2.1", "bad-value"),
        ("CAA", "0 issue", "bad-value"),
        ("MX", "mail.example.com", "bad-value"),
        ("MX", "70000 mail.example.com", "bad-value"),
        ("SRV", "10 5 99999 a.example.com", "bad-value"),
        ("TLSA", "3 1 1 xyz", "bad-value"),
        ("LUA", "A ifportup(443)", "bad-value"),
        ("MINFO", "a.example.com", "bad-value"),
        ("TYPE65300", "abc", "bad-value"),
        ("TXT", '"a" b', "bad-quotes"),
        ("TXT", '"a', "bad-quotes"),
        ("TXT", '"\\999"', "bad-value"),
        ("MX", "10 192.0.2.1", "target-is-address"),
        ("CNAME", "2001:db8::1", "target-is-address"),
        ("NS", "192.0.2.1.", "target-is-address"),
        ("MX", "10 mail", "short-target"),
    ],
)
def test_what_is_no_value(type_: str, text: str, rule: str) -> None:
    with pytest.raises(RefusedError) as refused:
        values.canonical(type_, text)
    assert refused.value.rule == rule


@pytest.mark.parametrize("type_", ["TYPE1", "TYPE65401", "TYPE99999", "WKS", "ANY", "a", ""])
def test_what_is_no_type(type_: str) -> None:
    assert not values.is_known(type_)


def test_a_value_of_the_server_that_has_no_form() -> None:
    assert values.read("WKS", "127.0.0.1 6 25") == "127.0.0.1 6 25"
