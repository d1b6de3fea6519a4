"""Debian's Slurm on this machine: one node, two made-up GPUs, everything on the loopback address.

The configuration has to lie in /etc/slurm: the executor plugin's job step drops all ``SLURM_*``
variables, ``SLURM_CONF`` too, before it calls ``srun``. A configuration that is not this module's
own is never touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "munged")
ETC = Path("/etc/slurm")
MARK = "# one node for the tests of trainfree\n"
MUNGE = Path("/run/munge")
# Slurm calls a node lost after this many seconds without its daemon.
NODE_TIMEOUT = 10
SLURM_CONF = """\
ClusterName=trainfree
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout={timeout}
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MinJobAge=86400
GresTypes=gpu
CommunicationParameters=NoAddrCache,NoCtldInAddrAny,NoInAddrAny
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=1440 State=UP
PartitionName=gpu Nodes={host} MaxTime=1440 State=UP
"""


def why_not() -> str | None:
    """The reason why no Slurm can be started here, or nothing."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return (
            f"no Slurm here ({', '.join(missing)} not found): "
            "apt-get install slurm-wlm slurm-client munge"
        )
    if os.geteuid() != 0:
        return "starting Slurm's and munge's daemons needs root"
    conf = ETC / "slurm.conf"
    if conf.exists() and not conf.read_text().startswith(MARK):
        return f"{conf} belongs to a Slurm of this machine, which is left alone"
    return None


def wait_until(condition, seconds: float, what: str):
    """Return the first true value of ``condition``, asked twice a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"no {what} within {seconds:g} s")


def output(*words: str) -> str:
    """What a Slurm command prints; nothing while the controller does not answer."""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


class OneNodeSlurm:
    """Controller, node daemon and munge, started and stopped together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname()
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Write the configuration and bring the node up."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        gpus = [self.folder / f"gpu{number}" for number in range(2)]
        for gpu in gpus:  # Slurm counts device files; null devices will do
            os.mknod(gpu, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        ETC.mkdir(exist_ok=True)
        files = {
            "slurm.conf": SLURM_CONF.format(
                host=self.host, folder=self.folder, timeout=NODE_TIMEOUT, cpus=os.cpu_count()
            ),
            "gres.conf": "".join(
                f"NodeName={self.host} Name=gpu Type=fake File={gpu}\n" for gpu in gpus
            ),
            "cgroup.conf": "CgroupAutomount=no\n",
        }
        for name, text in files.items():
            (ETC / name).write_text(MARK + text)
        MUNGE.mkdir(exist_ok=True)
        shutil.chown(MUNGE, "munge", "munge")
        self._spawn("munged", "runuser", "-u", "munge", "--", "munged", "--foreground", "--force")
        wait_until(lambda: output("munge", "-n"), 20, "answer of munge")
        self._spawn("slurmctld", "slurmctld", "-D", "-c")
        wait_until(lambda: "UP" in output("scontrol", "ping"), 20, "answer of slurmctld")
        self.start_node()

    def start_node(self) -> None:
        """Start the node daemon and wait until the node takes jobs."""
        self._spawn("slurmd", "slurmd", "-D", "-N", self.host)
        wait_until(lambda: self.node_state() in ("idle", "mix", "alloc"), 60, "node")

    def kill_node(self) -> None:
        """Kill the node daemon as a crash would; Slurm finds out after its timeout."""
        daemon = self._daemons.pop("slurmd")
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    def node_state(self) -> str:
        """The state that sinfo prints for the node: idle, mix, alloc, down, ..."""
        return output("sinfo", "-h", "-N", "-p", "cpu", "-o", "%t").strip().rstrip("*")

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that the controller knows, with the fields that scontrol prints."""
        lines = output("scontrol", "show", "job", "-d", "-o").splitlines()
        return [
            dict(word.split("=", 1) for word in line.split() if "=" in word)
            for line in lines
            if line.startswith("JobId=")
        ]

    def stop(self) -> None:
        """End the jobs and the daemons and take the configuration away."""
        if "slurmctld" in self._daemons:
            if "slurmd" not in self._daemons:
                self.start_node()  # only a node daemon ends what still runs
            output("scancel", "--full", "--user", "root")
            time.sleep(1)
        for name in ("slurmd", "slurmctld", "munged"):
            daemon = self._daemons.pop(name, None)
            if daemon is not None:
                daemon.terminate()
                daemon.wait()
        for name in ("slurm.conf", "gres.conf", "cgroup.conf"):
            (ETC / name).unlink(missing_ok=True)

    def _spawn(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
