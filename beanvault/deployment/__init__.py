"""Deploying all layers: pre-flight checks, order, and the template parameters known only at that time."""
