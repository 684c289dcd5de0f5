"""Segments and tiers over HTTP."""
