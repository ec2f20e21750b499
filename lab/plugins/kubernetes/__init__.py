"""The lab's stand-in for the kubernetes provider plugin (pulumi-kubernetes 4.34.2).

It talks to a real API server, which validates every object itself.
"""

from lab.plugins.kubernetes.plugin import PLUGIN

__all__ = ["PLUGIN"]
