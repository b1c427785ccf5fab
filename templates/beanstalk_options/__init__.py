"""Beanstalk's option settings: which options exist, which values each takes, and a setting."""
