"""What must be kept for ever: calls, consents, who must not be called, orders, campaigns."""
