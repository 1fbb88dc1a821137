"""What sound is."""
