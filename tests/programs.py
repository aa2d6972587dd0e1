"""Run Python programs as a shell does, without waiting for PyTorch to be imported each time.

    done = python("examples/graph/cora.py", "--smoke", cwd=folder)        # as subprocess.run([sys.executable, ...])
    done.returncode, done.stdout, done.stderr

Importing PyTorch and its compiler takes six seconds, and the suite runs a hundred programs. So the first call starts a
server: a process that has imported what the project depends on, but nothing of the project itself. Each program runs
in a child forked from it, with its own arguments, environment, working directory, standard streams and exit code, and
imports the project as any program does. A few tests start an interpreter all the same, to know that this makes no
difference.
"""

import atexit
import functools
import gc
import importlib
import itertools
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from contextlib import suppress

#: What programs import, apart from the project. A module that is missing is left out.
IMPORTS = (
    *("numpy", "matplotlib.pyplot", "PIL.Image", "tqdm", "tyro", "jaxtyping", "safetensors.torch", "sklearn.datasets"),
    *("tokenizers", "torch", "torch._dynamo", "torch.distributed.fsdp", "torch.distributed.checkpoint.state_dict"),
    "torch.utils.tensorboard",
)


def python(*arguments, cwd=None, env=None, timeout=None):
    """Run `python ARGUMENTS` to its end; a `subprocess.CompletedProcess` with what it wrote, as text."""
    return start(*arguments, cwd=cwd, env=env).wait(timeout)


def start(*arguments, cwd=None, env=None):
    """Start `python ARGUMENTS`: a script, `-m module` or `-c code`, and what follows it."""
    return Program([str(argument) for argument in arguments], cwd, os.environ if env is None else env)


def ranks(count, *arguments):
    """Run a script in so many processes that train together, with the environment that torchrun gives them."""
    env = {**os.environ, "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [start(*arguments, env=env | {"RANK": str(i), "LOCAL_RANK": str(i)}) for i in range(count)]
    return [program.wait() for program in started]


def free_port():
    """A port that no process listens to, below those that the system gives to connections."""
    for port in itertools.count(10_000 + os.getpid() % 20_000):
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port


class Program:
    """A running program. `wait()` returns its `subprocess.CompletedProcess`."""

    def __init__(self, arguments, cwd, env):
        self.args = [sys.executable, *arguments]
        self._files = [tempfile.TemporaryFile("w+", encoding="utf-8") for _ in range(2)]  # noqa: SIM115 (wait closes)
        self._report, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as request, theirs:
            given = {"arguments": arguments, "cwd": os.fspath(cwd or os.getcwd()), "env": dict(env)}
            request.write(json.dumps(given).encode())
            request.seek(0)
            socket.send_fds(_server(), [b"."], [file.fileno() for file in (request, *self._files, theirs)])

    def wait(self, timeout=None):
        self._report.settimeout(timeout)
        with self._report, self._report.makefile() as report:
            status = report.read()
        assert status, "the server of programs has died"
        written = []
        for file in self._files:
            with file:
                file.seek(0)
                written.append(file.read())
        return subprocess.CompletedProcess(self.args, os.waitstatus_to_exitcode(int(status)), *written)


@functools.cache
def _server():
    """The socket of the server of this process; it ends with this process, which closes the other end."""
    ours, theirs = socket.socketpair()
    env = os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}  # threads cannot be forked
    with theirs:
        command = [sys.executable, __file__, str(theirs.fileno())]
        process = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    atexit.register(process.wait)
    atexit.register(ours.close)  # first
    return ours


def serve(requests):
    """Fork a child for each request, and return in the child, with the request. Ends when the socket is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the programs
    for name in IMPORTS:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # what is shared is not visited in the children
    while True:
        message, streams, _, _ = socket.recv_fds(requests, 1, 4)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            break
        for stream in streams:
            os.close(stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    requests.close()
    request, out, err, report = streams
    if program := os.fork():  # this process waits for the program, and reports how it ended
        _, status = os.waitpid(program, 0)
        os.write(report, str(status).encode())
        os._exit(0)
    os.close(report)
    os.dup2(out, 1)
    os.dup2(err, 2)
    with os.fdopen(request) as file:
        return json.load(file)


def become(arguments, cwd, env):
    """Run the program in this process, as the interpreter does that has just been started for it."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    random.seed()  # the children of one server would draw the same numbers
    if arguments[0] == "-m":
        sys.path[0], sys.argv = cwd, arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.path[0], sys.argv = "", ["-c", *arguments[2:]]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(arguments[1], "<string>", "exec"), main.__dict__)
    else:
        sys.path[0], sys.argv = os.path.dirname(os.path.abspath(arguments[0])), arguments
        runpy.run_path(os.path.abspath(arguments[0]), run_name="__main__")  # __file__ is absolute, as in a shell


def end(code):
    """Exit as the interpreter does, without freeing what is loaded, which takes longer than most programs."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main():
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        become(**request)
    except SystemExit as stop:
        if not isinstance(stop.code, int | None):
            sys.stderr.write(f"{stop.code}\n")
        end(stop.code if isinstance(stop.code, int) else int(stop.code is not None))
    except BaseException:
        traceback.print_exc()
        end(1)
    end(0)


if __name__ == "__main__":
    main()
