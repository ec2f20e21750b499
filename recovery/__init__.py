"""Recover a stack after a run that was killed or failed: `python -m recovery STACK`.

A killed run leaves the stack locked, and operations that the state does not know the end of. One that failed may
leave a clone behind that never got as far as the state. What was being changed or removed is looked at again: it may
be gone, which the provider of the virtual machines takes for an error. The ids of all that the platform makes on
Proxmox and on the cluster derive from what it is made from, so each creation is looked up there:

- a virtual machine that bears the id and the name is removed: nothing was built on it yet;
- what a build of an image has left under its name is removed, unless it is a template already;
- an installer image, a storage, a backup job and an object on the cluster are adopted: they are complete, or become so;
- a Helm release that was being installed is installed again, and what it has made so far is taken over;
- what lives in the state alone, or adopts itself when it is made again, is forgotten.

The next `pulumi up` then converges. Do not run it while another run of the stack works.
"""
