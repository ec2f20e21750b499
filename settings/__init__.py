"""The settings of one stack: the only reader of `pulumi.Config`.

A stack file holds what makes its site that site; everything that sites share is a default here.
`Settings.load` reads the running stack, `Settings.read` a stack file; both raise one `SettingsError` that
lists every problem. Secrets are not part of `Settings`: each is a top-level secret key, read with `secret`.

`python -m settings` checks every stack file of the current folder.
"""

from settings.backup import BackedUpSite, Backup, BackupServer, Pbs
from settings.change_control import ChangeControl, Limit
from settings.models import (
    Access,
    AddressRange,
    CloudImage,
    Image,
    Iso,
    Kubernetes,
    Network,
    Pool,
    Proxmox,
)
from settings.problems import PROJECT, SettingsError
from settings.services import Chart, Charts, ExternalService, Services
from settings.stack import Settings, optional_secret, secret
from settings.storage import Schedule, Storage
from settings.teams import Team

__all__ = [
    "PROJECT",
    "Access",
    "AddressRange",
    "BackedUpSite",
    "Backup",
    "BackupServer",
    "ChangeControl",
    "Chart",
    "Charts",
    "CloudImage",
    "ExternalService",
    "Image",
    "Iso",
    "Kubernetes",
    "Limit",
    "Network",
    "Pbs",
    "Pool",
    "Proxmox",
    "Schedule",
    "Services",
    "Settings",
    "SettingsError",
    "Storage",
    "Team",
    "optional_secret",
    "secret",
]
