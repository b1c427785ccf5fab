"""One module for each of Vault's engines that secrets are replicated from."""
