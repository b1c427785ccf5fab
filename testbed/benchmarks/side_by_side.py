"""The app with its credential layer and twice without, in one process.

In processes of their own, equal apps differ by a third here, depending on which processor each comes to share
with whom.
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
