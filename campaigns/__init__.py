"""What we send: campaigns, their contents and the delivery ledger."""
