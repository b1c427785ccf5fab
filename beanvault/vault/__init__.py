"""Vault's side of a deployment: initialisation, mounts, policy, login, and a check of the login."""
