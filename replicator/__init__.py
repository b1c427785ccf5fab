"""The replicator: a Lambda function that keeps secrets in AWS Secrets Manager current from Vault or OpenBao.

A run gathers metadata from both sides, plans without a single value, looks again at what it is about to
touch, and then applies one secret at a time. `docs/replicator.md` is its manual.
"""
