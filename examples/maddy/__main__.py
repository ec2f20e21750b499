"""Maddy on one site of the platform: what the platform gives, the server, its names, and what others need to know."""

import pulumi
import pulumi_kubernetes as kubernetes
from mailserver import MailServer, MailServerArgs
from records import reverse_name, site_records

from components.powerdns import RecordSets, RecordSetsArgs
from reader import Platform

TEAM = "mail"

config = pulumi.Config()
domain, address = config.require("domain"), config.require("address")

platform = Platform(config.require("site"))
cluster = kubernetes.Provider(
    "site", kubeconfig=platform.kubeconfig(TEAM), cluster_identifier=config.require("site"), namespace=TEAM
)
server = MailServer(
    "maddy",
    MailServerArgs(
        namespace=TEAM,
        domain=domain,
        address=address,
        storage_class=platform.storage_class,
        tls_secret=platform.tls_secret(domain, TEAM),
    ),
    pulumi.ResourceOptions(providers=[cluster]),
)
RecordSets("mail", RecordSetsArgs(platform.dns, domain, site_records(domain, address, server.dkim_record)))

pulumi.export("host", server.host)
pulumi.export("postmaster", {"user": f"postmaster@{domain}", "password": server.password})
# Only whoever owns the address can publish it: the provider of the site's line.
pulumi.export("ptr", f"{reverse_name(address)} PTR {server.host}.")
