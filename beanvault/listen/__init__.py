"""Push: Vault's audit records in, replication requests out."""
