"""The site's virtual machines."""

from components.machines.component import Machine, VmPool, VmPoolArgs, vm_pools
from components.machines.placement import Place, places
from components.machines.readiness import Login, ready

__all__ = ["Login", "Machine", "Place", "VmPool", "VmPoolArgs", "places", "ready", "vm_pools"]
