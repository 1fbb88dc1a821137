"""Who may be called, when, and who is next. It decides of its arguments alone, and performs nothing."""
