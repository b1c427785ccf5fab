"""What gunicorn serves: `eb_app.application:application`."""

import os

from .assembly import application_for

application = application_for(os.environ)
