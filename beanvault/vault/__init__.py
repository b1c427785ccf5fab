"""Vault's side of a deployment, for HashiCorp Vault and OpenBao: initialise, mounts, policy, login, and
their proof.
"""
