"""The client that the Autobahn test suite's fuzzing server examines: ``python -m tests.autobahn_client URL AGENT``."""
