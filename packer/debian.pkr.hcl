# The golden image: Debian 12 from its installer, unattended, as a Proxmox template that clones are
# made from. Options: https://developer.hashicorp.com/packer/integrations/hashicorp/proxmox/latest/components/builder/iso

packer {
  required_version = ">= 1.11.0"

  required_plugins {
    proxmox = {
      source  = "github.com/hashicorp/proxmox"
      version = "= 1.2.3"
    }
  }
}

source "proxmox-iso" "debian" {
  proxmox_url              = var.proxmox_url
  username                 = var.proxmox_username
  token                    = var.proxmox_token
  insecure_skip_tls_verify = var.insecure_skip_tls_verify
  task_timeout             = var.task_timeout

  node                 = var.node
  vm_id                = var.vm_id
  vm_name              = var.template_name
  template_name        = var.template_name
  template_description = var.description
  tags                 = "debian-12;oss-nextgen"

  os              = "l26"
  cpu_type        = "host"
  cores           = 2
  memory          = 2048
  scsi_controller = "virtio-scsi-single"

  # The agent is how Packer, and later the platform, learns the address that DHCP gave.
  qemu_agent = true

  # In ide2, which leaves ide0 to the cloud-init drive.
  boot_iso {
    type     = "ide"
    index    = "2"
    iso_file = var.iso_file
    unmount  = true
  }

  disks {
    type         = "scsi"
    storage_pool = var.disk_storage
    disk_size    = "${var.disk_gib}G"
    io_thread    = true
    discard      = true
    ssd          = true
  }

  network_adapters {
    model    = "virtio"
    bridge   = var.bridge
    vlan_tag = var.vlan
  }

  cloud_init              = true
  cloud_init_storage_pool = var.disk_storage

  http_bind_address = var.http_bind_address
  http_content = {
    "/preseed.cfg" = var.preseed
  }

  # Escape leaves the installer's menu for its "boot:" prompt. `auto` puts off every question until the
  # preseed is there. The network is up by then, so the host name has to be said here.
  boot_wait = var.boot_wait
  boot_command = [
    "<esc><wait>",
    "auto url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg",
    " hostname=${var.template_name} domain=localdomain",
    "<enter>",
  ]

  ssh_username = var.ssh_username
  ssh_password = var.ssh_password
  ssh_port     = var.ssh_port
  ssh_timeout  = var.ssh_timeout
}

build {
  sources = ["source.proxmox-iso.debian"]

  # In this order: seal.sh closes the door that Packer came in by.
  provisioner "shell" {
    execute_command = "sudo sh -eu {{ .Path }}"
    scripts = [
      "${path.root}/scripts/verify.sh",
      "${path.root}/scripts/updates.sh",
      "${path.root}/scripts/cloud-init.sh",
      "${path.root}/scripts/seal.sh",
    ]
  }
}
