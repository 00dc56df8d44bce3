#!/bin/bash
# A SLURM of three nodes on this host, for tests: munged, slurmctld and three slurmd, all below one folder.
#
#   tests/engines/slurm.sh start FOLDER    starts it; prints the line that makes sbatch and squeue talk to it
#   tests/engines/slurm.sh stop FOLDER     ends all of it
#   tests/engines/slurm.sh node FOLDER n2  starts the slurmd of one node again
#
# Needs root, and Debian's packages slurm-wlm and munge. Exit code 77: something is missing, and is named.
set -eu
action=$1
folder=$(mkdir -p "$2" && cd "$2" && pwd)
export SLURM_CONF=$folder/slurm.conf

skip() {
    echo "$1" >&2
    exit 77
}

check() {
    [ "$(id -u)" = 0 ] || skip "slurmd needs root"
    for program in munged slurmctld slurmd sbatch squeue scancel; do
        PATH=$PATH:/usr/sbin command -v $program >/dev/null || skip "no $program: apt-get install slurm-wlm munge"
    done
}

configure() {
    host=$(hostname -s)
    base=${SLURM_TEST_PORT:-17000}
    cat >"$SLURM_CONF" <<CONF
ClusterName=archspec
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0,sched_interval=2,bf_interval=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
MpiDefault=none
ReturnToService=2
SlurmdTimeout=6
KillWait=2
CompleteWait=0
BatchStartTimeout=2
MinJobAge=300
InactiveLimit=0
GresTypes=gpu
NodeName=n[1-3] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((base + 1))-$((base + 3))] CPUs=4 RealMemory=1000 Gres=gpu:4
PartitionName=main Nodes=n[1-3] Default=YES LLN=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=n[1-3] PriorityTier=10 MaxTime=INFINITE State=UP
CONF
    # Devices that nothing opens, whose numbers jobs see; where none may be made, jobs have GPUs without numbers.
    devices=Count=4
    for device in 0 1 2 3; do
        mknod "$folder/gpu$device" c 1 3 2>/dev/null && devices="File=$folder/gpu[0-3]"
    done
    echo "NodeName=n[1-3] Name=gpu $devices" >"$folder/gres.conf"
}

start_node() {
    mkdir -p "$folder/spool-$1"
    slurmd -N "$1" -D >>"$folder/slurmd-$1.out" 2>&1 &
}

wait_for() {
    for _ in $(seq 100); do
        eval "$1" >/dev/null 2>&1 && return
        sleep 0.2
    done
    echo "$2" >&2
    exit 1
}

PATH=$PATH:/usr/sbin
case $action in
start)
    check
    mkdir -p "$folder/state"
    configure
    dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
    chmod 400 "$folder/munge.key"
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" 2>>"$folder/munged.out"
    slurmctld -D >>"$folder/slurmctld.out" 2>&1 &
    for node in n1 n2 n3; do start_node $node; done
    wait_for 'sinfo -h -N -t idle -o %N | sort -u | wc -l | grep -qx 3' "slurmctld has no three idle nodes: see $folder"
    echo "export SLURM_CONF=$SLURM_CONF"
    ;;
node)
    start_node "$3"
    ;;
stop)
    scancel --user="$(id -un)" 2>/dev/null || true
    for file in "$folder"/slurmd-*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
        [ -f "$file" ] && kill -CONT "$(cat "$file")" 2>/dev/null && kill "$(cat "$file")" 2>/dev/null || true
    done
    ;;
*)
    echo "unknown action $action" >&2
    exit 2
    ;;
esac
