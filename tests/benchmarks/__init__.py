"""Speed beside other clients, measured: ``python -m tests.benchmarks [--quick] [--json] [ROW ...]``.

A server in a process of its own floods clients, each in a fresh process of its own on another core. Where rows are
compared, their sides take turns, and the medians of several rounds count. Needs the extras ``test`` and ``bench``; what is
not installed is left out, and the table says so.

======================== ======================================================================
``rows``                 what is compared with what, and the targets
``server``               the venues' side
``clients``              one function a client; runs in the measured process
``running``              starts the processes, takes turns
``table``                medians, ratios and targets, as text and as JSON
======================== ======================================================================
"""
