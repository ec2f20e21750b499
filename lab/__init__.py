"""The embedded lab: the platform's program, unmodified, against servers on this machine's loopback."""
