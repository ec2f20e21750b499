"""The socle: what every site's cluster carries for the applications on it.

The order, and what carries it:

1. `Namespaces`; everything below is given its namespace by it. `NetworkPolicies` close them.
2. `MetalLb` and `Longhorn`, side by side.
3. `components.powerdns.server.PowerDns`, which needs an address (`depends_on` the whole `MetalLb`: no output
   comes from its pools) and a volume (`Longhorn.storage_class`); then the zones, then the certificates.
4. `TlsSecrets`, once there are certificates.
5. `NginxIngress`, which does not start without the default certificate (`TlsSecrets.names`), and needs an
   address (`depends_on` `MetalLb`, as above).
6. `Authentik`, by `NginxIngress.ingress_class`: the policy of its sign-in is a kind of the controller's chart. It
   needs a volume, and a certificate for LDAP.
7. `Homepage` and `ExternalServices`, by `Authentik.policy`, behind which they are.
"""

from components.socle.component import Socle, SocleArgs
from components.socle.tls_secrets import TlsSecrets

__all__ = ["Socle", "SocleArgs", "TlsSecrets"]
