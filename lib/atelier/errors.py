"""The one exception that is meant for the person at the screen."""


class UserError(ValueError):
    """Something the user gave cannot be used; the message is one sentence that says what to do instead."""
