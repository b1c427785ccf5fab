"""Each hop waits longer than the one behind it, and waiting requests never fill a process."""

from __future__ import annotations

import re
from pathlib import Path

from eb_app import gunicorn_conf
from eb_app.database import POOL_TIMEOUT
from eb_app.login import ANSWER_TIMEOUT, CONNECT_TIMEOUT
from eb_app.settings import Settings

PLATFORM = Path(__file__).parents[3] / ".platform" / "nginx" / "conf.d"
DEFAULTS = Settings.from_environ({"BEANVAULT_DATABASE_HOST": "h", "BEANVAULT_DATABASE_SECRET": "s"})
LOAD_BALANCER_IDLE = 60


def seconds(file: str, directive: str) -> int:
    found = re.search(rf"^\s*{directive} (\d+)s;", (PLATFORM / file).read_text(), re.MULTILINE)
    assert found, directive
    return int(found[1])


def test_the_app_answers_before_nginx_gives_up_and_nginx_before_the_load_balancer() -> None:
    """The last attempt may begin just before the wait is over, and then has its own time-outs."""
    longest = DEFAULTS.wait + POOL_TIMEOUT + CONNECT_TIMEOUT + ANSWER_TIMEOUT
    nginx = seconds("elasticbeanstalk/00_application.conf", "proxy_read_timeout")
    assert longest < nginx < LOAD_BALANCER_IDLE


def test_a_stop_lets_the_longest_wait_end() -> None:
    """gunicorn's grace covers the wait for a credential and one answer."""
    assert DEFAULTS.wait + ANSWER_TIMEOUT + CONNECT_TIMEOUT < gunicorn_conf.graceful_timeout


def test_nginx_keeps_connections_longer_than_the_load_balancer() -> None:
    """Else the load balancer uses one that is just being closed, and answers 502."""
    assert seconds("https.conf", "keepalive_timeout") > LOAD_BALANCER_IDLE


def test_waiting_requests_leave_threads_for_health_checks_and_living_connections() -> None:
    """At most half of the threads wait."""
    assert DEFAULTS.waiting <= gunicorn_conf.threads / 2
    assert DEFAULTS.pool_size < gunicorn_conf.threads - DEFAULTS.waiting
