"""An application that comes as a Helm chart, in its team's namespace."""

from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
import yaml
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from components.powerdns import RecordSet, RecordSets, RecordSetsArgs
from reader import Platform

config = pulumi.Config()
site, team, host = config.require("site"), config.require("team"), config.require("host")

platform = Platform(site)
cluster = kubernetes.Provider("site", kubeconfig=platform.kubeconfig(team), cluster_identifier=site, namespace=team)
values = yaml.safe_load(Path(__file__).with_name("values.yaml").read_text(encoding="utf-8"))
values["ingress"] |= {
    "className": platform.ingress_class,
    "hosts": [{"host": host, "paths": [{"path": "/", "pathType": "Prefix"}]}],
    "tls": [{"hosts": [host]}],
}
Release(
    "podinfo",
    chart="podinfo",
    version="6.9.2",
    repository_opts=RepositoryOptsArgs(repo="https://stefanprodan.github.io/podinfo"),
    namespace=team,
    values=values,
    opts=pulumi.ResourceOptions(provider=cluster),
)
zone = host.partition(".")[2]
RecordSets("podinfo", RecordSetsArgs(platform.dns, zone, [RecordSet(host, "A", [platform.ingress_address])]))

pulumi.export("url", f"https://{host}/")
