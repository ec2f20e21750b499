"""An application that comes as a Kustomize overlay per site, in its team's namespace. A stack is named as its site."""

import subprocess
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.yaml import ConfigGroup

from components.powerdns import RecordSet, RecordSets, RecordSetsArgs
from reader import Platform

config, site = pulumi.Config(), pulumi.get_stack()
team, host = config.require("team"), config.require("host")

platform = Platform(site)
cluster = kubernetes.Provider("site", kubeconfig=platform.kubeconfig(team), cluster_identifier=site, namespace=team)
overlay = Path(__file__).with_name("overlays") / site
# What is wrong with the overlay, kubectl says on the terminal.
manifests = subprocess.run(["kubectl", "kustomize", overlay], stdout=subprocess.PIPE, text=True, check=True).stdout
ConfigGroup("whoami", yaml=[manifests], opts=pulumi.ResourceOptions(providers=[cluster]))
zone = host.partition(".")[2]
RecordSets("whoami", RecordSetsArgs(platform.dns, zone, [RecordSet(host, "A", [platform.ingress_address])]))

pulumi.export("url", f"https://{host}/")
