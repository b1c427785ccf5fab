"""Vault's side of a deployment: initialisation, mounts, policy, login, and the proof that they fit."""
