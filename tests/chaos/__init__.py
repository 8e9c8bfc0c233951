"""Whether each request has exactly one outcome, and the right one, when everything fails: ``python -m tests.chaos``.

Threads place thousands of orders through real sockets while the venue answers late, refuses, stays silent or hangs up
before or after it carried an order out, and the network breaks connections in mid-frame. What the venue's own books
say afterwards is the truth that outcomes are judged by.

============= =================================================================================
``venues``    local venues that deal out a fate to each order
``storm``     what happens to the connections meanwhile
``rounds``    one client, one venue, many threads; the outcomes beside what the venue did
``__main__``  more of it, as a table
============= =================================================================================
"""
