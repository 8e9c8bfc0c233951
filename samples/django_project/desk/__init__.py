"""The app: trades stored by a feed of its own process, and a copy trading task that people switch on a page."""
