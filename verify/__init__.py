"""Check a site as its users would: `python -m verify SITE`, after `pulumi up`.

What is checked comes from the stack's outputs, so it holds for every site: the Proxmox VE cluster's quorum,
the Kubernetes nodes, the default storage class, what runs for the platform, every zone on every DNS server, every
certificate, and HTTPS on every ingress. A site without a cluster is checked for what it has.
"""
