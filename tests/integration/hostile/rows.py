"""User code that does what it should not, and how its message must end: rows, to be added to.

Each row is a few lines of a user's module. The tests run them on each pool and each store beside innocent neighbours.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from typing import Any, NamedTuple


class Task(NamedTuple):
    """A task that hurts nobody but itself, also in a thread pool.

    Attributes:
        name: Of the row and of the task.
        body: Of the function.
        ends: The name of the exception that its message fails with, or what it returns, as a tuple of one.
        base: The body of its class, if it has one of its own.
        options: Of the decorator, beside the defaults.
        pools: Where it is run.
        alarm: Whether it is right that the pool's log has a CRITICAL line.
    """

    name: str
    body: str
    ends: str | tuple[Any]
    base: str = ""
    options: str = ""
    pools: tuple[str, ...] = ("thread", "process")
    alarm: bool = False


class Module(NamedTuple):
    """What a module does to its process when it is imported. All tasks go on as if it had not.

    Attributes:
        name: Of the row.
        body: Of the module.
        stores: Where it is run: on both if it may matter to the clients of a store.
    """

    name: str
    body: str
    stores: tuple[str, ...] = ("sqlite",)


BOTH = ("sqlite", "redis")


FINE = ("fine",)

TASKS = [
    # Raises:
    Task("raises SystemExit", "raise SystemExit(3)", "SystemExit"),
    Task("raises KeyboardInterrupt", "raise KeyboardInterrupt", "KeyboardInterrupt"),
    Task("raises GeneratorExit", "raise GeneratorExit", "GeneratorExit"),
    Task("raises a BaseException", "raise type('Own', (BaseException,), {})", "Own"),
    Task("raises an exception group", "raise BaseExceptionGroup('g', [SystemExit(3)])", "BaseExceptionGroup"),
    Task("raises what is no exception", "raise 3", "TypeError"),
    Task("raises a text that exits", "raise type('Bad', (Exception,), {'__str__': sys.exit})", "Bad"),
    Task("raises a text that is no text", "raise type('Bad', (Exception,), {'__str__': lambda _: 3})", "Bad"),
    Task("raises a text of 10 MB", "raise ValueError('x' * 10_000_000)", "ValueError"),
    Task("raises lone surrogates", r"raise ValueError('\ud800')", "ValueError"),
    Task(
        "raises a class whose metaclass exits",
        "raise type('M', (type,), {'__name__': property(sys.exit)})('Bad', (Exception,), {})",
        "Bad",
    ),
    Task(
        "raises an exception whose class property exits",
        "raise type('Bad', (Exception,), {'__class__': property(sys.exit)})",
        "Bad",
    ),
    Task(
        "raises from a cause whose text exits",
        "raise ValueError from type('Bad', (Exception,), {'__str__': sys.exit})()",
        "ValueError",
    ),
    Task(
        "raises at the end of a long chain of causes",
        """
        error = None
        for n in range(2_000):
            following = ValueError(n)
            following.__cause__ = error
            error = following
        raise error
        """,
        "ValueError",
    ),
    Task("recurses without end", "def again(): again()\nagain()", "RecursionError"),
    Task("asks for all memory", "return bytearray(2**62)", "MemoryError"),
    # Returns:
    Task("returns what can't be serialized", "return object()", "SerializationError"),
    Task(
        "returns what exits when it is serialized",
        "return type('Exits', (dict,), {'items': lambda self: sys.exit(3)})(a=1)",
        "SerializationError",
    ),
    Task("returns itself", "result = []\nresult.append(result)\nreturn result", "SerializationError"),
    # Hooks:
    *(
        Task(
            f"{hook} exits",
            "return 'fine'" if hook == "on_success" else "raise ValueError",
            ends,
            base=f"def {hook}(self, *details): raise SystemExit(3)",
        )
        for hook, ends in (
            ("pre_op", "SystemExit"),
            ("do_retry", "ValueError"),
            ("on_failure", "ValueError"),
            ("on_success", FINE),
        )
    ),
    Task(
        "post_op exits",
        "return 'fine'",
        "SystemExit",
        base="def post_op(self, *details): raise SystemExit(3)",
    ),
    # Does not end:
    Task(
        "ignores its timeout",
        """
        for _ in range(30):
            try:
                time.sleep(0.05)
            except BaseException:
                pass
        return 'fine'
        """,
        "TaskTimeoutError",
        options="timeout=300",
    ),
    Task(
        "leaves a thread behind",
        "threading.Thread(target=time.sleep, args=(1,)).start()\nreturn 'fine'",
        FINE,
    ),
    Task(
        "leaves a thread behind that raises",
        "threading.Thread(target=lambda: 1 / 0).start()\nreturn 'fine'",
        FINE,
    ),
    Task("leaves a process behind", "subprocess.Popen(['sleep', '1'])\nreturn 'fine'", FINE),
    # Forks:
    Task("forks, and the child exits", "os.fork() or os._exit(3)\nreturn 'fine'", FINE),
    Task("forks, and the child raises", "if not os.fork():\n    raise ValueError\nreturn 'fine'", FINE),
    Task("forks, and the child returns", "os.fork()\nreturn 'fine'", FINE),
    Task(
        "uses multiprocessing",
        "process = multiprocessing.get_context('fork').Process(target=int)\nprocess.start()\nprocess.join()\n"
        "return 'fine'",
        FINE,
    ),
    # Changes its process:
    Task(
        "breaks logging",
        "logging.getLogger().addFilter(sys.exit)\nlogging.getLogger().handlers[0].addFilter(sys.exit)\n"
        "raise ValueError",
        "ValueError",
    ),
    Task("removes all log handlers", "logging.getLogger().handlers.clear()\nraise ValueError", "ValueError"),
    Task(
        "breaks log records",
        "logging.setLogRecordFactory(lambda *args, **kwargs: sys.exit(3))\nraise ValueError",
        "ValueError",
    ),
    Task("closes standard streams", "sys.stdout.close()\nsys.stderr.close()\nraise ValueError", "ValueError"),
    Task(
        "freezes the clocks, as tools for tests do",
        """
        reals = {name: getattr(time, name) for name in ("monotonic", "monotonic_ns", "time", "time_ns")}
        fakes = {
            id(real): lambda real=real, later=3e8 if name in ("time", "monotonic") else 3 * 10**17: real() + later
            for name, real in reals.items()
        }
        replaced = [
            (module, name, value)
            for module in list(sys.modules.values())
            if module.__name__ == "time" or module.__name__.startswith("alsek")
            for name, value in list(vars(module).items())
            if id(value) in fakes
        ]
        for module, name, value in replaced:
            setattr(module, name, fakes[id(value)])
        time.sleep(1)
        for module, name, value in replaced:
            setattr(module, name, value)
        return "fine"
        """,
        FINE,
    ),
    Task("replaces standard streams", "sys.stdout = sys.stderr = None\nraise ValueError", "ValueError"),
    Task("makes sockets impatient", "socket.setdefaulttimeout(0.001)\nreturn 'fine'", FINE),
    Task("changes its folder", "os.chdir('/')\nreturn 'fine'", FINE),
    Task("forgets its environment", "os.environ.clear()\nreturn 'fine'", FINE),
    Task("makes files private", "os.umask(0o777)\nreturn 'fine'", FINE),
    Task("seeds the random numbers", "random.seed(0)\nreturn 'fine'", FINE),
    Task("turns warnings into errors", "warnings.simplefilter('error')\nreturn 'fine'", FINE),
    Task("turns the collector off", "gc.disable()\nreturn 'fine'", FINE),
    Task(
        "blocks signals",
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nreturn 'fine'",
        FINE,
    ),
    Task("handles signals", "signal.signal(signal.SIGTERM, print)\nreturn 'fine'", FINE, pools=("process",)),
    Task(
        "replaces exception hooks",
        "sys.excepthook = threading.excepthook = sys.exit\nraise ValueError",
        "ValueError",
    ),
    Task(
        "closes all files",
        "os.closerange(3, 1_000)\nreturn 'fine'",
        "WorkerLostError",
        pools=("process",),
        alarm=True,
    ),
    Task("kills itself", "os.kill(os.getpid(), signal.SIGKILL)", "WorkerLostError", pools=("process",)),
    Task("exits at once", "os._exit(0)", "WorkerLostError", pools=("process",)),
    Task("ends its process group", "os.killpg(0, signal.SIGKILL)", "WorkerLostError", pools=("process",)),
]

MODULES = [
    Module("makes sockets impatient", "socket.setdefaulttimeout(0.3)", BOTH),
    Module(
        "has a log filter that raises",
        "handler = logging.StreamHandler(sys.stderr)\n"
        "handler.addFilter(lambda record: record.levelno < 30 or record.user != 'bot')\n"
        "logging.getLogger().addHandler(handler)",
    ),
    Module(
        "has a log filter that exits, and logs all",
        "handler = logging.StreamHandler(sys.stderr)\nhandler.addFilter(sys.exit)\n"
        "logging.getLogger().addHandler(handler)\nlogging.getLogger('alsek').setLevel(logging.DEBUG)",
    ),
    Module("closes standard streams", "sys.stdout.close()\nsys.stderr.close()"),
    Module(
        "replaces standard streams",
        "sys.stdout = sys.stderr = type('Stream', (), {'flush': lambda self: None, 'write': sys.exit})()",
    ),
    Module(
        "changes signals",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGCHLD))",
        BOTH,
    ),
    Module(
        "changes signals in a start hook",
        "@on_worker_start\ndef handle():\n    signal.signal(signal.SIGTERM, print)\n    signal.set_wakeup_fd(-1)\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))",
    ),
    Module("makes files private", "os.umask(0o077)"),
    Module("turns warnings into errors", "warnings.simplefilter('error')", BOTH),
    Module("has exit handlers that exit", "atexit.register(sys.exit, 3)"),
    Module("has few frames", "sys.setrecursionlimit(150)", BOTH),
    Module("has at-fork handlers that exit", "os.register_at_fork(after_in_child=sys.exit, before=sys.exit)"),
]

#: What a parent may hand down to a pool that it starts.
PARENTS: dict[str, Callable[[], object]] = {
    "ignores SIGHUP and SIGINT": lambda: [
        signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGINT)
    ],
    "ignores all signals": lambda: [
        signal.signal(number, signal.SIG_IGN)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP, signal.SIGINT}
    ],
    "blocks all signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()),
    "has no standard streams": lambda: os.closerange(0, 3),
    "has a strict umask": lambda: os.umask(0o077),
    "allows few files": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    "allows small files": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**22, 2**22)),
}
