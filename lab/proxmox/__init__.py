"""The lab's Proxmox VE site: the API, the VMs behind it, and what runs in them.

`api` is the server (fakepve, and what it leaves open), `guests` the machines that its VMs become,
`service` the process that holds both. fakepve is AGPL: nothing outside this package imports it.
"""
