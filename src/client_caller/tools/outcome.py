"""What is known when a tool did not come to its end."""

from client_caller.errors import ToolFailed


class OutcomeUnknown(ToolFailed):
    """The tool may have done what it was called for, or not. It must not be run again for the same."""
