"""What tests, demo and benchmarks run on. Never imported by the product, never deployed.

- `localaws/`: a local AWS, as a server process
- `servers/`: starts OpenBao, MariaDB and the local AWS; also alone (`python -m testbed.servers`)
- `demo/`: the whole flow on one machine (`./scripts/demo`)
- `benchmarks/`: measurements (docs/benchmarks.md)
- `site.py`, `load.py`: the app's page, and load on it, for demo and benchmarks
"""
