"""Tables of what we send."""

from campaigns.models.campaign import Campaign, Content
from campaigns.models.delivery import Attempt, Delivery

__all__ = ["Attempt", "Campaign", "Content", "Delivery"]
