#!/bin/sh
# What a machine's unattended upgrades leave alone. They never reboot it: that is Debian's default. They restart a service with its
# own package only (needrestart, which restarts what uses a changed library, is none of their dependencies), and containerd and
# the kubelet are Kubespray's, not Debian's.
set -eu

# Its upgrade restarts iscsid, and the Longhorn volumes that are attached then can grow no more: longhorn/longhorn#10544 on
# GitHub. It comes with the next image.
cat > /etc/apt/apt.conf.d/52oss-nextgen <<'END'
Unattended-Upgrade::Package-Blacklist { "open-iscsi$"; };
END
echo "security updates come by themselves, without a reboot, and none of open-iscsi"
