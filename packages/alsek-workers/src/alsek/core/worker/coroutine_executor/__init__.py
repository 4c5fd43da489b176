"""The executor of a thread pool's coroutines: runs jobs of ``async def`` tasks on the event loop of the group.

::

    engine's thread                     thread of the loop                      threads for hooks
    start(job) ──► handed over   ──►    open the message                 ──►    the status RUNNING, if a tracker
                                        run the attempt                  ◄──    elsewhere is told of it
                                        conclude, if no code of the      ──►    conclude otherwise: hooks, result
                                        user's may block                        store elsewhere, failures
    collect()      ◄── finished ◄──────────────────────────────────────────┘
    on_outcome()   ───────────────────────────────────────────────────────►    send the pending notices

A job past its deadline is cancelled, and abandoned if it does not end.
"""
