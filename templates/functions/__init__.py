"""Source of inline Lambda functions and user data, which the layers embed in their templates."""
