"""Tables of what we send."""

from campaigns.models.campaign import Campaign, Content
from campaigns.models.delivery import Attempt, Delivery
from campaigns.models.suppression import Suppression

__all__ = ["Attempt", "Campaign", "Content", "Delivery", "Suppression"]
