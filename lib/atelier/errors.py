"""The one exception that is meant for the person at the screen."""


class UserError(ValueError):
    """Something that the user gave cannot be used. The message is one sentence that says what to do instead."""
