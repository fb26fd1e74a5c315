"""The files of a simulated cluster: hosts, a remote shell, and the configuration of Slurm and ssh."""

import secrets
import subprocess

from tests.support.rack import HEAD_ADDRESS, NETWORK

# A requeued job waits for cred_expire; 5 s is the least that Slurm accepts.
SLURM_CONF = """\
ClusterName=rack
SlurmctldHost=head({head})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
CredType=cred/munge
StateSaveLocation={directory}/state
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdSpoolDir={directory}/spool/%n
SlurmdPidFile={directory}/spool/%n/slurmd.pid
TmpFS={directory}/tmp/%n
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
MessageTimeout=5
KillWait=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1,sched_interval=2
NodeName=DEFAULT CPUs=8 RealMemory=1000
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

SSH_CONFIG = """\
Host *
  IdentityFile {directory}/ssh_key
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
"""

SSHD_CONFIG = """\
HostKey {directory}/ssh_host_key
AuthorizedKeysFile {directory}/ssh_key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
"""

# A remote shell for mpirun's plm_rsh_agent. Like a real one, it passes on none of the caller's environment.
ENTER = """\
#!/bin/sh
host=$1
shift
exec nsenter --target "$(cat {directory}/pid/$host)" --net --uts --mount --pid --ipc -- \\
  env -i HOME="$HOME" PATH="$PATH" TMPDIR={directory}/tmp/$host SLURM_CONF={directory}/slurm.conf /bin/sh -c "$*"
"""


def write_files(directory, host_names, services):
    """Writes the files to `directory`; host i has the address NETWORK.i. `services`: "slurm" and "ssh", or none."""

    def write(name, text, mode=0o600):
        path = directory / name
        path.write_text(text)
        path.chmod(mode)

    addresses = {name: f"{NETWORK}.{i}" for i, name in enumerate(host_names, 1)}
    for folder in ("log", "pid", "state", "munge"):
        (directory / folder).mkdir()
    for name in ("head", *host_names):
        # Slurm's PMIx names its folders by job only: hosts with a common folder would use each other's.
        (directory / "tmp" / name).mkdir(parents=True)
        (directory / "spool" / name).mkdir(parents=True)
    lines = ["127.0.0.1 localhost", f"{HEAD_ADDRESS} head"] + [f"{a} {name}" for name, a in addresses.items()]
    write("hosts", "\n".join(lines) + "\n", 0o644)
    write("enter", ENTER.format(directory=directory), 0o755)
    if "slurm" in services:
        nodes = "\n".join(f"NodeName={name} NodeAddr={a}" for name, a in addresses.items())
        text = SLURM_CONF.format(directory=directory, head=HEAD_ADDRESS, nodes=nodes)
        write("slurm.conf", text, 0o644)
        write("munge/key", secrets.token_hex(64))
    if "ssh" in services:
        write("ssh_config", SSH_CONFIG.format(directory=directory), 0o644)
        write("sshd_config", SSHD_CONFIG.format(directory=directory), 0o644)
        for key in ("ssh_key", "ssh_host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key], check=True)
