"""Deleting a deployment: deletion protection, what no stack holds, what is kept and still costs."""
