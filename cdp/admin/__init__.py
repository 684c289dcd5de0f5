"""The platform's pages: people, roles, tokens and runs."""

from cdp.admin import people, runs, tokens

__all__ = ["people", "runs", "tokens"]
