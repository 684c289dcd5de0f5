"""The HTTP API under /api/v1/: what all its endpoints share. Each app brings its own in `<app>/api/`."""
