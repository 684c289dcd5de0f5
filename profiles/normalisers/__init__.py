"""Normalisers: one file each, found by autodiscovery; `profiles/identity/normalise.py` has the registry."""
