"""A function that sets the application's database up: its schema and its users, who have no password yet."""
