"""The session's machine, driven without threads, locks and clocks, beside a model of a venue that may do anything.

* ``acts``: what users, the venue and time do, each as a name and a few small numbers: so a run can be played again without
  some of its acts, and what is left at the end is the shortest that breaks a promise;
* ``driver``: carries the machine's effects out as the session's threads do;
* ``venue``, ``wire``: the other end. Each update has a number, so that what is missing is a fact;
* ``promises``: what must hold after each act, and once the venue is quiet;
* ``course``: runs from a seed, and their shortening; ``test_machine`` has the same acts as rules of ``hypothesis``;
* ``breaks``: defects put into the machine on purpose, each of which has to be found.

``python -m tests.machine`` is the long form.
"""
