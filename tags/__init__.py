"""What we say of profiles: tags and scores."""
