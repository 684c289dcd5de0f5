"""The platform's pages: people, roles, tokens, runs and webhooks."""

from cdp.admin import people, runs, tokens, webhooks

__all__ = ["people", "runs", "tokens", "webhooks"]
