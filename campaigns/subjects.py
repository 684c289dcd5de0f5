"""Campaigns, by name, where runs speak of them."""

from campaigns.models import Campaign
from campaigns.services.plan import PLAN_CAMPAIGN
from cdp.subjects import by_key, name_family

name_family(PLAN_CAMPAIGN, by_key(Campaign))
