"""How gunicorn serves the project: ``gunicorn`` alone, in this folder, finds this file."""

wsgi_app = "project.wsgi"
bind = "127.0.0.1:8000"
worker_class = "gthread"
# Each worker has a connection to DBot of its own, once it has sent its first request; none has a feed.
workers = 2
threads = 4
