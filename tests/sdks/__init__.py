"""The SDKs of Segment and RudderStack, unchanged, against the web process as production starts it."""
