"""Names of accounts and groups that a machine has without us, and that the platform's own account cannot have.

An account brings a group of its name. Debian's installer asks for another name where one is reserved (user-setup,
/usr/lib/user-setup/reserved-usernames), and an unattended one waits for the answer for ever; Kubespray takes the shell
from accounts of its own.
"""

from __future__ import annotations

from typing import Final

_BASE = """
    adm audio backup bin cdrom daemon dialout dip disk fax floppy games gnats irc kmem list lp mail man news nobody
    nogroup operator plugdev proxy root sasl shadow src staff sudo sync sys tape tty users utmp uucp video voice
    www-data
"""
"""Of Debian's base-passwd, /usr/share/base-passwd."""

_PACKAGES = """
    crontab input kvm messagebus netdev polkitd render sgx sshd statd systemd-coredump systemd-journal systemd-network
    systemd-resolve systemd-timesync etcd kube kube-cert pdns
"""
"""Of the image's packages, of Kubespray, and of the backup server's name server."""

_RESERVED = """
    admin alias asterisk bind ceph cupsys dcc dhcp dictd dnsmasq dovecot fetchmail firebird ftn ftp fuse gdm grsec-proc
    grsec-sock-all grsec-sock-clt grsec-sock-srv grsec-tpe haclient hacluster haldaemon hplilp identd jwhois klog
    libvirt-qemu lpadmin mysql mythtv netplan opensrf powerdev qmail qmaild qmaill qmailp qmailq qmailr qmails radvd
    saned sbuild scanner slocate slurm ssh ssl-cert sslwrap syslog tac-plus telnetd tftpd vchkpw vpopmail
"""
"""What the installer keeps for packages besides."""

TAKEN: Final = frozenset((_BASE + _PACKAGES + _RESERVED).split())
