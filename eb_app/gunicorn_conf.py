"""gunicorn's settings; the address is in the Procfile.

Threads wait for the database, not for the processor. `BEANVAULT_DATABASE_POOL_SIZE` and
`BEANVAULT_DATABASE_WAITING` keep their number below a process's threads, so that one is left for the health
check.
"""

import os

from .settings import THREADS

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = THREADS
# Longer than the longest request, which a stop lets finish (tests/unit/eb_app/test_timeouts_fit.py).
graceful_timeout = 50
timeout = 60
# nginx opens a connection for each request. A kept connection could be closed just as nginx reuses it, and
# nginx must not repeat a POST.
keepalive = 0
worker_tmp_dir = "/dev/shm"  # noqa: S108 - the workers' heartbeat must not wait for a disk
# The app logs one line for each request itself.
accesslog = None
errorlog = "-"
# Beanstalk starts and stops the process: a control socket is not needed.
control_socket_disable = True
