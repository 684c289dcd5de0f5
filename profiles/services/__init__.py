"""What the doorways call."""
