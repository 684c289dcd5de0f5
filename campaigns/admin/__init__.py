"""The pages of campaigns, their deliveries, the outbox, and addresses not to be written to."""

from campaigns.admin import campaign, delivery, imports, suppressions

__all__ = ["campaign", "delivery", "imports", "suppressions"]
