"""What an agent can do beyond talking: its tools, and the box that they are called from."""
