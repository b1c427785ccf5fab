"""Deploying all layers: pre-flight checks, order, and the parameters that are known only then."""
