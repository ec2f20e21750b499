"""The configuration files of the name server, given to the programs that read them."""

import json
import re
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from components.powerdns.client import PowerDns
from components.powerdns.record_sets import RRset, to_api
from components.powerdns.server import CERTIFICATE_FOLDER, DNS_PORT, FOLDER, proxy_configuration
from lab.authority import Authority
from tests.unit.powerdns.inputs import ZONE
from tests.unit.powerdns.server import KEY, running, worker_host

ADDRESS = IPv4Address("127.91.0.20")


def check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Have PowerDNS check a configuration file, without what this machine's own folder would add to it."""
    (folder / "include").mkdir(exist_ok=True)
    (folder / "pdns.conf").write_text(re.sub(r"(?m)^include-dir=.*$", f"include-dir={folder}/include", text))
    line = ["pdns_server", f"--config-dir={folder}", "--config=check"]
    return subprocess.run(line, check=False, capture_output=True, text=True)


def test_powerdns_knows_every_setting(tmp_path: Path) -> None:
    text = (FOLDER / "pdns.conf").read_text()
    checked = check(text, tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "unknown setting 'primarily'" in check(text.replace("primary=", "primarily="), tmp_path).stderr


def test_nginx_takes_it(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue(tmp_path, ADDRESS)
    certificate.rename(tmp_path / "tls.crt")
    assert key == tmp_path / "tls.key"
    text = proxy_configuration([IPv4Network("10.75.10.0/24")])
    text = re.sub(rf" ({CERTIFICATE_FOLDER}|/tmp)/", f" {tmp_path}/", text)
    (tmp_path / "nginx.conf").write_text(text)
    done = subprocess.run(
        ["nginx", "-t", "-c", str(tmp_path / "nginx.conf")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_files_agree_with_the_pod() -> None:
    settings = dict(re.findall(r"^([a-z-]+)=(.*)$", (FOLDER / "pdns.conf").read_text(), re.MULTILINE))
    assert settings["local-port"] == str(DNS_PORT)
    assert settings["webserver-address"] == "127.0.0.1"
    proxy = proxy_configuration([])
    assert f"proxy_pass http://127.0.0.1:{settings['webserver-port']};" in proxy
    assert f"client_max_body_size {settings['webserver-max-bodysize']}m;" in proxy


def test_a_large_zone_passes_in_one_request(tmp_path: Path) -> None:
    """The server's own limit is 2 MB."""
    limit = re.findall(r"^(webserver-max-bodysize)=(.*)$", (FOLDER / "pdns.conf").read_text(), re.MULTILINE)
    text = " ".join([f'"{"x" * 255}"'] * 200)
    sets = [RRset(f"t{number}.{ZONE}", "TXT", 300, (text,)) for number in range(60)]
    body = {"name": ZONE, "kind": "Native", "rrsets": [to_api(each) for each in sets]}
    assert len(json.dumps(body)) > 3_000_000
    with running(tmp_path, worker_host(10), dict(limit)) as server:
        PowerDns(server.api_url, KEY).create_zone(body)
        assert len(server.call("GET", f"/zones/{ZONE}")["rrsets"]) == len(sets) + 1, "with its SOA record"


def test_nobody_may_use_the_api_unless_named() -> None:
    rules = [line.strip() for line in proxy_configuration([]).splitlines() if re.match(r"\s*(allow|deny)", line)]
    assert rules == ["deny all;"]
