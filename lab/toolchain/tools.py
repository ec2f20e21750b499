"""The manifest: every tool of the lab, the versions that fit, and where it comes from.

A download is listed only where its maker's checksum is known from public record; every other tool is
built from its Go module, whose content the committed go.sum pins. Checksums are those of:
Kubernetes' CHANGELOG-1.35 (server archive), Kubespray v2.31.0 (kubectl), Helm's release notes of
3.22.0, the release files of kwok 0.8.0 and Pebble 2.10.1 as other distributions pin them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.toolchain.versions import Range


@dataclass(frozen=True)
class Download:
    """An official release file. `{version}` and `{arch}` (amd64, arm64) are filled into the texts."""

    url: str
    digests: dict[str, str]
    """Architecture -> `<algorithm>:<hexadecimal digest>` of the file."""
    member: str = ""
    """Path of the tool in the tar archive; empty where the file is the tool itself."""


@dataclass(frozen=True)
class GoPackage:
    """A program of a Go module."""

    module: str
    """Folder below modules/ that holds go.mod and go.sum."""
    package: str
    seconds: float
    """A cold build, downloads included, measured on 2 cores in the order of this manifest."""
    variables: dict[str, str] = field(default_factory=dict)
    """Go string variable -> value, set by the linker."""


@dataclass(frozen=True)
class GoFile:
    """A file that a Go module carries, used as it is."""

    module: str
    """Folder below modules/ whose go.mod requires the module `of`."""
    of: str
    path: str
    seconds: float = 1.0


@dataclass(frozen=True)
class Debian:
    """Debian packages, where nothing else can be had."""

    packages: tuple[str, ...]
    service: str = ""
    """systemd unit that the package starts; the lab runs its own and wants none."""
    probe: tuple[str, ...] = ()
    """Arguments whose answer must hold `expects`: a part that another package brings."""
    expects: str = ""


@dataclass(frozen=True)
class Tool:
    """One program that the lab runs."""

    name: str
    version: str
    """What a download or a build gives; for Debian packages, what was tried."""
    fits: Range
    """Versions that may be taken from the PATH."""
    ask: tuple[str, ...] = ()
    """Arguments that make it print its version."""
    folder: str = ""
    """Folder below the cache; `<name>/<version>` if empty."""
    part_of: str = ""
    """Another tool, beside which it lies in the official distribution, and whose version it shares there."""
    download: Download | None = None
    build: GoPackage | GoFile | None = None
    debian: Debian | None = None

    @property
    def place(self) -> str:
        """Path of the executable below the cache."""
        return f"{self.folder or f'{self.name}/{self.version}'}/{self.name}"


def _pulumi() -> tuple[Tool, ...]:
    """The engine, and the files of the official archive that it needs for Python.

    The language host looks for its executor beside itself, and the engine warns unless the host is
    beside the engine: so all four share a folder, as in the archive. The host is the last one whose
    Go package can still be had as a module; its two files are those of the engine's version.
    """
    version, host = "3.250.0", "3.70.0"
    exact = Range(version, "3.250.1")
    folder = f"pulumi/{version}"
    sdk = "github.com/pulumi/pulumi/sdk/v3"
    variable = f"{sdk}/go/common/version.Version"
    return (
        Tool(
            "pulumi",
            version,
            exact,
            ask=("version",),
            build=GoPackage(
                "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", 238, variables={variable: f"v{version}"}
            ),
        ),
        Tool(
            "pulumi-language-python",
            host,
            exact,
            part_of="pulumi",
            folder=folder,
            build=GoPackage(
                "pulumi-language-python",
                f"{sdk}/python/cmd/pulumi-language-python",
                20,
                variables={variable: f"v{host}"},
            ),
        ),
        Tool(
            "pulumi-language-python-exec",
            version,
            exact,
            part_of="pulumi",
            folder=folder,
            build=GoFile("pulumi", sdk, "python/cmd/pulumi-language-python-exec"),
        ),
        Tool(
            "pulumi-resource-pulumi-python",
            version,
            exact,
            part_of="pulumi",
            folder=folder,
            build=GoFile("pulumi", sdk, "python/dist/pulumi-resource-pulumi-python"),
        ),
    )


def _control_plane(version: str, fits: Range, module: str, archive: Download | None) -> tuple[Tool, ...]:
    """The programs of a control plane's static pods."""
    seconds = {"kube-apiserver": 274, "kube-controller-manager": 60, "kube-scheduler": 8}
    return tuple(
        Tool(
            name,
            version,
            fits,
            ("--version",),
            download=archive,
            build=_kubernetes_package(module, version, name, cold),
        )
        for name, cold in seconds.items()
    )


def _kubernetes_package(module: str, version: str, name: str, seconds: float) -> GoPackage:
    # Without the version a chart that asks for a kubeVersion refuses to install.
    base = "k8s.io/component-base/version"
    major, minor, _ = version.split(".")
    variables = {f"{base}.gitVersion": f"v{version}", f"{base}.gitMajor": major, f"{base}.gitMinor": minor}
    return GoPackage(module, f"k8s.io/kubernetes/cmd/{name}", seconds, variables)


def _kubernetes() -> tuple[Tool, ...]:
    """The control plane and kubectl, of the version that the pinned Kubespray installs."""
    version = "1.35.4"
    archive = Download(
        "https://dl.k8s.io/v{version}/kubernetes-server-linux-{arch}.tar.gz",
        {
            "amd64": "sha512:7454c2d9023de3230972e965e1e2a587a291e2a1abee703bb0737057e1646b23"
            "ebac538b93dd778e93579e3c293dc1fa8d002e6848ad5ebc01598bc47358fe44",
            "arm64": "sha512:67187a2fe780be7816f9d10e082ed02cbba306bab379980280d00ba4c4017ff5"
            "3c50cd2ff81d248c91ddcc064276b8760e17c73a1a7da1d35067a6fc0ffbdc88",
        },
        member="kubernetes/server/bin/{name}",
    )
    kubectl = Download(
        "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kubectl",
        {
            "amd64": "sha256:b529430df69a688fd61b64ad2299edb5fd71cb58be2a4779dba624c7d3510efd",
            "arm64": "sha256:6a5a4cc4e396d7626a7a693a3044b51c75520f81db30fe6816c2554e53be336f",
        },
    )
    # kubectl may be one minor version older or newer than the API server (Kubernetes' version skew policy).
    return (
        *_control_plane(version, Range("1.35", "1.36"), "kubernetes", archive),
        Tool(
            "kubectl",
            version,
            Range("1.34", "1.37"),
            ("version", "--client"),
            download=kubectl,
            build=_kubernetes_package("kubernetes", version, "kubectl", 23),
        ),
    )


_HELM = Tool(
    "helm",
    "3.22.0",
    # 3.16 brought --skip-schema-validation; 4 changes defaults.
    Range("3.16", "4.0"),
    ("version", "--short"),
    download=Download(
        "https://get.helm.sh/helm-v{version}-linux-{arch}.tar.gz",
        {
            "amd64": "sha256:1e4ab49e429626cf6c6958d914248b78c9730803c2751b87627e171dc800e7bb",
            "arm64": "sha256:f14e804dfee240f55525b667488fe9adca349e63e00c9af634c0beb1421ac310",
        },
        member="linux-{arch}/helm",
    ),
    build=GoPackage(
        "helm", "helm.sh/helm/v3/cmd/helm", 80, variables={"helm.sh/helm/v3/internal/version.version": "v3.22.0"}
    ),
)

_ETCD = Tool(
    "etcd",
    "3.7.3",
    Range("3.5", "4.0"),
    ("--version",),
    build=GoPackage("etcd", "go.etcd.io/etcd/server/v3", 30),
)

_KWOK = Tool(
    "kwok",
    "0.8.0",
    Range("0.8", "0.9"),
    ("--version",),
    download=Download(
        "https://github.com/kubernetes-sigs/kwok/releases/download/v{version}/kwok-linux-{arch}",
        {
            "amd64": "sha256:f5a4385a2ae1b9dd7f8acae18e002a75c0ebba124ae9d7259aa8dadb50711f46",
            "arm64": "sha256:628f7d277860f524a2a775c217adcc58828e7b59ab0933680315784f1b8b0e37",
        },
    ),
    build=GoPackage(
        "kwok", "sigs.k8s.io/kwok/cmd/kwok", 72, variables={"sigs.k8s.io/kwok/pkg/consts.Version": "v0.8.0"}
    ),
)

_PEBBLE = Tool(
    "pebble",
    "2.10.1",
    Range("2.10", "2.11"),
    ("-version",),
    download=Download(
        "https://github.com/letsencrypt/pebble/releases/download/v{version}/pebble-linux-{arch}.tar.gz",
        {
            "amd64": "sha256:4f2fcb5bca8c85c9cf73ad140fccfc0d2be40bd81ab99879c79b7b8a0b4f70ed",
            "arm64": "sha256:b53fd072a69eb7692451de4e8b0667e0bdf5cccd7e36fc51b8eaf2fcc135ed9f",
        },
        member="pebble-linux-{arch}/linux/{arch}/pebble",
    ),
    build=GoPackage("pebble", "github.com/letsencrypt/pebble/v2/cmd/pebble", 5, variables={"main.version": "2.10.1"}),
)

# The oldest versions are Debian 12's, which are the ones that were tried.
_DEBIAN = (
    # The Proxmox builder of newer ones passes over loopback addresses, too, and the lab's relay knows 1.6 only.
    Tool("packer", "1.6.6", Range("1.6.6", "1.7"), ("--version",), debian=Debian(("packer",))),
    Tool("bwrap", "0.8.0", Range("0.8"), ("--version",), debian=Debian(("bubblewrap",))),
    Tool(
        "pdns_server",
        "4.7.3",
        Range("4.7"),
        ("--version",),
        debian=Debian(
            ("pdns-server", "pdns-backend-lmdb"),
            service="pdns.service",
            probe=("--no-config", "--list-modules"),
            expects="lmdb",
        ),
    ),
    Tool("nginx", "1.22.1", Range("1.22"), ("-v",), debian=Debian(("nginx-light",), service="nginx.service")),
)

TOOLS: tuple[Tool, ...] = (*_DEBIAN, *_pulumi(), *_kubernetes(), _ETCD, _KWOK, _HELM, _PEBBLE)
"""In the order in which a site needs them; what stops at once (a missing Debian package) comes first."""

FORMER_KUBERNETES = "1.34.5"
"""A version to upgrade from: what a site whose stack file names it is brought up with, and no other site needs."""

FORMER_TOOLS: tuple[Tool, ...] = _control_plane(
    # Exactly this one: a static pod asks for it by its image's tag.
    FORMER_KUBERNETES,
    Range(FORMER_KUBERNETES, "1.34.6"),
    "kubernetes-1.34",
    None,
)
