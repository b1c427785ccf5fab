"""Code of inline functions; the layers put these files' text into their templates."""
