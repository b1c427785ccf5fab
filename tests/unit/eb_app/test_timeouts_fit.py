"""Each hop waits longer than the one behind it, and waiting requests never fill a process."""

from __future__ import annotations

import re
from pathlib import Path

from eb_app import gunicorn_conf
from eb_app.database import POOL_TIMEOUT
from eb_app.factory import AWS
from eb_app.login import ANSWER_TIMEOUT, CONNECT_TIMEOUT, LOGIN_ANSWER_TIMEOUT
from eb_app.request_slots import SLOT_TIMEOUT_SECONDS
from eb_app.settings import LONGEST_WAIT

PLATFORM = Path(__file__).parents[3] / ".platform" / "nginx" / "conf.d"
LOAD_BALANCER_IDLE = 60

LOGIN = CONNECT_TIMEOUT + LOGIN_ANSWER_TIMEOUT
LONGEST = (
    SLOT_TIMEOUT_SECONDS
    + LONGEST_WAIT
    # The last attempt may begin just before that is over. At worst it queues for a connection, whose
    # replacement isn't let in, which is silent itself, and after whose replacement the statement is.
    + POOL_TIMEOUT
    + LOGIN
    + LOGIN_ANSWER_TIMEOUT
    + LOGIN
    + ANSWER_TIMEOUT
)
"""Seconds; a server that is silent once is not asked again."""


def seconds(file: str, directive: str) -> int:
    found = re.search(rf"^\s*{directive} (\d+)s;", (PLATFORM / file).read_text(), re.MULTILINE)
    assert found, directive
    return int(found[1])


def test_the_app_answers_before_nginx_gives_up_and_nginx_before_the_load_balancer() -> None:
    nginx = seconds("elasticbeanstalk/00_application.conf", "proxy_read_timeout")
    assert LONGEST < nginx < LOAD_BALANCER_IDLE


def test_a_stop_lets_the_longest_request_end() -> None:
    """Gunicorn's grace covers it as well."""
    assert gunicorn_conf.graceful_timeout > LONGEST


def test_a_process_that_starts_while_secrets_manager_hangs_fits_as_well() -> None:
    """Its first read fails after two tries, and then there is nothing to log in with."""
    one = AWS.connect_timeout + AWS.read_timeout
    tries = AWS.retries["total_max_attempts"]
    first_read = tries * one + (tries - 1) * 1  # botocore's pause before the second is at most a second
    assert first_read < LONGEST - SLOT_TIMEOUT_SECONDS - LONGEST_WAIT - POOL_TIMEOUT


def test_nginx_keeps_connections_longer_than_the_load_balancer() -> None:
    """Else the load balancer uses one that is just being closed, and answers 502."""
    assert seconds("https.conf", "keepalive_timeout") > LOAD_BALANCER_IDLE
