"""The command line: every command and option, exit status and error, as a user sees them."""
