"""The WSGI application, for ``runserver``, gunicorn and every other server."""

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# It serves the style sheets, too, which is enough for the few people at a desk. A site for more leaves them to the server
# in front (``collectstatic``) and takes ``get_wsgi_application()`` as it is.
application = StaticFilesHandler(get_wsgi_application())
