"""The demo: a generator of a shop and the story told over it."""
