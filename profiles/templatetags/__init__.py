"""Template filters of the profiles app."""
