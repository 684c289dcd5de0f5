"""Files, read into the inbox."""
