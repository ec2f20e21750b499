"""The socle and the name server under mocks: what each component declares, and what stays a secret."""

import asyncio
import hashlib
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from components.authority import InternalAuthority
from components.powerdns.server import PowerDns, PowerDnsArgs
from components.socle.component import volume_nodes
from components.socle.external_services import ExternalServices, ExternalServicesArgs
from components.socle.homepage import Homepage, HomepageArgs
from components.socle.longhorn import Longhorn, LonghornArgs
from components.socle.metallb import MetalLb, MetalLbArgs
from components.socle.namespaces import LEVELS, Namespaces
from components.socle.network_policies import NetworkPolicies, NetworkPoliciesArgs
from components.socle.nginx_ingress import NginxIngress, NginxIngressArgs
from components.socle.release import file_values
from components.socle.tls_secrets import TlsCertificate, TlsSecrets, TlsSecretsArgs
from policy import pods
from settings import AddressRange, Charts, ExternalService, Pool, Schedule, Services, Storage
from tests.component.mocks import Agreeing
from tests.unit.verify.pki import Ca

CHARTS = Charts()
SIGN_IN = "authentik/single-sign-on"
PEM = "-----BEGIN CERTIFICATE-----\n"
AUTHORITY = Ca("Proxmox").root
PUBLISHED = Services.model_validate({"ingress_address": "10.75.10.201", "dns_address": "10.75.10.200"})
INGRESS, DNS = IPv4Address("10.75.10.201"), IPv4Address("10.75.10.200")


class Mocks(Agreeing):
    def __init__(self) -> None:
        self.made: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made.append(args)
        outputs: dict[str, Any] = {}
        if args.typ == "random:index/randomPassword:RandomPassword":
            outputs = {"result": secret(f"password-of-{args.name}")}
        elif args.typ == "tls:index/privateKey:PrivateKey":
            outputs = {"privateKeyPem": secret(f"key-of-{args.name}")}
        elif args.typ.startswith("tls:index/"):
            outputs = {"certPem": f"{PEM}{args.name}", "certRequestPem": "request"}
        return args.name, {**args.inputs, **outputs}

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Inputs of the resources of a kind, by their names."""
        return {args.name: args.inputs for args in self.made if args.typ.rpartition(":")[2] == kind}

    def values(self) -> dict[str, Any]:
        """Values of the only release."""
        (release,) = self.of("Release").values()
        values: dict[str, Any] = release["values"]
        return values


def secret(value: str) -> dict[str, str]:
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": value}


@pytest.fixture
def mocks() -> Mocks:
    mocks = Mocks()
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        # A test that ran before with `asyncio.run` has left this thread without a loop.
        asyncio.set_event_loop(asyncio.new_event_loop())
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris", preview=False)
    return mocks


def declare(program: Callable[[], Any]) -> Any:
    """Run a program until all that it declares is there. Gives what the outputs that it returns became."""
    resolved: list[Any] = []
    test: Callable[[Callable[[], Any]], Callable[[], None]] = pulumi.runtime.test  # the SDK leaves it untyped
    test(lambda: pulumi.Output.from_input(program()).apply(resolved.append))()
    return resolved[0]


def test_namespaces_enforce_a_pod_security_level(mocks: Mocks) -> None:
    declare(lambda: Namespaces("namespaces", protection=True).names["powerdns"])
    labels = {name: inputs["metadata"]["labels"] for name, inputs in mocks.of("Namespace").items()}
    assert {name: each["pod-security.kubernetes.io/enforce"] for name, each in labels.items()} == {
        "metallb-system": "privileged",
        "longhorn-system": "privileged",
        "nginx-ingress": "restricted",
        "authentik": "restricted",
        "homepage": "restricted",
        "powerdns": "restricted",
    }


def test_a_release_is_the_pinned_chart_in_its_namespace(mocks: Mocks) -> None:
    declare(
        lambda: (
            Homepage(
                "homepage",
                HomepageArgs(CHARTS.homepage, "homepage", "paris", "ef-fr.dev", PUBLISHED, SIGN_IN, "nginx"),
            ).url
        )
    )
    (release,) = mocks.of("Release").values()
    assert (
        release.items()
        >= {
            "name": "homepage",
            "chart": "homepage",
            "version": "2.1.0",
            "repositoryOpts": {"repo": "https://jameswynn.github.io/helm-charts"},
            "namespace": "homepage",
            "createNamespace": False,
        }.items()
    )


def pools(mocks: Mocks, services: Services, last: str = "10.75.10.239") -> dict[str, Any]:
    """What MetalLB is told to give away."""
    mocks.made.clear()
    addresses = AddressRange(first=IPv4Address("10.75.10.200"), last=IPv4Address(last))
    args = MetalLbArgs(CHARTS.metallb, "metallb-system", addresses, services.reserved, ["powerdns"])
    declare(lambda: MetalLb("metallb", args).urn)
    return {name.removeprefix("metallb-"): inputs["spec"] for name, inputs in mocks.of("IPAddressPool").items()}


def test_metallb_keeps_the_reserved_addresses_for_who_asks(mocks: Mocks) -> None:
    assert pools(mocks, PUBLISHED) == {
        "platform": {
            "addresses": ["10.75.10.200-10.75.10.207"],
            "autoAssign": False,
            "serviceAllocation": {"namespaces": ["powerdns"]},
        },
        "shared": {"addresses": ["10.75.10.208-10.75.10.239"], "autoAssign": True},
    }
    (advertisement,) = mocks.of("L2Advertisement").values()
    assert advertisement["spec"] == {"ipAddressPools": ["platform", "shared"]}


@pytest.mark.parametrize("change", [{"ingress_address": "10.75.10.205"}, {"ldap_address": "10.75.10.202"}])
def test_no_address_goes_from_one_pool_to_another(mocks: Mocks, change: dict[str, str]) -> None:
    """MetalLB refuses pools that overlap, after each write: there would be no order in which to trade one."""
    changed = Services.model_validate({**PUBLISHED.model_dump(), **change})
    assert pools(mocks, changed) == pools(mocks, PUBLISHED)


@pytest.mark.parametrize(
    ("dns", "last", "expected"),
    [
        ("10.75.10.200", "10.75.10.207", {"platform": ["10.75.10.200-10.75.10.207"]}),
        ("10.75.10.200", "10.75.10.203", {"platform": ["10.75.10.200-10.75.10.203"]}),
        (
            "10.75.10.202",
            "10.75.10.219",
            {
                "platform": ["10.75.10.202-10.75.10.209"],
                "shared": ["10.75.10.200-10.75.10.201", "10.75.10.210-10.75.10.219"],
            },
        ),
    ],
)
def test_metallb_declares_no_empty_pool(mocks: Mocks, dns: str, last: str, expected: dict[str, list[str]]) -> None:
    services = Services.model_validate({"ingress_address": "10.75.10.203", "dns_address": dns})
    assert {name: spec["addresses"] for name, spec in pools(mocks, services, last).items()} == expected


@pytest.mark.parametrize(
    ("counts", "nodes"),
    [
        ({"control-plane": 3, "worker": 2}, 2),
        ({"control-plane": 3, "worker": 1, "storage": 2}, 3),
        ({"control-plane": 1}, 1),
    ],
)
def test_volumes_are_where_pods_run(counts: dict[Any, int], nodes: int) -> None:
    pools = [
        Pool(name=role, role=role, count=count, vm_id_offset=100 * number)
        for number, (role, count) in enumerate(counts.items(), start=1)
    ]
    assert volume_nodes(pools) == nodes


@pytest.mark.parametrize(("nodes", "replicas"), [(1, 1), (3, 3), (9, 3)])
@pytest.mark.parametrize("protection", [True, False])
def test_longhorn_follows_nodes_and_protection(mocks: Mocks, nodes: int, replicas: int, protection: bool) -> None:
    args = LonghornArgs(CHARTS.longhorn, "longhorn-system", nodes, protection, Storage())
    assert declare(lambda: Longhorn("longhorn", args).storage_class) == "longhorn"
    values = mocks.values()
    assert values["persistence"]["defaultClassReplicaCount"] == replicas
    assert values["defaultSettings"]["defaultReplicaCount"] == replicas
    assert values["defaultSettings"]["deletingConfirmationFlag"] is not protection
    assert values["defaultSettings"]["nodeDrainPolicy"] == "block-if-contains-last-replica"  # of the file


def test_a_volume_that_no_pod_has_just_now_is_copied_too(mocks: Mocks) -> None:
    """Longhorn passes such volumes over by itself, and dumps are on one: only a job's pod has it."""
    declare(lambda: longhorn(None).storage_class)
    assert mocks.values()["defaultSettings"]["allowRecurringJobWhileVolumeDetached"] is True


def test_volumes_follow_longhorn_to_its_new_engine(mocks: Mocks) -> None:
    """By itself it leaves them behind, and refuses the release after the next for that."""
    declare(lambda: longhorn(None).storage_class)
    assert mocks.values()["defaultSettings"]["concurrentAutomaticEngineUpgradePerNodeLimit"] >= 1


def longhorn(target: pulumi.Input[str] | None) -> Longhorn:
    storage = Storage(snapshots=Schedule(cron="0 */6 * * *", retain=4))
    return Longhorn("longhorn", LonghornArgs(CHARTS.longhorn, "longhorn-system", 3, False, storage, target))


def test_longhorn_takes_snapshots_of_every_volume(mocks: Mocks) -> None:
    declare(lambda: longhorn(None).storage_class)
    (job,) = mocks.of("RecurringJob").values()
    assert job["metadata"] == {"name": "snapshot", "namespace": "longhorn-system"}
    expected = {"task": "snapshot", "groups": ["default"], "cron": "0 */6 * * *", "retain": 4}
    assert job["spec"].items() >= expected.items()
    # Not left out: Longhorn would go on with the store that it had.
    assert mocks.values()["defaultBackupStore"] == {"backupTarget": "", "backupTargetCredentialSecret": ""}


def test_longhorn_backs_up_to_the_store_that_it_is_given(mocks: Mocks) -> None:
    declare(lambda: longhorn(pulumi.Output.from_input("nfs://10.75.20.101:/srv/longhorn")).storage_class)
    jobs = {job["spec"]["task"]: job["spec"] for job in mocks.of("RecurringJob").values()}
    assert jobs.keys() == {"snapshot", "backup"}
    assert (jobs["backup"]["cron"], jobs["backup"]["retain"]) == ("30 3 * * *", 14)
    expected = {"backupTarget": "nfs://10.75.20.101:/srv/longhorn", "backupTargetCredentialSecret": ""}
    assert mocks.values()["defaultBackupStore"] == expected


def test_the_ingress_controller_has_a_fixed_address_and_a_default_certificate(mocks: Mocks) -> None:
    default = "nginx-ingress/ef-fr-dev-tls"
    args = NginxIngressArgs(CHARTS.nginx_ingress, "nginx-ingress", INGRESS, 8080, 8443, default)
    ingress_class = declare(lambda: NginxIngress("nginx-ingress", args).ingress_class)
    controller = mocks.values()["controller"]
    assert ingress_class == controller["ingressClass"]["name"] == "nginx"
    assert controller["wildcardTLS"] == controller["defaultTLS"] == {"secret": default}
    service = controller["service"]
    assert service["annotations"] == {"metallb.io/loadBalancerIPs": "10.75.10.201"}
    assert (service["httpPort"], service["httpsPort"]) == ({"port": 8080}, {"port": 8443})
    assert service["externalTrafficPolicy"] == "Local"


def test_homepage_answers_to_its_name_and_to_the_probes(mocks: Mocks) -> None:
    published = PUBLISHED.model_copy(update={"https_port": 8443})
    args = HomepageArgs(CHARTS.homepage, "homepage", "paris", "ef-fr.dev", published, SIGN_IN, "nginx")
    assert declare(lambda: Homepage("homepage", args).url) == "https://home.ef-fr.dev:8443/"
    values = mocks.values()
    assert [variable["name"] for variable in values["env"]] == ["POD_IP", "HOMEPAGE_ALLOWED_HOSTS"]
    assert values["env"][1]["value"] == "$(POD_IP):3000,home.ef-fr.dev"
    ingress = values["ingress"]["main"]
    assert (ingress["ingressClassName"], ingress["tls"]) == ("nginx", [{"hosts": ["home.ef-fr.dev"]}])
    assert ingress["annotations"] == {"nginx.org/policies": SIGN_IN, "nginx.org/listen-ports-ssl": "8443,443"}


def powerdns() -> PowerDns:
    authority = InternalAuthority("authority", "paris")
    operators = [IPv4Network("10.75.10.0/24"), IPv4Network("10.9.0.0/16")]
    return PowerDns("powerdns", PowerDnsArgs("powerdns", "longhorn", authority, DNS, 53, 8443, operators, True))


def test_the_api_is_reached_over_tls_of_the_internal_authority(mocks: Mocks) -> None:
    def program() -> pulumi.Output[Any]:
        server = powerdns()
        return pulumi.Output.all(server.api_url, server.api_key, server.ca_certificate)

    assert declare(program) == ["https://10.75.10.200:8443", "password-of-powerdns-api-key", f"{PEM}authority"]
    tls = mocks.of("Secret")["powerdns-api-tls"]
    assert tls["type"] == "kubernetes.io/tls"
    assert opened(tls) == {"tls.crt": f"{PEM}powerdns-api", "tls.key": "key-of-powerdns-api"}
    assert mocks.of("CertRequest")["powerdns-api"]["ipAddresses"] == ["10.75.10.200"]
    assert mocks.of("SelfSignedCert")["authority"]["isCaCertificate"] is True
    proxy = mocks.of("ConfigMap")["powerdns-tls"]["data"]["nginx.conf"]
    rules = [line.strip() for line in proxy.splitlines() if line.strip().startswith(("allow", "deny"))]
    assert rules == ["allow 10.75.10.0/24;", "allow 10.9.0.0/16;", "deny all;"]


def test_dns_and_its_api_share_one_address(mocks: Mocks) -> None:
    declare(lambda: powerdns().api_url)
    service = mocks.of("Service")["powerdns"]
    assert service["metadata"]["annotations"] == {"metallb.io/loadBalancerIPs": "10.75.10.200"}
    spec = service["spec"]
    assert (spec["type"], spec["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    ports = [(port["port"], port["protocol"], port["targetPort"]) for port in spec["ports"]]
    assert ports == [(53, "UDP", "dns-udp"), (53, "TCP", "dns-tcp"), (8443, "TCP", "api")]


def test_the_zones_are_on_a_replicated_volume(mocks: Mocks) -> None:
    declare(lambda: powerdns().api_url)
    pod = mocks.of("StatefulSet")["powerdns"]["spec"]["template"]["spec"]
    (server, _) = pod["containers"]
    mounts = {each["mountPath"]: each["name"] for each in server["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    claim = volumes[mounts["/var/lib/powerdns"]]["persistentVolumeClaim"]["claimName"]
    assert mocks.of("PersistentVolumeClaim")[claim]["spec"]["storageClassName"] == "longhorn"
    configuration = mocks.of("ConfigMap")["powerdns"]["data"]["pdns.conf"]
    assert {"launch=lmdb", "lmdb-filename=/var/lib/powerdns/pdns.lmdb"} <= set(configuration.splitlines())


def test_the_api_key_is_in_a_secret_only(mocks: Mocks) -> None:
    declare(lambda: powerdns().api_url)
    assert opened(mocks.of("Secret")["powerdns"]) == {"api.conf": "api-key=password-of-powerdns-api-key\n"}
    assert "api-key" not in mocks.of("ConfigMap")["powerdns"]["data"]["pdns.conf"]


def test_a_new_key_or_certificate_restarts_the_server(mocks: Mocks) -> None:
    declare(lambda: powerdns().api_url)
    template = mocks.of("StatefulSet")["powerdns"]["spec"]["template"]
    digest = template["metadata"]["annotations"]["checksum/configuration"]
    contents = {
        **mocks.of("ConfigMap")["powerdns"]["data"],
        **mocks.of("ConfigMap")["powerdns-tls"]["data"],
        **opened(mocks.of("Secret")["powerdns"]),
        **opened(mocks.of("Secret")["powerdns-api-tls"]),
    }
    joined = "\0".join(f"{name}\0{text}" for name, text in sorted(contents.items()))
    assert digest == hashlib.sha256(joined.encode()).hexdigest()


def test_pods_that_we_write_follow_the_restricted_level(mocks: Mocks) -> None:
    declare(lambda: powerdns().api_url)
    sets = mocks.of("StatefulSet").values()
    assert len(sets) == 1
    for each in sets:
        pod = each["spec"]["template"]["spec"]
        assert pods.problems(pod) == []
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["readinessProbe"]
            assert container["livenessProbe"]


def test_what_nobody_opened_is_closed(mocks: Mocks) -> None:
    operators = [IPv4Network("10.75.10.0/24"), IPv4Network("10.9.0.0/16")]

    def program() -> pulumi.Output[Any]:
        namespaces = Namespaces("namespaces", protection=True).names
        return NetworkPolicies("policies", NetworkPoliciesArgs(namespaces, operators)).urn

    declare(program)
    policies = mocks.of("NetworkPolicy")
    assert {each["spec"]["policyTypes"][0] for each in policies.values()} == {"Ingress"}
    for namespace in LEVELS:
        closed = policies[f"{namespace}-closed"]
        assert closed["metadata"]["namespace"] == namespace
        assert closed["spec"] == {"podSelector": {"matchLabels": {}}, "policyTypes": ["Ingress"], "ingress": []}
    (dns,) = policies["powerdns-dns"]["spec"]["ingress"]
    assert dns == {"ports": [{"port": 5353, "protocol": "TCP"}, {"port": 5353, "protocol": "UDP"}]}
    (api,) = policies["powerdns-api"]["spec"]["ingress"]
    assert api["from"] == [{"ipBlock": {"cidr": "10.75.10.0/24"}}, {"ipBlock": {"cidr": "10.9.0.0/16"}}]
    (web,) = policies["homepage-web"]["spec"]["ingress"]
    assert web["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "nginx-ingress"}}}]
    assert web["ports"] == [{"port": 3000, "protocol": "TCP"}]


def test_an_api_without_operators_is_open_to_nobody(mocks: Mocks) -> None:
    def program() -> pulumi.Output[Any]:
        namespaces = Namespaces("namespaces", protection=True).names
        return NetworkPolicies("policies", NetworkPoliciesArgs(namespaces, [])).urn

    declare(program)
    # A rule without sources would be for all of them.
    assert mocks.of("NetworkPolicy")["powerdns-api"]["spec"]["ingress"] == []


def test_certificates_are_copied_into_a_namespace(mocks: Mocks) -> None:
    certificates = {
        "ef-fr.dev": TlsCertificate("chain-1", pulumi.Output.secret("key-1")),
        "ef-fr.io": TlsCertificate("chain-2", pulumi.Output.secret("key-2")),
    }

    def program() -> pulumi.Output[Any]:
        secrets = TlsSecrets("tls", TlsSecretsArgs(certificates, "maddy", "maddy"))
        return pulumi.Output.from_input([secrets.names, secrets.references])

    names, references = declare(program)
    assert names == {"ef-fr.dev": "ef-fr-dev-tls", "ef-fr.io": "ef-fr-io-tls"}
    assert references == {"ef-fr.dev": "maddy/ef-fr-dev-tls", "ef-fr.io": "maddy/ef-fr-io-tls"}
    made = mocks.of("Secret")
    assert {inputs["metadata"]["namespace"] for inputs in made.values()} == {"maddy"}
    assert opened(made["maddy.ef-fr-io-tls"]) == {"tls.crt": "chain-2", "tls.key": "key-2"}
    assert {inputs["type"] for inputs in made.values()} == {"kubernetes.io/tls"}


def external(**changes: Any) -> ExternalService:
    values = {
        "name": "proxmox",
        "host": "proxmox.ef-fr.dev",
        "address": "10.75.10.5",
        "port": 8006,
        "ca_certificate": AUTHORITY,
    }
    return ExternalService.model_validate({**values, **changes})


def publish(service: ExternalService) -> ExternalServices:
    secrets = {"ef-fr.io": "ef-fr-io-tls"}
    args = ExternalServicesArgs([service], PUBLISHED, "nginx-ingress", "nginx", secrets, "ef-fr.dev", SIGN_IN)
    return ExternalServices("external", args)


def test_an_external_service_is_one_endpoint_behind_an_ingress(mocks: Mocks) -> None:
    declare(lambda: publish(external()).urn)
    service, endpoints = mocks.of("Service")["proxmox"], mocks.of("EndpointSlice")["proxmox"]
    assert "selector" not in service["spec"]
    assert endpoints["metadata"]["labels"] == {"kubernetes.io/service-name": "proxmox"}
    assert endpoints["endpoints"] == [{"addresses": ["10.75.10.5"], "conditions": {"ready": True}}]
    assert service["spec"]["ports"] == endpoints["ports"] == [{"name": "https", "port": 8006}]
    ingress = mocks.of("Ingress")["proxmox"]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == [{"hosts": ["proxmox.ef-fr.dev"]}]
    (rule,) = ingress["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "proxmox", "port": {"number": 8006}}


@pytest.mark.parametrize(("host", "group"), [("proxmox.ef-fr.dev", "OSS"), ("proxmox.ef-fr.io", "Network Operations")])
def test_the_dashboard_shows_it_in_the_group_of_its_zone(mocks: Mocks, host: str, group: str) -> None:
    declare(lambda: publish(external(host=host)).urn)
    annotations = mocks.of("Ingress")["proxmox"]["metadata"]["annotations"]
    assert annotations["gethomepage.dev/group"] == group
    assert annotations["gethomepage.dev/href"] == f"https://{host}/"
    layout = file_values("homepage")["config"]["settings"]["layout"]
    assert group in [name for each in layout for name in each]


def test_its_certificate_is_checked(mocks: Mocks) -> None:
    declare(lambda: publish(external()).urn)
    annotations = mocks.of("Ingress")["proxmox"]["metadata"]["annotations"]
    assert annotations["nginx.org/ssl-services"] == "proxmox"
    assert annotations["nginx.org/websocket-services"] == "proxmox"
    assert annotations["nginx.org/policies"] == "proxmox-verify"
    assert annotations["nginx.org/client-max-body-size"] == "0"
    (policy,) = mocks.of("Policy").values()
    rules = policy["spec"]["egressMTLS"]
    assert (
        rules.items()
        >= {
            "verifyServer": True,
            "trustedCertSecret": "proxmox-ca",
            "sslName": "proxmox.ef-fr.dev",
            "serverName": True,
        }.items()
    )
    authority = mocks.of("Secret")["proxmox-ca"]
    assert (authority["type"], opened(authority)) == ("nginx.org/ca", {"ca.crt": AUTHORITY})


@pytest.mark.parametrize(
    ("changes", "policies"),
    [
        ({}, "proxmox-verify"),
        ({"sso": True}, "authentik/single-sign-on,proxmox-verify"),
        ({"sso": True, "verify": False}, "authentik/single-sign-on"),
    ],
)
def test_people_sign_in_where_it_is_asked_for(mocks: Mocks, changes: dict[str, Any], policies: str) -> None:
    declare(lambda: publish(external(**changes)).urn)
    assert mocks.of("Ingress")["proxmox"]["metadata"]["annotations"]["nginx.org/policies"] == policies


@pytest.mark.parametrize(
    ("changes", "annotations"),
    [
        ({"verify": False}, {"nginx.org/ssl-services"}),
        ({"scheme": "http"}, set()),
        ({}, {"nginx.org/ssl-services", "nginx.org/policies"}),
    ],
)
def test_only_what_is_asked_for_is_checked(mocks: Mocks, changes: dict[str, Any], annotations: set[str]) -> None:
    declare(lambda: publish(external(**changes)).urn)
    present = mocks.of("Ingress")["proxmox"]["metadata"]["annotations"].keys()
    assert present & {"nginx.org/ssl-services", "nginx.org/policies"} == annotations
    assert bool(mocks.of("Policy")) is ("nginx.org/policies" in annotations)


@pytest.mark.usefixtures("mocks")
def opened(made: dict[str, Any]) -> dict[str, Any]:
    """The content of a Secret."""
    content = rpc.unwrap_rpc_secret(made["stringData"])
    return {key: rpc.unwrap_rpc_secret(value) for key, value in content.items()}
