"""Webhooks: the feeds of changes, sent to addresses that asked for them, signed as Standard Webhooks says."""
