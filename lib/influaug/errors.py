"""The one error that users of this library are meant to read."""


class InputError(ValueError):
    """Something given from outside is wrong: a parameter, a file, an array.

    The message is one sentence that says what was wrong and what would be right. The batch runner and notebooks show
    that sentence alone.
    """

    def _render_traceback_(self):
        """What IPython shows in place of a traceback."""
        return [f"InputError: {self}"]
