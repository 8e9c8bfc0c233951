"""What was missed is fetched over REST, and given out in its place: each item once, between what came before and after.

``twin`` says what REST has of a channel, ``merge`` decides what is given out and when (pure), ``filler`` drives it on the
thread that runs a subscription's callback, with a thread of its own for REST.
"""
