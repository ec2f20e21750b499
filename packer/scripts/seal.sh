#!/bin/sh
# Last step: remove what would make clones alike, then close password login.
set -eu

apt-get clean
rm -rf /var/lib/apt/lists/*
# By the image's date a clone would be late with its updates, and make them at its first boot: Kubespray needs apt's lock then.
rm -f /var/lib/systemd/timers/stamp-apt-daily*

# cloud-init makes new ones at a clone's first boot.
cloud-init clean --logs
rm -f /etc/ssh/ssh_host_*

# Empty, not absent: systemd then makes a new identifier, and DHCP leases follow it.
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id

# Two initiators of one name corrupt each other's iSCSI sessions; open-iscsi makes one at its next start.
echo "GenerateName=yes" > /etc/iscsi/initiatorname.iscsi

# Packer came in with a password, so this is last. sshd takes the first value it reads, hence the low
# number: cloud-init's own file is 50-cloud-init.conf.
cat > /etc/ssh/sshd_config.d/10-keys-only.conf <<'END'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
END

# The build's traces
rm -f /root/.bash_history
find /var/log -type f -exec truncate -s 0 {} +
sync
echo "sealed"
