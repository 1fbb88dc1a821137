"""Callers who test the agent."""
