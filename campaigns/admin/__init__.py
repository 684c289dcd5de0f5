"""The pages of campaigns, their deliveries and the outbox."""

from campaigns.admin import campaign, delivery, imports

__all__ = ["campaign", "delivery", "imports"]
