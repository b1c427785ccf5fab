"""Whether the running deployment is hardened: each control, read from the account's own APIs."""
