"""What gunicorn serves: `eb_app.application:application`."""

import os

from .factory import application_for

application = application_for(os.environ)
