"""What the lab models of `VmLegacy`: the properties, with the official provider's defaults.

Defaults that a clone takes from its template (BIOS, SCSI controller, ...) are left out on purpose:
the official provider sends them neither.
"""

from __future__ import annotations

from lab.plugins.proxmoxve.spec import Block, Items, Value

TEXT, NUMBER, FLAG = Value(str), Value(int), Value(bool)
OFF, ON = Value(bool, default=False), Value(bool, default=True)

AGENT = Block(
    {
        "enabled": OFF,
        "timeout": Value(str, default="15m"),
        "trim": OFF,
        "type": Value(str, default="virtio"),
        "waitForIp": Block({"disabled": OFF, "ipv4": OFF, "ipv6": OFF}),
    }
)
CLONE = Block(
    {
        "vmId": Value(int, required=True),
        "nodeName": TEXT,
        "datastoreId": TEXT,
        "full": ON,
        "retries": Value(int, default=1),
    }
)
CPU = Block(
    {
        "cores": Value(int, default=1),
        "sockets": Value(int, default=1),
        "type": Value(str, default="qemu64"),
        "numa": OFF,
        "units": NUMBER,
        "limit": Value(float, default=0),
    }
)
DISK = Block(
    {
        "interface": Value(str, required=True),
        "datastoreId": Value(str, default="local-lvm"),
        "size": Value(int, default=8),
        "aio": Value(str, default="io_uring"),
        "backup": ON,
        "cache": Value(str, default="none"),
        "discard": Value(str, default="ignore"),
        "iothread": OFF,
        "replicate": ON,
        "serial": TEXT,
        "ssd": OFF,
    }
)
ADDRESS = Block({"address": TEXT, "gateway": TEXT})
INITIALIZATION = Block(
    {
        "datastoreId": Value(str, default="local-lvm"),
        "interface": TEXT,
        "dns": Block({"domain": TEXT, "servers": Items(TEXT)}),
        "ipConfigs": Items(Block({"ipv4": ADDRESS, "ipv6": ADDRESS})),
        "userAccount": Block({"username": TEXT, "keys": Items(TEXT), "password": TEXT}),
        "upgrade": FLAG,
    }
)
NETWORK_DEVICE = Block(
    {
        "bridge": Value(str, default="vmbr0"),
        "macAddress": TEXT,
        "model": Value(str, default="virtio"),
        "vlanId": NUMBER,
        "mtu": NUMBER,
        "queues": NUMBER,
        "firewall": OFF,
        "disconnected": OFF,
    }
)
VM = Block(
    {
        "nodeName": Value(str, required=True),
        "vmId": NUMBER,
        "name": TEXT,
        "description": TEXT,
        "tags": Items(TEXT),
        "poolId": TEXT,
        "clone": CLONE,
        "template": OFF,
        "started": ON,
        "onBoot": ON,
        "startup": Block({"order": NUMBER, "upDelay": NUMBER, "downDelay": NUMBER}),
        "protection": OFF,
        "agent": AGENT,
        "cpu": CPU,
        "memory": Block({"dedicated": Value(int, default=512), "floating": Value(int, default=0)}),
        "disks": Items(DISK),
        "networkDevices": Items(NETWORK_DEVICE),
        "initialization": INITIALIZATION,
        "serialDevices": Items(Block({"device": Value(str, default="socket")})),
        "vga": Block({"type": Value(str, default="std"), "memory": NUMBER}),
        "operatingSystem": Block({"type": Value(str, default="other")}),
        "bios": TEXT,
        "machine": TEXT,
        "scsiHardware": TEXT,
        "acpi": FLAG,
        "tabletDevice": FLAG,
        "hotplug": TEXT,
        "bootOrders": Items(TEXT),
        "migrate": Value(bool, default=False, allowed=(False,)),
        "reboot": OFF,
        "rebootAfterUpdate": ON,
        "stopOnDestroy": OFF,
        "purgeOnDestroy": ON,
        "deleteUnreferencedDisksOnDestroy": ON,
        "timeoutClone": Value(int, default=1800),
        "timeoutCreate": Value(int, default=1800),
        "timeoutReboot": Value(int, default=1800),
        "timeoutShutdownVm": Value(int, default=1800),
        "timeoutStartVm": Value(int, default=1800),
        "timeoutStopVm": Value(int, default=300),
    }
)
