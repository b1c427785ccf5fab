"""The deployment as CloudFormation templates: one module per layer, and the typed deployment file.

Imports nothing: who only reads a deployment file needs no template library.
"""
