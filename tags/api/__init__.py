"""Tags and scores over HTTP."""
