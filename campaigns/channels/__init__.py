"""Channels: the ways out, one a file. `base` says what one is; importing a module registers its channel."""
