"""A function that creates the app's schema and database users, which have no known password yet."""
