#!/bin/sh
# Stop the build here rather than a cluster later: what the platform needs of the image.
set -eu

# Kubespray reaches the machine with these, Longhorn stores with those, cloud-init makes it itself, and signatures of zones,
# one-time passwords and tokens need the time. The installer goes on where it could not install the last one.
required="openssh-server sudo python3 qemu-guest-agent cloud-init cloud-guest-utils open-iscsi nfs-common systemd-timesyncd \
    unattended-upgrades"

missing=""
for package in $required; do
    # shellcheck disable=SC2016  # ${Status} is dpkg-query's, not the shell's
    status=$(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "not installed:$missing. See pkgsel/include and pkgsel/update-policy in preseed.cfg.j2." >&2
    exit 1
fi

# On an MBR, growpart 0.33 leaves the root file system as it is where the disk has more than 2 TiB; only the boot log tells.
label=$(lsblk --noheadings --nodeps --output PTTYPE /dev/sda)
if [ "$label" != gpt ]; then
    echo "the disk's partition table is of type '$label', not gpt: see partman-partitioning/default_label in preseed.cfg.j2." >&2
    exit 1
fi

. /etc/os-release
if [ "$ID-$VERSION_ID" != "debian-12" ]; then
    echo "this is $ID $VERSION_ID, and the platform is tested on Debian 12: check iso_file." >&2
    exit 1
fi
echo "Debian $(cat /etc/debian_version), packages present, disk with a GPT"
