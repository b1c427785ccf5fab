"""The deployed replicator from the operator's side: its function, its connection secret, its results."""
