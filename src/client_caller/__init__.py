"""Client Caller: AI that talks on the telephone."""
