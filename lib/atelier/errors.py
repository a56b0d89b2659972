"""The one exception that is meant for the person at the screen, and what that person reads about any other."""


class UserError(ValueError):
    """Something that the user gave cannot be used. The message is one sentence that says what to do instead."""


class NotYet(UserError):
    """Something is still missing that the user can only give on the page, such as a stroke on a pad: no mistake."""


def sentence(error: Exception) -> str:
    """An error of any kind in one sentence for the person at the screen."""
    return str(error) if isinstance(error, UserError) else f"This ended in an error ({type(error).__name__}: {error})."
