"""gunicorn's settings; the address is in the Procfile.

Threads wait for the database, not for the processor. Not all of a process may (`BEANVAULT_DATABASE_POOL_SIZE`
and `BEANVAULT_DATABASE_WAITING`), so that there is always one for the health check.
"""

import os

from .settings import THREADS

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = THREADS
# A stop lets requests finish, the longest too (tests/unit/eb_app/test_timeouts_fit.py).
graceful_timeout = 50
timeout = 60
# nginx opens a connection for each request. Kept connections would be closed now and then just as nginx uses
# them again, and it may not repeat a POST.
keepalive = 0
worker_tmp_dir = "/dev/shm"  # noqa: S108 - the workers' heartbeat; on disk it would wait for the disk
# The app writes one line for each request itself.
accesslog = None
errorlog = "-"
# Beanstalk starts and stops the process: a socket that takes orders is one door too many.
control_socket_disable = True
