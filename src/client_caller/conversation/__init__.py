"""Who has the floor."""
