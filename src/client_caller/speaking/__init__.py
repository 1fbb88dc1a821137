"""How a reply becomes a voice."""
