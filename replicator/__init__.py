"""The replicator: a Lambda function that keeps secrets in AWS Secrets Manager current from Vault or OpenBao.

A run gathers metadata from both sides, plans without a single value, checks again each secret that it is
about to change, and then applies the changes. `docs/replicator.md` is its manual.
"""
