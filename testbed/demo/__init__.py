"""The whole flow on one machine: ./scripts/demo sets it up and runs `python -m testbed.demo`."""
