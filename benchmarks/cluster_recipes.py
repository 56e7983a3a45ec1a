"""The recipes of `docs/how_to/cluster.md` for SSH and SLURM on this machine, against a map of one process.

An OpenSSH server with a scratch key listens on the loopback interface; SLURM with a scratch configuration has this
machine as its only node. Both are started here and stopped at the end, and nothing of the system's configuration is
used or changed. The sample cube is mapped in blocks of 16 pixels by the Python recipe, and with SSH also by
`geosoil map --cluster`. The figure is the number of files of which a pixel differs. A recipe whose programs
(openssh-server; slurm-wlm and munge, as root) or packages (asyncssh; dask-jobqueue) are not installed is skipped.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio
from measure import report

from geosoil.workflows.demo import sample_data
from geosoil.workflows.map import map_cube

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from distributed import Client

CUBE, MODEL, BLOCK = sample_data("gf5") / "gf5.tif", "as_svr", 16
HOST = "127.0.0.1"
PATIENCE_SECONDS = 120.0
SSHD_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv PYTHONPATH
"""
SLURM_CONFIG = """
ClusterName=scratch
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def main() -> None:
    """Run each recipe that can run here, and compare its maps with that of this process."""
    recipes = {"ssh": (missing_for_ssh, maps_by_ssh), "slurm": (missing_for_slurm, maps_by_slurm)}
    held = []
    for name, (missing, maps) in recipes.items():
        lacking = missing()
        if lacking:
            print(f"cluster_{name} skipped: {', '.join(lacking)} not installed")
            continue
        with tempfile.TemporaryDirectory() as folder:
            expected = Path(folder) / "local.tif"
            map_cube(CUBE, MODEL, expected)
            print(f"map of one process: pixels {hash_of_pixels(expected)}, trust {hash_of_pixels(trust_of(expected))}")
            different = 0
            for path in maps(Path(folder)):
                hashes = [(hash_of_pixels(of(path)), hash_of_pixels(of(expected))) for of in (Path, trust_of)]
                different += sum(here != there for here, there in hashes)
                print(f"map by {path.stem}: pixels {hashes[0][0]}, trust {hashes[1][0]}")
        held.append(report(f"cluster_{name}", different, "files", 0))
    sys.exit(not all(held))


def maps_by_ssh(folder: Path) -> Iterator[Path]:
    """Yield maps by the Python recipe and by `geosoil map --cluster` on workers that were started over SSH."""
    from distributed import SSHCluster

    paths = os.environ.get("PYTHONPATH", "")
    with (
        ssh_server(folder) as (port, options),
        SSHCluster(
            [HOST, HOST, HOST],
            connect_options={"port": port, "env": {"PYTHONPATH": paths}, **options},
            worker_options={"nthreads": 1},
            scheduler_options={"dashboard": False},
        ) as cluster,
    ):
        with cluster.get_client() as client:
            yield mapped_by(client, folder / "ssh.tif")
        output = folder / "ssh_command_line.tif"
        command = [sys.executable, "-m", "geosoil_cli.main", "map", "--model", MODEL, "--block", str(BLOCK)]
        command += ["--cube", str(CUBE), "-o", str(output), "--cluster", cluster.scheduler_address]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield output


def maps_by_slurm(folder: Path) -> Iterator[Path]:
    """Yield the map by the Python recipe on workers that are jobs of SLURM."""
    with slurm(folder):
        from dask_jobqueue import SLURMCluster

        with SLURMCluster(
            cores=1,
            processes=1,
            memory="1500MB",
            walltime="00:10:00",
            interface="lo",
            local_directory=str(folder),
            log_directory=str(folder),
            scheduler_options={"dashboard": False},
        ) as cluster:
            cluster.scale(jobs=2)
            with cluster.get_client() as client:
                path = mapped_by(client, folder / "slurm.tif")
                print(subprocess.run(["squeue", "-h"], check=True, capture_output=True, text=True).stdout.rstrip())
                yield path


def mapped_by(client: Client, path: Path) -> Path:
    """Map the cube by two workers of a client, in blocks that are small enough for both to have some."""
    client.wait_for_workers(2, timeout=PATIENCE_SECONDS)
    start = time.perf_counter()
    map_cube(CUBE, MODEL, path, cluster=client, block=BLOCK)
    print(f"{path.stem}: {len(client.scheduler_info()['workers'])} workers, {time.perf_counter() - start:.1f} s")
    return path


def missing_for_ssh() -> list[str]:
    """Return what the SSH recipe lacks on this machine."""
    return [name for name in ("sshd", "ssh-keygen") if not program(name)] + lacking_packages("asyncssh")


def missing_for_slurm() -> list[str]:
    """Return what the SLURM recipe lacks on this machine."""
    programs = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "squeue") if not program(name)]
    root = [] if os.geteuid() == 0 else ["slurmd that may run as root"]
    return [*programs, *lacking_packages("dask_jobqueue"), *root]


def lacking_packages(*names: str) -> list[str]:
    """Return the packages of Python that are not installed."""
    return [f"the package {name.replace('_', '-')}" for name in names if find_spec(name) is None]


def program(name: str) -> str | None:
    """Return the path of a program, also of one that only administrators usually call."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


@contextmanager
def ssh_server(folder: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Run an OpenSSH server with scratch keys; yield its port and the options by which a client of it connects."""
    for name in ("host_key", "user_key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd, run by root, wants this empty folder
    port = free_port()
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(port=port, folder=folder))
    kind, key, *_ = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[{HOST}]:{port} {kind} {key}\n")
    with running("sshd", "-D", "-e", "-f", str(folder / "sshd_config")):
        wait_until(lambda: answers(port), "the SSH server to answer")
        user = {"username": getpass.getuser(), "client_keys": [str(folder / "user_key")]}
        yield port, {**user, "known_hosts": str(folder / "known_hosts")}


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Run munge, the controller and one node of SLURM with a configuration of their own, also for its commands."""
    host = socket.gethostname()
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    controller_port, node_port = free_port(), free_port()
    config = folder / "slurm.conf"
    ports = {"controller_port": controller_port, "node_port": node_port}
    config.write_text(SLURM_CONFIG.format(host=host, folder=folder, **ports))
    of_munge = [f"--{name}={folder / 'munge'}.{name[:4]}" for name in ("pid-file", "log-file", "seed-file")]
    of_munge += [f"--key-file={folder / 'munge.key'}", f"--socket={folder / 'munge.socket'}"]
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(config)
    try:
        with ExitStack() as opened:
            opened.enter_context(running("munged", "--foreground", "--force", *of_munge))
            wait_until((folder / "munge.socket").exists, "munge to start")
            opened.enter_context(running("slurmctld", "-D", "-f", str(config)))
            opened.enter_context(running("slurmd", "-D", "-f", str(config), "-N", host))
            wait_until(lambda: "idle" in node_state(), "a node of SLURM to be idle")
            yield
    finally:
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before


def node_state() -> str:
    """Return the state of the node of SLURM; empty while the controller does not answer."""
    return subprocess.run(["sinfo", "-h", "-o", "%T"], check=False, capture_output=True, text=True).stdout


@contextmanager
def running(name: str, *arguments: str) -> Iterator[None]:
    """Run a program until the end of the `with`; what it prints is shown if it ends before."""
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen([str(program(name)), *arguments], stdout=printed, stderr=printed)
        try:
            yield
        except BaseException:
            printed.seek(0)
            print(f"{name}, exit code {process.poll()}:\n{printed.read()}", file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)


def run(name: str, *arguments: str) -> None:
    """Run a program to its end."""
    subprocess.run([str(program(name)), *arguments], check=True)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; raises TimeoutError if it does not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            msg = f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}"
            raise TimeoutError(msg)
        time.sleep(0.1)


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Return whether a server listens on a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def trust_of(path: Path) -> Path:
    """Return the path of the trust map beside a map."""
    return path.with_name(f"{path.stem}_trust.tif")


def hash_of_pixels(path: Path) -> str:
    """Return the first digits of the SHA-256 of all bands of a raster."""
    with rasterio.open(path) as raster:
        return hashlib.sha256(raster.read().tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    main()
