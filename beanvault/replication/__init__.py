"""The replicator as an operator reaches it: its function, its connection secret, what is current."""
