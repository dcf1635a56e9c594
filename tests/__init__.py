"""The tests; a package of its own, because some distributions install a `tests` beside theirs."""
