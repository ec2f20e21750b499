"""A cluster of every role."""

from components.kubernetes.inventory import Cluster, Node

MASTERS = [Node(f"paris-masters-{n}", f"10.75.10.{100 + n}", "control-plane") for n in (1, 2, 3)]
WORKER = Node("paris-workers-1", "10.75.10.111", "worker")
STORE = Node("paris-store-1", "10.75.10.121", "storage")
CLUSTER = Cluster(
    nodes=[*MASTERS, WORKER, STORE],
    api_server="10.75.10.10",
    version="1.35.4",
    pod_cidr="10.233.64.0/18",
    service_cidr="10.233.0.0/18",
    user="ossng",
    ssh_port=22,
)
