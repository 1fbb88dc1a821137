"""How a reply is found."""
