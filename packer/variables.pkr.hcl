# Every variable comes from the environment (PKR_VAR_<name>): a command line can be read by anyone on
# the machine. A variable without a default is required.

# --- Proxmox VE -------------------------------------------------------------------------------------

variable "proxmox_url" {
  type        = string
  description = "API of the cluster, with its path: https://pve1.example:8006/api2/json."
}

variable "proxmox_username" {
  type        = string
  description = "User and token identifier: user@realm!tokenid."
}

variable "proxmox_token" {
  type        = string
  sensitive   = true
  description = "Secret of the token (a UUID)."
}

variable "insecure_skip_tls_verify" {
  type        = bool
  default     = false
  description = "Accept any certificate of the API."
}

variable "task_timeout" {
  type        = string
  default     = "10m"
  description = "How long one Proxmox task may take. The plugin's own default, one minute, is short for slow storage."
}

variable "node" {
  type        = string
  description = "Proxmox node that builds and keeps the template."
}

variable "vm_id" {
  type        = number
  description = "VMID of the template. It must be free: an existing VM is never replaced."
}

variable "template_name" {
  type        = string
  description = "Name of the template, a DNS name. It is the host name of the build VM too."
}

variable "description" {
  type        = string
  description = "What the Proxmox interface shows about the template."
}

variable "iso_file" {
  type        = string
  description = "Debian 12 installer in a Proxmox storage: local:iso/debian-12.12.0-amd64-netinst.iso."
}

variable "disk_storage" {
  type        = string
  description = "Storage of the disk and of the cloud-init drive."
}

variable "disk_gib" {
  type        = number
  description = "Size of the disk in GiB. A clone may have a larger one: its root file system grows at first boot."
}

variable "bridge" {
  type        = string
  description = "Bridge of the build VM. Its network needs DHCP, and a route to the machine that runs Packer."
}

variable "vlan" {
  type        = string
  default     = ""
  description = "VLAN tag of the build VM; empty for none."
}

# --- Installation -----------------------------------------------------------------------------------

variable "preseed" {
  type        = string
  sensitive   = true
  description = "Answers to the Debian installer: preseed.cfg.j2, rendered. Passwords are crypt hashes."
}

variable "http_bind_address" {
  type        = string
  default     = ""
  description = "Address that Packer serves the preseed on, and that the VM fetches it from; empty lets Packer choose."
}

variable "boot_wait" {
  type        = string
  default     = "5s"
  description = "From power-on to the installer's menu, which waits for a key."
}

# --- Access -----------------------------------------------------------------------------------------

variable "ssh_username" {
  type        = string
  description = "User that the preseed makes, who may use sudo without a password."
}

variable "ssh_password" {
  type        = string
  sensitive   = true
  description = "Password of that user. The finished image accepts keys only."
}

variable "ssh_port" {
  type        = number
  default     = 22
  description = "Port of the SSH server, as the preseed sets it."
}

variable "ssh_timeout" {
  type        = string
  default     = "30m"
  description = "From the boot command to the first login: the whole installation."
}
