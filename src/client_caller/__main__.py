"""`python -m client_caller` is the command line."""

from client_caller.cli import main

main()
