"""From the reader thread to user code: queues and their overflow policies, callbacks, iterators, order books."""
