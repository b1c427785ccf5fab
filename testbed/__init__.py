"""What tests, demo and benchmarks run on. Never imported by the product, never deployed.

- `testbed/localaws/`: a local AWS, as a server process
- `servers/`: starts OpenBao, MariaDB and the local AWS; also alone (`python -m testbed.servers`)
- `testbed/demo/`: the whole flow on one machine (`./scripts/demo`), with load on the app's page
- `testbed/benchmarks/`: measurements (docs/benchmarks.md)
"""
