"""The app with its credential layer and twice without it, in one process.

In separate processes equal apps differ by a third, depending on how the processors are shared.
"""

from __future__ import annotations

import os

from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from eb_app.factory import application_for
from testbed.benchmarks import plain_app

application = DispatcherMiddleware(
    NotFound(),
    {
        "/with": application_for(os.environ),
        "/without": plain_app.application,
        "/again": plain_app.application_for(os.environ),
    },
)
