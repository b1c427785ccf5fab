"""Rotation of the app's database credential such that no request ever meets an invalid one.

Three ways, each a function `rotate(...)` in a module of its own: two users that take turns (`alternating`,
the default), one user with two passwords (`dual`), and Vault's own static roles (`static_role`). All follow
one order: the new credential logs in over TLS before it is published; Vault is written with check-and-set;
the replicated version is `AWSCURRENT` before anything old is discarded. All can be repeated after dying
anywhere: they look first at whether what Vault holds has been replicated, and finish that before they begin
anything.
"""
