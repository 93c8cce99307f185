"""The one kind of error that a person, not a programmer, can mend."""


class MendableError(Exception):
    """Data or configuration that can't be used; the message says what is wrong, where, and how to mend it.

    `kedro run` ends with the message alone; any other exception is a defect of the program and shows its traceback.
    """
