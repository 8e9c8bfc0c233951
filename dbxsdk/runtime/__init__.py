"""What the process does to the package: forks, exit, signal handlers, servers that host threads, late imports."""
