"""The one exception whose message is meant for the person who made the request."""


class InputError(ValueError):
    """Something that was asked for, or given, cannot be used.

    The message is one sentence that names the input, says what was expected and what to do. Pages
    show it as it is; the command line prints it on standard error and exits with code 2. Anything
    else that is raised is a defect of the program and is logged whole.
    """
