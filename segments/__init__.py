"""Who belongs where: segments and tiers."""
