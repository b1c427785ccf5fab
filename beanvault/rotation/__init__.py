"""Rotation of the app's database credential without an invalid credential in between.

There are three strategies, each a function `rotate(...)` in a module of its own: two users that take turns
(`alternating`, the default), one user with two passwords (`dual`), and Vault's static roles (`static_role`).
All follow one order: the new credential logs in over TLS before it is published; Vault is written with
check-and-set; the replicated version is `AWSCURRENT` before anything old is discarded. A rotation can be
interrupted anywhere and run again: it first checks whether Vault's current version has been replicated, and
completes that before it changes anything.
"""
