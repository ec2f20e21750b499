#!/bin/sh
# Hand the network and the identity of a clone over to cloud-init, fed by Proxmox's cloud-init drive.
set -eu

# Without the list, cloud-init looks for every cloud's metadata service before it gives up.
cat > /etc/cloud/cloud.cfg.d/90-proxmox.cfg <<'END'
datasource_list: [NoCloud, ConfigDrive]
END

# The installer's own stanza for the interface would start a second DHCP client beside cloud-init's.
cat > /etc/network/interfaces <<'END'
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback
END
echo "cloud-init reads the Proxmox drive"
