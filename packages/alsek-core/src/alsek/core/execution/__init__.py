"""Running one message through one task.

::

    open_claimed(claimed, …)           what the store handed out becomes a delivery, with its task
        │
        ▼ Opened (a delivery, and the reason if it must not run)
    attempt(task, delivery)            middleware, and in it pre_op, function, post_op, do_callback: the user's code,
        │                              under the timeout
        ▼ Attempt (a result, or an exception)
    conclude(task, delivery, attempt)  decides how the attempt ends; never raises
        │
        ▼ Conclusion (an outcome for the store, and the status that it means)
    the worker's next step             the store accepts the outcome, or refuses it
        │
        ▼
    send_notice(notice)                for each status tracker that the store does not write itself, and each
                                       middleware that hears of ends

None of these functions waits, or knows of threads and processes. The outcome is built from the delivery, not from the
message object that the user's code is given.
"""
