"""What a task asks of the store for its messages: to be unique, and not to be too many at a time.

A key is text. In the records of stores it has no ``% | ; ,``, control characters or lone surrogates: these are escaped,
with backslashes (:mod:`alsek.core.keys.texts`).
"""
