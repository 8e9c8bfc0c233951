"""The project: its settings and addresses. What it does is in the app ``desk``."""
