"""Set up .venv: `python3 tools/set_up.py demo` for what the examples need, `dev` for what the tests need as well.

`make demo` and `make test` call it; without make, or on Windows, call it yourself. --cpu takes PyTorch's CPU build.
It runs before anything is installed, on any Python: it uses only the standard library, and syntax that Python 3.6
parses, so that an old Python prints a message instead of a SyntaxError.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from glob import glob
from importlib.util import find_spec

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WINDOWS = os.name == "nt"
OLDEST = (3, 11)
CPU_BUILD = "https://download.pytorch.org/whl/cpu"
#: profile: (what pip installs, what needs it, gigabytes on the disk with PyTorch's CPU build)
PROFILES = {"demo": (".[data,plots]", "examples", 1.3), "dev": (".[dev]", "tests", 1.8)}
CUDA_GIGABYTES = 5  # that PyTorch's CUDA build, which pip takes on Linux, needs in addition
LISTED_MEGABYTES = 5  # downloads at least this large get a line
NETWORK = r"Retrying \(|NewConnectionError|ConnectTimeout|name resolution|ProxyError|SSLError|Network is unreachable"


def check_python(version, find=shutil.which):
    """Return an error message for a Python that is too old, or None; it names a newer one that is installed."""
    if tuple(version[:2]) >= OLDEST:
        return None
    newer = [name for name in ("python3.13", "python3.12", "python3.11") if find(name)]
    if newer:
        way_on = f"run `make demo PYTHON={newer[0]}`, or `{newer[0]} tools/set_up.py demo`"
    else:
        way_on = "install a newer one (from python.org, your system's packages or conda), then run this again"
    return f"groundup needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and this is {version[0]}.{version[1]}: {way_on}."


def check_venv(version, find=find_spec):
    """Return an error message for a Python without the modules that create environments, or None."""
    missing = [name for name in ("venv", "ensurepip") if find(name) is None]
    if not missing:
        return None
    package = f"python{version[0]}.{version[1]}-venv"
    return f"this Python has no {missing[0]}: install it (Debian, Ubuntu: sudo apt install {package}), then try again."


def check_space(folder, gigabytes, usage=shutil.disk_usage):
    """Return an error message for a disk without space for the environment, or None."""
    free = usage(folder).free / 1e9
    if free >= gigabytes:
        return None
    return f"{folder} has {free:.1f} GB free, and .venv needs about {gigabytes:.1f} GB: make room, then try again."


def explain_failure(output, log):
    """Return an error message for a failure of pip, from its output."""
    if "No space left on device" in output:
        return "the disk is full: make room, then try again."
    if re.search(NETWORK, output):
        return "no package index can be reached: check the network (a proxy is set by https_proxy), then try again."
    if re.search(r"No matching distribution found for torch\b", output):
        return "PyTorch has no build for this Python and system: take a 64-bit Python 3.11 to 3.13."
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")] or ["it gave no reason"]
    return f"pip failed: {errors[-1]} (everything it printed is in {log})"


def describe(line):
    """Return what to print for a line of pip's output: a large download, the installation; or None."""
    download = re.match(r"\s*Downloading \S*?([A-Za-z][\w.]*)-\d\S* \(([\d.]+) ([MG])B\)", line)
    if download:
        megabytes = float(download.group(2)) * (1000 if download.group(3) == "G" else 1)
        return f"  downloading {download.group(1)}, {megabytes:.0f} MB" if megabytes >= LISTED_MEGABYTES else None
    if line.startswith("Installing collected packages"):
        return f"  installing {line.count(',') + 1} packages"
    return None


def run_pip(arguments, log):
    """Run pip, print its progress, keep its output in `log`; exit with a message if it fails."""
    command = [environment_python(), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--constraint", "constraints.txt", *arguments]
    output = []
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with open(log, "a", encoding="utf-8") as file:
        for line in process.stdout:
            output.append(line)
            file.write(line)
            described = describe(line)
            if described:
                print(described, flush=True)
    if process.wait():
        sys.exit("groundup: " + explain_failure("".join(output), log))


def environment_python():
    """The path of .venv's own Python."""
    return os.path.join(ROOT, ".venv", *(("Scripts", "python.exe") if WINDOWS else ("bin", "python")))


def has_torch():
    """Return True if PyTorch is installed in .venv, so that little is left to do."""
    folders = ("Lib",) if WINDOWS else ("lib", "python*")
    return bool(glob(os.path.join(ROOT, ".venv", *folders, "site-packages", "torch")))


def folder_gigabytes(folder):
    """Return the size of all files of a folder, in GB."""
    return sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names) / 1e9


def set_up(profile, cpu):
    """Create .venv if there is none and install what `profile` lists, printing the progress."""
    requirement, user, gigabytes = PROFILES[profile]
    venv, fresh = os.path.join(ROOT, ".venv"), not os.path.exists(environment_python())
    problem = (fresh and check_venv(sys.version_info)) or (not has_torch() and check_space(ROOT, gigabytes))
    if problem:
        sys.exit("groundup: " + problem)
    print(f"Setting up .venv with what the {user} need: about {gigabytes:.1f} GB", flush=True)
    if sys.platform.startswith("linux") and not cpu and not has_torch():
        print(f"(PyTorch for GPUs, which pip may choose on Linux, takes up to {CUDA_GIGABYTES} GB more; without a GPU,")
        print(f" press Ctrl-C and run: make {'demo' if profile == 'demo' else 'test'} TORCH=cpu)", flush=True)
    started = time.time()
    if fresh:
        subprocess.check_call([sys.executable, "-m", "venv", venv])
    log = os.path.join(venv, "pip.log")
    if cpu and not has_torch():
        with open(os.path.join(ROOT, "constraints.txt"), encoding="utf-8") as file:
            torch = next(line.strip() for line in file if line.startswith("torch=="))
        run_pip([torch, "--index-url", CPU_BUILD], log)
    run_pip(["--editable", requirement], log)
    for name in PROFILES if profile == "dev" else [profile]:  # the tests' packages include the examples'
        open(os.path.join(venv, "." + name), "w").close()
    print(f"Done in {time.time() - started:.0f} s: .venv takes {folder_gigabytes(venv):.1f} GB.")
    activation = r".venv\Scripts\activate" if WINDOWS else "source .venv/bin/activate"
    print(f"To use it in your shell, run: {activation}\n", flush=True)


def main(arguments):
    """Parse the command line; every error is one line."""
    too_old = check_python(sys.version_info)
    if too_old:
        sys.exit("groundup: " + too_old)
    if not arguments or arguments[0] not in PROFILES or arguments[1:] not in ([], ["--cpu"]):
        sys.exit("usage: python3 tools/set_up.py demo|dev [--cpu]")
    try:
        set_up(arguments[0], cpu=len(arguments) > 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"groundup: .venv cannot be made ({error}): remove the folder .venv, then try again.")


if __name__ == "__main__":
    main(sys.argv[1:])
