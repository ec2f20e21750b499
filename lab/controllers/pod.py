"""What the containers of one pod see: their volumes and their environment, from the program's own objects.

A ConfigMap or a Secret is read when the pod starts, and a variable never changes: a program that wants
a pod to notice a new value must change the pod's template, here as on a real node.
"""

from __future__ import annotations

import base64
import binascii
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lab.controllers.client import Kind, View
from lab.files import write_private
from lab.plugins.kubernetes.api import Object

CONFIG_MAP: Final = Kind("v1", "ConfigMap")
SECRET: Final = Kind("v1", "Secret")
CLAIM: Final = Kind("v1", "PersistentVolumeClaim")

_REFERENCE: Final = re.compile(r"\$\((\w+)\)")
_SYSTEM: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


class PodError(Exception):
    """A pod that cannot be started (yet), as the kubelet would say it."""


class Pod:
    """One pod, made ready to run.

    Args:
        item: The Pod.
        view: With the ConfigMaps, Secrets and claims that it names.
        home: Folder for its volumes; what was there before is removed.
        volumes: Folder of the persistent volumes, by the volume's name.

    Raises:
        PodError: something that it names is not there, or is not modelled.
    """

    def __init__(self, item: Object, view: View, home: Path, volumes: Path) -> None:
        self._item, self._view = item, view
        self._namespace: str = item["metadata"]["namespace"]
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True, mode=0o700)
        self.home = home
        if item["spec"].get("initContainers"):
            raise PodError("init containers are not modelled")
        self._volumes: dict[str, Path] = {
            each["name"]: self._volume(each, home, volumes) for each in item["spec"].get("volumes", [])
        }

    @property
    def containers(self) -> list[Object]:
        containers: list[Object] = self._item["spec"]["containers"]
        return containers

    def uid(self, container: Object, image: int) -> int:
        """User that a container runs as; `image` is the one that its image names."""
        contexts = (container.get("securityContext") or {}, self._item["spec"].get("securityContext") or {})
        return next((int(each["runAsUser"]) for each in contexts if "runAsUser" in each), image)

    def source(self, container: Object, path: str) -> Path | None:
        """Where the machine keeps what a container sees at `path`; None if no volume brings it."""
        for mount, source in sorted(self._mounts(container).items(), key=lambda pair: len(pair[0]), reverse=True):
            if PurePosixPath(path).is_relative_to(mount):
                found = source / PurePosixPath(path).relative_to(mount)
                return found if found.exists() else None
        return None

    def options(self, container: Object) -> list[str]:
        """What a container sees of the file system, in bubblewrap's words. Its image is the machine's /usr."""
        line = ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
        for name in _SYSTEM:
            if Path("/usr", name).is_dir():
                line += ["--symlink", f"usr/{name}", f"/{name}"]
        for path in ("/etc/ssl", "/etc/ld.so.cache", "/etc/nginx/mime.types"):
            line += ["--ro-bind-try", path, path]
        for path in ("/tmp", "/run", "/var/log/nginx", "/var/lib/nginx"):  # noqa: S108 - the sandbox's own
            line += ["--tmpfs", path]
        mounts = self._mounts(container)
        for path in sorted(mounts):
            line += ["--bind", str(mounts[path]), path]
        return line

    def environment(self, container: Object) -> dict[str, str]:
        """A container's variables."""
        if container.get("envFrom"):
            raise PodError("envFrom is not modelled")
        variables: dict[str, str] = {}
        for each in container.get("env", []):
            value = self._value(each) if "valueFrom" in each else each.get("value", "")
            variables[each["name"]] = expand(value, variables)
        return variables

    def _value(self, variable: Mapping[str, Any]) -> str:
        source = variable["valueFrom"]
        if reference := source.get("secretKeyRef"):
            return self._key(SECRET, reference)
        if reference := source.get("configMapKeyRef"):
            return self._key(CONFIG_MAP, reference)
        fields = {
            "metadata.name": self._item["metadata"]["name"],
            "metadata.namespace": self._namespace,
            "status.podIP": self._item.get("status", {}).get("podIP", ""),
        }
        path = (source.get("fieldRef") or {}).get("fieldPath")
        if path not in fields:
            raise PodError(f"the source of variable {variable['name']} is not modelled")
        return str(fields[path])

    def _key(self, kind: Kind, reference: Mapping[str, Any]) -> str:
        content = self._content(kind, reference["name"])
        if reference["key"] not in content:
            raise PodError(f"couldn't find key {reference['key']} in {kind.name} {self._namespace}/{reference['name']}")
        return content[reference["key"]].decode()

    def _content(self, kind: Kind, name: str) -> dict[str, bytes]:
        item = self._view.get(kind, self._namespace, name)
        if item is None:
            raise PodError(f'{kind.name.lower()} "{name}" not found')
        return decoded(item)

    def _volume(self, volume: Mapping[str, Any], home: Path, volumes: Path) -> Path:
        folder = home / str(volume["name"])
        if source := volume.get("configMap"):
            self._write(folder, self._content(CONFIG_MAP, source["name"]), source.get("items"))
        elif source := volume.get("secret"):
            self._write(folder, self._content(SECRET, source["secretName"]), source.get("items"))
        elif "emptyDir" in volume:
            folder.mkdir()
        elif source := volume.get("persistentVolumeClaim"):
            return self._claimed(str(source["claimName"]), volumes)
        elif "projected" in volume and volume["name"].startswith("kube-api-access-"):
            folder.mkdir()  # every pod's token for the API, which nothing that runs here uses
        else:
            raise PodError(f"the kind of volume {volume['name']} is not modelled")
        return folder

    def _claimed(self, name: str, volumes: Path) -> Path:
        claim = self._view.get(CLAIM, self._namespace, name)
        if claim is None or claim.get("status", {}).get("phase") != "Bound":
            raise PodError(f'persistentvolumeclaim "{name}" is not bound')
        # The driver makes the folder as well: whoever comes first.
        folder = volumes / str(claim["spec"]["volumeName"])
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @staticmethod
    def _write(folder: Path, content: Mapping[str, bytes], items: list[dict[str, str]] | None) -> None:
        folder.mkdir()
        paths = {each["key"]: each["path"] for each in items} if items else {key: key for key in content}
        for key, path in paths.items():
            if key not in content:
                raise PodError(f"references non-existent config key: {key}")
            write_private(folder / path, content[key])

    def _mounts(self, container: Object) -> dict[str, Path]:
        """Where a container sees what."""
        return {
            str(each["mountPath"]): self._volumes[each["name"]] / each.get("subPath", "")
            for each in container.get("volumeMounts", [])
        }


def decoded(item: Object) -> dict[str, bytes]:
    """The keys of a ConfigMap or a Secret with their content; what is not base64 is left out."""
    content = {key: value.encode() for key, value in (item.get("data") or {}).items() if item["kind"] == "ConfigMap"}
    encoded = item.get("binaryData") if item["kind"] == "ConfigMap" else item.get("data")
    for key, value in (encoded or {}).items():
        try:
            content[key] = base64.b64decode(value, validate=True)
        except binascii.Error:
            continue
    return content


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does in `command`, `args` and `env`; unknown names stay."""
    return _REFERENCE.sub(lambda found: variables.get(found[1], found[0]), text)
