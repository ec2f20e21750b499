"""What is checked on a site."""

from __future__ import annotations

from functools import partial

from verify import backup_server, backups, certificates, cluster, ingresses, names, proxmox, workloads
from verify.certificates import Trust
from verify.checks import Check
from verify.stack import Stack


def checks(stack: Stack, trust: Trust) -> list[Check]:
    """All checks of a site.

    Those of a cluster and of its services are run where the settings ask for them: an output that is missing there is a
    failure. Elsewhere, what the stack has no output for is not there to be checked.
    """
    api = str(stack.outputs.get("apiServer", "cluster"))
    storage = str(stack.outputs.get("storageClass", api))
    of_cluster = (
        ("kubeconfig", Check("nodes", api, partial(cluster.nodes, stack))),
        ("kubeconfig", Check("certificate", "administrator", partial(certificates.administrator, stack))),
    )
    of_services = (
        ("storageClass", Check("storage class", storage, partial(cluster.storage_class, stack))),
        ("ingressClass", Check("workloads", "every namespace", partial(workloads.namespaces, stack))),
        ("dnsServers", Check("dns", "every zone", partial(names.zones, stack))),
        ("certificates", Check("certificate", "every zone", partial(certificates.issued, stack, trust))),
        ("tlsSecrets", Check("tls secret", "every zone", partial(certificates.secrets, stack, trust))),
        ("ingressAddress", Check("https", "every ingress", partial(ingresses.hosts, stack, trust))),
        ("authentik", Check("authentik", "its URL", partial(ingresses.authentik, stack, trust))),
        ("homepageUrl", Check("homepage", "its URL", partial(ingresses.homepage, stack, trust))),
    )
    quorum = Check("quorum", stack.settings.proxmox.endpoint, partial(proxmox.quorum, stack))
    found = [quorum]
    for asked_for, by_output in ((stack.settings.kubernetes, of_cluster), (stack.settings.services, of_services)):
        found += [check for key, check in by_output if asked_for or key in stack.outputs]
    if "authentik" in stack.outputs:
        found.append(Check("restore", "authentik's dumps", partial(backups.restored, stack)))
    if stack.settings.backup_server is not None:
        found.append(Check("store", "NFS", partial(backup_server.store, stack)))
        found.append(Check("store", "free space", partial(backup_server.room, stack)))
        found.append(Check("copy", "every zone", partial(backup_server.copies, stack)))
    return found
