"""The steps by which the ledger's tables came to what they are; `database.py` takes those that are missing.

There is no way back: a ledger is restored from a backup, never downgraded, since that could drop what must be kept.
"""
