"""Between the properties of a VM and the keys of its Proxmox configuration, both ways.

`encode` gives the parameters of a create or an update; `decode` reads a configuration back;
`project` shows it the way the program declared it. Keys and formats: the parameters of
`POST /nodes/{node}/qemu` in the API viewer, https://pve.proxmox.com/pve-docs/api-viewer/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from lab.plugins.base import Props, ResourceError

DISK_KEY = re.compile(r"^(?:virtio|scsi|sata|ide)\d+$")
NETWORK_KEY = re.compile(r"^net(\d+)$")
IP_KEY = re.compile(r"^ipconfig(\d+)$")
DEFAULT_HOTPLUG = "network,disk,usb"
CLOUD_INIT_INTERFACE = "ide2"
_GIB = {"": 2**-30, "K": 2**-20, "M": 2**-10, "G": 1, "T": 2**10}
_TEXTS = {
    "name": "name",
    "description": "description",
    "bios": "bios",
    "machine": "machine",
    "scsiHardware": "scsihw",
    "hotplug": "hotplug",
}
_FLAGS = {"onBoot": "onboot", "protection": "protection", "acpi": "acpi", "tabletDevice": "tablet"}
_STARTUP = {"order": "order", "upDelay": "up", "downDelay": "down"}
_DISK_FLAGS = {"iothread": "iothread", "ssd": "ssd"}
_DISK_TEXTS = {"serial": "serial"}
_DISK_DEFAULTS = {"aio": "io_uring", "cache": "none", "discard": "ignore"}

Config = dict[str, Any]


def encode(vm: Props) -> Config:
    """The configuration that these inputs ask for, without disks and the cloud-init drive."""
    return {key: value for key, value in _encode(vm) if value is not None}


def _encode(vm: Props) -> Iterator[tuple[str, Any]]:
    for name, key in _TEXTS.items():
        yield key, vm.get(name)
    for name, key in _FLAGS.items():
        yield key, _flag(vm.get(name))
    yield "tags", ";".join(_tags(vm.get("tags", []))) or None
    yield "boot", "order=" + ";".join(vm["bootOrders"]) if vm.get("bootOrders") else None
    if startup := vm.get("startup"):
        yield "startup", _join({key: startup.get(name) for name, key in _STARTUP.items()})
    if agent := vm.get("agent"):
        flags = {"enabled": _flag(agent["enabled"]), "fstrim_cloned_disks": _flag(agent["trim"]), "type": agent["type"]}
        yield "agent", _join(flags)
    yield from _encode_hardware(vm)
    yield from _encode_cloud_init(vm.get("initialization") or {})


def _encode_hardware(vm: Props) -> Iterator[tuple[str, Any]]:
    if cpu := vm.get("cpu"):
        yield from {"cores": cpu["cores"], "sockets": cpu["sockets"], "cpu": cpu["type"]}.items()
        yield "numa", _flag(cpu["numa"])
        yield "cpuunits", cpu.get("units")
        yield "cpulimit", cpu["limit"] or None
    if memory := vm.get("memory"):
        yield from {"memory": memory["dedicated"], "balloon": memory["floating"]}.items()
    if system := vm.get("operatingSystem"):
        yield "ostype", system["type"]
    if vga := vm.get("vga"):
        yield "vga", _join({"type": vga["type"], "memory": vga.get("memory")})
    for index, serial in enumerate(vm.get("serialDevices", ())):
        yield f"serial{index}", serial["device"]
    for index, device in enumerate(vm.get("networkDevices", ())):
        yield f"net{index}", encode_network(device)


def encode_network(device: Props) -> str:
    """`virtio=02:00:00:00:08:35,bridge=vmbr0,tag=12`; without a MAC address Proxmox draws one."""
    mac = device.get("macAddress")
    return _join(
        {
            device["model"] if mac else "model": mac.upper() if mac else device["model"],
            "bridge": device["bridge"],
            "firewall": _flag(device["firewall"] or None),
            "link_down": _flag(device["disconnected"] or None),
            "mtu": device.get("mtu"),
            "queues": device.get("queues"),
            "tag": device.get("vlanId"),
        }
    )


def _encode_cloud_init(initialization: Props) -> Iterator[tuple[str, Any]]:
    user = initialization.get("userAccount") or {}
    yield "ciuser", user.get("username")
    yield "cipassword", user.get("password")
    if user.get("keys"):
        # The API demands this parameter percent-encoded, on top of the form's own encoding.
        yield "sshkeys", quote("\n".join(key.strip() for key in user["keys"]), safe="")
    yield "ciupgrade", _flag(initialization.get("upgrade"))
    for index, addresses in enumerate(initialization.get("ipConfigs", ())):
        ipv4, ipv6 = addresses.get("ipv4") or {}, addresses.get("ipv6") or {}
        parts = {"ip": ipv4.get("address"), "gw": ipv4.get("gateway")}
        yield (f"ipconfig{index}", _join(parts | {"ip6": ipv6.get("address"), "gw6": ipv6.get("gateway")}) or None)
    dns = initialization.get("dns") or {}
    yield "nameserver", " ".join(dns.get("servers", ())) or None
    yield "searchdomain", dns.get("domain")


def encode_disk(disk: Props, volume: str) -> str:
    """A drive: `local-lvm:vm-2101-disk-0,discard=on,iothread=1`. `volume` is `store:GiB` for a new one."""
    options: dict[str, Any] = {key: disk[name] for name, key in _DISK_TEXTS.items() if disk.get(name)}
    options |= {name: disk[name] for name, default in _DISK_DEFAULTS.items() if disk[name] != default}
    options |= {key: 1 for name, key in _DISK_FLAGS.items() if disk[name]}
    options |= {name: 0 for name in ("backup", "replicate") if not disk[name]}
    return ",".join([volume, *(f"{key}={options[key]}" for key in sorted(options))])


def decode(config: Config) -> Props:
    """The properties that a configuration amounts to. Passwords are not in it."""
    vga = _split(config.get("vga", "std"), "type")
    vm: Props = {
        "name": config.get("name", ""),
        "description": config.get("description", ""),
        "tags": _tags(re.split(r"[;, ]+", config.get("tags", ""))),
        "onBoot": _is_on(config.get("onboot", 0)),
        "protection": _is_on(config.get("protection", 0)),
        "template": _is_on(config.get("template", 0)),
        "acpi": _is_on(config.get("acpi", 1)),
        "tabletDevice": _is_on(config.get("tablet", 1)),
        "bios": config.get("bios", "seabios"),
        "machine": config.get("machine", ""),
        "scsiHardware": config.get("scsihw", "lsi"),
        "hotplug": config.get("hotplug", DEFAULT_HOTPLUG),
        "bootOrders": [item for item in config.get("boot", "").removeprefix("order=").split(";") if item],
        "agent": _decode_agent(config),
        "cpu": {
            "cores": int(config.get("cores", 1)),
            "sockets": int(config.get("sockets", 1)),
            "type": _split(config.get("cpu", "kvm64"), "cputype")["cputype"],
            "numa": _is_on(config.get("numa", 0)),
            "limit": _number(config.get("cpulimit", 0)),
        },
        "memory": {
            "dedicated": int(_split(config.get("memory", 512), "current")["current"]),
            "floating": int(config.get("balloon", 0)),
        },
        "operatingSystem": {"type": config.get("ostype", "other")},
        "vga": {"type": vga.get("type", "std")} | ({"memory": int(vga["memory"])} if "memory" in vga else {}),
        "serialDevices": [{"device": config[key]} for key in sorted(config) if re.fullmatch(r"serial\d", key)],
        "networkDevices": [decode_network(config[key]) for key in numbered(config, NETWORK_KEY)],
        "disks": [decode_disk(key, config[key]) for key in disk_keys(config)],
        "initialization": _decode_cloud_init(config),
    }
    if "cpuunits" in config:
        vm["cpu"]["units"] = int(config["cpuunits"])
    if "startup" in config:
        parts = _split(config["startup"], "order")
        vm["startup"] = {name: int(parts[key]) for name, key in _STARTUP.items() if key in parts}
    return {name: value for name, value in vm.items() if value is not None}


def _decode_agent(config: Config) -> Props:
    agent = _split(config.get("agent", "0"), "enabled")
    trim = _is_on(agent.get("fstrim_cloned_disks", 0))
    return {"enabled": _is_on(agent["enabled"]), "trim": trim, "type": agent.get("type", "virtio")}


def decode_network(text: str) -> Props:
    parts = _split(text, "model")
    known = {"bridge", "firewall", "link_down", "mtu", "queues", "tag", "model", "macaddr", "rate", "trunks"}
    model = next((key for key in parts if key not in known), parts.get("model", ""))
    device: Props = {
        "bridge": parts.get("bridge", ""),
        "model": model,
        "firewall": _is_on(parts.get("firewall", 0)),
        "disconnected": _is_on(parts.get("link_down", 0)),
    }
    if mac := parts.get(model) or parts.get("macaddr"):
        device["macAddress"] = mac
    numbers = {"vlanId": "tag", "mtu": "mtu", "queues": "queues"}
    return device | {name: int(parts[key]) for name, key in numbers.items() if key in parts}


def decode_disk(interface: str, text: str) -> Props:
    parts = _split(text, "file")
    disk: Props = {
        "interface": interface,
        "datastoreId": parts["file"].partition(":")[0],
        "backup": _is_on(parts.get("backup", 1)),
        "replicate": _is_on(parts.get("replicate", 1)),
    }
    disk |= {name: _is_on(parts.get(key, 0)) for name, key in _DISK_FLAGS.items()}
    disk |= {name: parts.get(name, default) for name, default in _DISK_DEFAULTS.items()}
    disk |= {name: parts[key] for name, key in _DISK_TEXTS.items() if key in parts}
    if "size" in parts:
        disk["size"] = gibibytes(parts["size"])
    return disk


def _decode_cloud_init(config: Config) -> Props | None:
    interface = cloud_init_drive(config)
    if interface is None:
        return None
    initialization: Props = {"interface": interface, "datastoreId": config[interface].partition(":")[0]}
    user: Props = {"username": config["ciuser"]} if "ciuser" in config else {}
    if "sshkeys" in config:
        user["keys"] = unquote(config["sshkeys"]).strip().splitlines()
    addresses = [_decode_ip(config[key]) for key in numbered(config, IP_KEY)]
    dns: Props = {"servers": config["nameserver"].split()} if "nameserver" in config else {}
    if "searchdomain" in config:
        dns["domain"] = config["searchdomain"]
    if "ciupgrade" in config:
        initialization["upgrade"] = _is_on(config["ciupgrade"])
    optional = {"userAccount": user, "ipConfigs": addresses, "dns": dns}
    return initialization | {name: value for name, value in optional.items() if value}


def _decode_ip(text: str) -> Props:
    parts = _split(text, "ip")
    families = {"ipv4": {"address": "ip", "gateway": "gw"}, "ipv6": {"address": "ip6", "gateway": "gw6"}}
    decoded = {
        family: {name: parts[key] for name, key in keys.items() if key in parts} for family, keys in families.items()
    }
    return {family: values for family, values in decoded.items() if values}


def project(declared: Any, actual: Any) -> Any:
    """`actual`, reduced to what the program declared: only that is compared.

    Disks are matched by interface, other lists of objects by position; what is declared and not
    there is left out.
    """
    if isinstance(declared, dict) and isinstance(actual, dict):
        return {name: project(value, actual[name]) for name, value in declared.items() if name in actual}
    if isinstance(declared, list) and isinstance(actual, list):
        if declared and isinstance(declared[0], dict) and "interface" in declared[0]:
            by_interface = {item["interface"]: item for item in actual}
            found = [(item, by_interface[item["interface"]]) for item in declared if item["interface"] in by_interface]
            return [project(item, other) for item, other in found]
        pairs = list(zip(declared, actual, strict=False))
        return [project(*pair) for pair in pairs] + actual[len(pairs) :]
    if isinstance(declared, str) and isinstance(actual, str) and declared.lower() == actual.lower():
        return declared  # Proxmox writes MAC addresses in capitals, and tags in small letters
    return actual


def disk_keys(config: Mapping[str, Any]) -> list[str]:
    """Interfaces that carry a disk: no CD-ROM, no cloud-init drive."""
    return sorted(key for key, text in config.items() if DISK_KEY.match(key) and "media=cdrom" not in str(text))


def cloud_init_drive(config: Mapping[str, Any]) -> str | None:
    """The interface of the cloud-init drive."""
    return next((key for key in sorted(config) if DISK_KEY.match(key) and "cloudinit" in str(config[key])), None)


def numbered(config: Mapping[str, Any], pattern: re.Pattern[str]) -> list[str]:
    """The keys that match, by their number."""
    found = [(int(match[1]), key) for key in config if (match := pattern.match(key))]
    return [key for _, key in sorted(found)]


def gibibytes(text: str) -> int:
    """A size such as `40G` or `528K` in whole GiB, rounded up."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", str(text))
    if match is None:
        raise ResourceError(f"unable to parse disk size {text!r}")
    return int(-(-float(match[1]) * _GIB[match[2]] // 1))


def _tags(tags: list[str]) -> list[str]:
    """Proxmox sorts them."""
    return sorted(tag.strip() for tag in tags if tag.strip())


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _is_on(value: Any) -> bool:
    return str(value) in {"1", "True", "on", "yes"}


def _number(value: Any) -> int | float:
    """Whole numbers are `int`: the engine makes no difference, a comparison does."""
    number = float(value)
    return int(number) if number.is_integer() else number


def _join(parts: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in parts.items() if value is not None)


def _split(text: Any, first: str) -> dict[str, str]:
    """A property string; a leading value without a key is that of `first`."""
    pairs = [part.partition("=") for part in str(text).split(",")]
    return {(key if separator else first): (value if separator else key) for key, separator, value in pairs}
