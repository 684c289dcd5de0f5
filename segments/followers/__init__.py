"""How memberships, standings and their history follow a merge, a split and an erasure."""
