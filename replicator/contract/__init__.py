"""What the function, the templates, the command line, the listener and the app agree on.

Pure, and of the standard library alone: `templates` and `beanvault` import it without the function's
libraries. The sample app cannot import it; a test compares the few words that it repeats.
"""
