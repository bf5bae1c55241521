"""What a command tells the person who called it."""


class CommandFailed(Exception):
    """The command cannot do what was asked. The text goes to stderr as it is: no traceback, exit status 2."""
