"""One machine that carries all models: what it must hold, whether it does, and what runs on it in which order."""
