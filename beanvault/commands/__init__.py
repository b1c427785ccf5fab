"""The verbs of `beanvault`, one a file: options, what they need, one call into the library, its result
printed.
"""
