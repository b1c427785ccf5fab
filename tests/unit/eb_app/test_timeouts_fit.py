"""Story of eb_app/gunicorn_conf.py, eb_app/database.py, templates/environment_options.py and
.platform/nginx/.

Each hop's time-out is longer than that of the hop behind it.
"""

from __future__ import annotations

import re
from typing import Any

from eb_app import gunicorn_conf
from eb_app.database import POOL_TIMEOUT_SECONDS
from eb_app.database_login import CONNECT_TIMEOUT_SECONDS, LOGIN_TIMEOUT_SECONDS, STATEMENT_TIMEOUT_SECONDS
from eb_app.factory import AWS
from eb_app.request_slots import SLOT_TIMEOUT_SECONDS
from eb_app.settings import MAX_WAIT_SECONDS
from tests.project import ROOT
from tests.unit.templates.renders import resource

PLATFORM = ROOT / ".platform" / "nginx" / "conf.d"

LOGIN = CONNECT_TIMEOUT_SECONDS + LOGIN_TIMEOUT_SECONDS
LONGEST = (
    SLOT_TIMEOUT_SECONDS
    + MAX_WAIT_SECONDS
    # The last attempt can begin just before the wait ends. At worst it waits for a connection whose
    # replacement can't log in; that connection doesn't answer the ping; and after another login the statement
    # times out.
    + POOL_TIMEOUT_SECONDS
    + LOGIN
    + LOGIN_TIMEOUT_SECONDS
    + LOGIN
    + STATEMENT_TIMEOUT_SECONDS
)
"""Seconds; after one time-out there is no other attempt."""


def seconds(file: str, directive: str) -> int:
    found = re.search(rf"^\s*{directive} (\d+)s;", (PLATFORM / file).read_text(), re.MULTILINE)
    assert found, directive
    return int(found[1])


def load_balancer_idle() -> int:
    attributes = resource("production", "edge", "LoadBalancer")["LoadBalancerAttributes"]
    (value,) = [each["Value"] for each in attributes if each["Key"] == "idle_timeout.timeout_seconds"]
    return int(value)


def deregistration_delay() -> int:
    options = resource("production", "environment", "Environment")["OptionSettings"]
    (value,) = [each["Value"] for each in options if each["OptionName"] == "DeregistrationDelay"]
    return int(value)


def test_the_app_answers_before_nginx_gives_up_and_nginx_before_the_load_balancer() -> None:
    nginx = seconds("elasticbeanstalk/00_application.conf", "proxy_read_timeout")
    assert LONGEST < nginx < load_balancer_idle()


def test_a_stop_lets_the_longest_request_finish() -> None:
    assert gunicorn_conf.graceful_timeout > LONGEST


def test_a_deployment_lets_the_longest_request_finish() -> None:
    """The load balancer cuts requests off when the delay ends: it has to last as long as nginx waits."""
    nginx = seconds("elasticbeanstalk/00_application.conf", "proxy_read_timeout")
    assert LONGEST < nginx < deregistration_delay()
    assert load_balancer_idle() <= deregistration_delay()


def test_the_first_read_fits_while_secrets_manager_hangs() -> None:
    """A process that starts then fails its first read after two attempts, and has no credential."""
    config: Any = AWS  # botocore sets its attributes at run time
    one = config.connect_timeout + config.read_timeout
    tries = config.retries["total_max_attempts"]
    first_read = tries * one + (tries - 1) * 1  # botocore's pause before the second is at most a second
    assert first_read < LONGEST - SLOT_TIMEOUT_SECONDS - MAX_WAIT_SECONDS - POOL_TIMEOUT_SECONDS


def test_nginx_keeps_connections_longer_than_the_load_balancer() -> None:
    """Otherwise the load balancer uses one that is being closed, and answers 502."""
    assert seconds("https.conf", "keepalive_timeout") > load_balancer_idle()
