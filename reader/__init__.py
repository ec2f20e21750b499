"""A site's outputs, for other teams' Pulumi programs.

    from reader import Platform

    paris = Platform("paris")
    cluster = kubernetes.Provider("paris", kubeconfig=paris.kubeconfig("mail"))

Every value is an output of the type that `outputs.Outputs` says, and what is a secret there stays one.
`components.powerdns.RecordSets` takes `Platform.dns` for an application's own record sets.
"""

from reader.platform import Platform

__all__ = ["Platform"]
