"""The whole flow on one machine: `python -m demo`, or ./scripts/demo, which does all the set-up first."""
