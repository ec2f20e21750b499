"""Authentik: users, groups, single sign-on and LDAP.

`Authentik` brings the server with its database; it serves what `blueprints` say, files that it applies by itself.
An application that speaks OpenID Connect is a client of it. `ForwardAuth` puts its sign-in before those that know no
users. `Ldap` is for those that know LDAP only.
"""

from components.socle.authentik.blueprints import Application
from components.socle.authentik.component import Authentik, AuthentikArgs

__all__ = ["Application", "Authentik", "AuthentikArgs"]
