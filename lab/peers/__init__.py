"""Our zones and certificates beside those of octoDNS and certbot, on the same servers: part of `make bench`.

`python -m lab.peers` runs this part alone. It prints the figures and writes them to `docs/benchmarks.md`.
"""
