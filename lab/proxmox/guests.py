"""The machines that VMs become when they are powered on.

A VM's disk is a folder, `<state>/guests/<VMID>/root`, which is there once a system was installed on
it. Powering a VM on boots what its configuration says: the Debian installer from an inserted ISO,
or the installed system, with what it has of cloud-init, sshd, guest agent and kubelet.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lab.proxmox import agent, cloudinit, debian, disk_image, sandbox, ssh, units
from lab.proxmox.accounts import Account, account
from lab.proxmox.disk_image import DiskImage
from lab.proxmox.firmware import boot_source, cloud_init_drive, network_card
from lab.proxmox.installer import InstallError, install
from lab.proxmox.keyboard import Keyboard
from lab.proxmox.kubelet import Kubelet
from lab.proxmox.leases import Leases, RangeExhausted

Log = Callable[[str], None]


class Vm(Protocol):
    """What a guest needs to know of its VM, and sets on it."""

    vmid: int
    name: str
    config: dict[str, Any]
    agent: dict[str, Any] | None
    """Answers of the guest agent; None while it does not run."""
    acpi: bool
    """Whether something in the VM hears a shutdown request."""


class Guest:
    """A running system.

    Args:
        root: Its file system.
        address: Its IPv4 address; empty if it got no lease.
    """

    def __init__(self, root: Path, address: str) -> None:
        self.root = root
        self.address = address
        self._children: set[ssh.Process] = set()

    @property
    def name(self) -> str:
        """Host name."""
        path = self.root / "etc/hostname"
        return (path.read_text().strip() if path.exists() else "") or "localhost"

    def wrap(
        self,
        argv: Sequence[str],
        user: str = "root",
        *,
        binds: Mapping[Path, str] | None = None,
        directory: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        """The command line that runs `argv` inside the guest; see `sandbox.command_line`.

        Raises:
            KeyError: the guest has no such user.
        """
        known = account(self.root, user)
        if known is None:
            raise KeyError(f"{self.name} has no user {user!r}")
        return sandbox.command_line(
            self.root, self.name, argv, known, binds=binds, directory=directory, environment=environment
        )

    def spawn(self, argv: Sequence[str], user: Account, environment: Mapping[str, str], **options: Any) -> ssh.Process:
        """Start a command that ends with the guest. Call it from the loop's thread (see `sandbox`)."""
        self._children = {child for child in self._children if child.poll() is None}
        line = sandbox.command_line(self.root, self.name, argv, user, environment=environment)
        child: ssh.Process = subprocess.Popen(line, start_new_session=True, **options)
        self._children.add(child)
        return child

    def kill(self) -> None:
        """End every command; bubblewrap takes with it whatever a command has started."""
        for child in self._children:
            child.kill()
        for child in self._children:
            child.wait()
        self._children.clear()


class Guests:
    """All guests of a site.

    Args:
        home: Folder of the guests' file systems.
        leases: The site's DHCP server.
        tools: Folders with the programs of static pods.
        log: Called with one line per event.
    """

    def __init__(self, home: Path, leases: Leases, tools: Sequence[Path], log: Log) -> None:
        self._home = home
        self._leases = leases
        self._tools = tools
        self._log = log
        self._running: dict[int, asyncio.Task[None]] = {}
        self._keyboards: dict[int, Keyboard] = {}
        self.present: Callable[[], Collection[str]] = tuple
        """MAC addresses of the VMs that exist; the API sets it."""
        self.without_ssh: Collection[str] = ()
        """Names of VMs that are to boot without an SSH server; the API sets it."""

    # ------------------------------------------------------------------ disks

    def root(self, vmid: int) -> Path:
        return self._home / str(vmid) / "root"

    def installed(self, vmid: int) -> bool:
        return self.root(vmid).is_dir()

    async def copy(self, source: int, target: int) -> None:
        """Copy a disk, as a clone does.

        Raises:
            OSError: it cannot be copied.
        """
        if self.installed(source):
            await asyncio.to_thread(_copy, self.root(source), self.root(target))

    async def write(self, vmid: int, image: DiskImage) -> None:
        """Make a disk from a disk image.

        Raises:
            OSError: it cannot be written.
        """
        await asyncio.to_thread(disk_image.write, self.root(vmid), image)

    async def remove(self, vmid: int) -> None:
        """Power off and remove the disk."""
        await self.power_off(vmid)
        await asyncio.to_thread(shutil.rmtree, self._home / str(vmid), ignore_errors=True)

    async def keep_only(self, vmids: Collection[int]) -> None:
        """Remove the disks of VMs that are gone, which a killed service may have left."""
        for folder in self._home.glob("*"):
            if not folder.name.isdecimal() or int(folder.name) not in vmids:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    # ------------------------------------------------------------------ power

    def power_on(self, vm: Vm) -> None:
        """Boot, in the background."""
        self._keyboards[vm.vmid] = Keyboard()
        self._running[vm.vmid] = asyncio.create_task(self._guarded(vm), name=f"vm-{vm.vmid}")

    async def power_off(self, vmid: int) -> None:
        """End the guest, with every process in it."""
        self._keyboards.pop(vmid, None)
        task = self._running.pop(vmid, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def power_off_all(self) -> None:
        await asyncio.gather(*(self.power_off(vmid) for vmid in list(self._running)))

    def press(self, vmid: int, key: str) -> None:
        """Press a key on a VM's keyboard.

        Args:
            vmid: The VM.
            key: Name that QEMU's `sendkey` takes, such as `ret` or `shift-a`.

        Raises:
            ValueError: QEMU knows no such key.
        """
        self._keyboards[vmid].press(key)

    async def _guarded(self, vm: Vm) -> None:
        try:
            await self._run(vm)
        except Exception as error:  # noqa: BLE001 - one guest must not end the others' service
            self._log(f"VM {vm.vmid} {vm.name} stopped working: {type(error).__name__}: {error}")
        finally:
            vm.agent, vm.acpi = None, False

    async def _run(self, vm: Vm) -> None:
        vm.acpi = False
        if boot_source(vm.config, self.installed(vm.vmid)) == "installer":
            self._log(f"VM {vm.vmid} {vm.name} booted the installer: waiting for its boot line to be typed")
            if not await self._install(vm):
                await asyncio.Event().wait()
        if boot_source(vm.config, self.installed(vm.vmid), ejected=True) == "disk":
            await self._system(vm)
        else:
            self._log(f"VM {vm.vmid} {vm.name} found no bootable device")
            await asyncio.Event().wait()

    # ---------------------------------------------------------------- installer

    async def _install(self, vm: Vm) -> bool:
        """Whether the system is installed; an installer that stopped shows its question for ever."""
        line = await self._keyboards[vm.vmid].line.get()
        partial = self._home / str(vm.vmid) / "installing"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            installed = await install(line, partial, self._lease(vm)[1])
        except InstallError as error:
            self._log(f"VM {vm.vmid} {vm.name} installer stopped: {error}")
            return False
        shutil.rmtree(self.root(vm.vmid), ignore_errors=True)
        partial.rename(self.root(vm.vmid))
        self._log(f"VM {vm.vmid} {vm.name} installed as {installed.hostname}: {len(installed.packages)} packages")
        return True

    # ------------------------------------------------------------------- system

    async def _system(self, vm: Vm) -> None:
        root = self.root(vm.vmid)
        mac, address = self._lease(vm)
        await asyncio.to_thread(_boot, root, vm)
        guest = Guest(root, address)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(guest.kill)
            if address and has_package(root, "openssh-server") and vm.name not in self.without_ssh:
                await self._start_sshd(vm, guest, stack)
            if agent.enabled(vm.config) and has_package(root, "qemu-guest-agent"):
                vm.agent = agent.answers(root, guest.name, mac, address)
            vm.acpi = True
            self._log(f"VM {vm.vmid} {vm.name} booted at {address or 'no address'}")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._outlived(vm, "kubelet", Kubelet(guest, self._tools).run()))
                tasks.create_task(self._outlived(vm, "systemd", units.run(guest)))

    async def _outlived(self, vm: Vm, what: str, running: Coroutine[Any, Any, None]) -> None:
        try:
            await running
        except Exception as error:  # noqa: BLE001 - the machine outlives its kubelet
            self._log(f"VM {vm.vmid} {vm.name} {what} failed: {type(error).__name__}: {error}")
        await asyncio.Event().wait()

    async def _start_sshd(self, vm: Vm, guest: Guest, stack: contextlib.AsyncExitStack) -> None:
        server = ssh.Sshd(guest)
        try:
            await server.listen(guest.address)
        except ssh.SshdError as error:
            self._log(f"VM {vm.vmid} {vm.name} has no SSH: {error}")
            return
        # Pushed after guest.kill, so it runs first: nobody logs in to a guest that is going down.
        stack.callback(server.close)

    def _lease(self, vm: Vm) -> tuple[str, str]:
        """(MAC, address) of the first network card; empty strings for what there is not."""
        card = network_card(vm.config)
        if card is None:
            return "", ""
        try:
            return card[0], str(self._leases.lease(card[0], self.present()))
        except RangeExhausted as error:
            self._log(f"VM {vm.vmid} {vm.name} got no address: {error}")
            return card[0], ""


def has_package(root: Path, name: str) -> bool:
    """Whether dpkg says that a package is installed."""
    status = root / "var/lib/dpkg/status"
    paragraphs = status.read_text().split("\n\n") if status.exists() else []
    return any(
        f"Package: {name}" in (lines := paragraph.splitlines()) and "Status: install ok installed" in lines
        for paragraph in paragraphs
    )


def _boot(root: Path, vm: Vm) -> None:
    cloudinit.forget_runtime(root)
    sandbox.prepare(root)
    debian.record_disk(root)
    resolver = Path("/etc/resolv.conf")
    if resolver.exists():
        # DHCP names the resolver: the one that the lab's machine uses.
        shutil.copyfile(resolver, root / "etc/resolv.conf")
    if cloud_init_drive(vm.config) and has_package(root, "cloud-init"):
        cloudinit.apply(root, cloudinit.UserData.of(vm.name, vm.config))
    identity = root / "etc/machine-id"
    if not identity.exists() or identity.read_text().strip() in ("", "uninitialized"):
        # systemd-machine-id-setup(1): an empty file means that the image was made to be cloned, and on KVM the id is
        # the UUID that the VM has.
        told = re.search(r"uuid=([0-9a-f-]{36})", vm.config.get("smbios1", ""))
        identity.write_text((told[1].replace("-", "") if told else secrets.token_hex(16)) + "\n")


def _copy(source: Path, target: Path) -> None:
    """Copy aside, then rename: a service that is killed meanwhile leaves no half disk."""
    partial = target.with_name("copying")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, symlinks=True)
    partial.rename(target)
