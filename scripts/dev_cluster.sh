#!/usr/bin/env bash
# A real SLURM of two nodes (n1, n2) on this machine, for trying hydra/launcher=slurm and for its tests; Debian or Ubuntu, as root.
#   eval "$(scripts/dev_cluster.sh up)"     installs it where it is missing and starts what does not run; prints export SLURM_CONF=...
#   scripts/dev_cluster.sh down             stops it
# Partition high preempts partition debug (its jobs are queued again). No accounting, no cgroups, no systemd.
set -euo pipefail
HOME_OF_IT="${DEV_CLUSTER:-${TMPDIR:-/tmp}/dev-cluster}"
[[ $HOME_OF_IT =~ ^/[A-Za-z0-9_./-]+$ ]] || {
  echo "dev_cluster.sh: DEV_CLUSTER or TMPDIR must be an absolute path of letters, digits, _ . / - (slurm.conf quotes nothing), got $HOME_OF_IT" >&2
  exit 2
}
NODES=(n1 n2)
CPUS="${DEV_CLUSTER_CPUS:-4}" # of each node; may be more than there are
export SLURM_CONF="$HOME_OF_IT/etc/slurm.conf"

alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2> /dev/null; }

wait_for() { # seconds command...
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "dev_cluster.sh: no success in time: $*; the logs are in $HOME_OF_IT/log" >&2; return 1; }
    sleep 0.1
  done
}

install_packages() {
  local missing=()
  for package in slurmctld slurmd slurm-client munge; do
    dpkg-query -W -f='${Status}' "$package" 2> /dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" > "$HOME_OF_IT/log/apt.log" 2>&1
}

write_conf() {
  local port=17001
  cat << CONF
ClusterName=dev
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# a job that is queued again may start after 5 seconds, by default after 120
AuthInfo=cred_expire=5
CredType=cred/munge
SlurmctldPort=16817
SlurmctldPidFile=$HOME_OF_IT/run/slurmctld.pid
SlurmdPidFile=$HOME_OF_IT/run/slurmd.%n.pid
SlurmctldLogFile=$HOME_OF_IT/log/slurmctld.log
SlurmdLogFile=$HOME_OF_IT/log/slurmd.%n.log
StateSaveLocation=$HOME_OF_IT/state/ctld
SlurmdSpoolDir=$HOME_OF_IT/state/slurmd.%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# --signal is sent before a preemption too; in SchedulerParameters it would be ignored
SlurmctldParameters=preempt_send_user_signal
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=100000,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
InactiveLimit=0
KillWait=10
MinJobAge=600
MaxArraySize=1001
SlurmctldTimeout=30
SlurmdTimeout=60
CONF
  for node in "${NODES[@]}"; do
    echo "NodeName=$node NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$port CPUs=$CPUS RealMemory=64000 State=UNKNOWN"
    port=$((port + 1))
  done
  local list
  list=$(IFS=,; echo "${NODES[*]}")
  echo "PartitionName=debug Nodes=$list Default=YES MaxTime=1-0 DefaultTime=30 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=30 OverSubscribe=NO"
  echo "PartitionName=high Nodes=$list MaxTime=1-0 DefaultTime=30 State=UP PriorityTier=10 PreemptMode=OFF OverSubscribe=NO"
}

all_nodes_ready() { [ "$(sinfo -h -N -p debug -t idle,mixed,allocated -o %N | sort -u | wc -l)" = ${#NODES[@]} ]; }

up() {
  mkdir -p "$HOME_OF_IT"/{etc,log,run,state/ctld}
  exec 9> "$HOME_OF_IT/lock"
  flock 9 # of several that start it, one does
  chmod 755 "$HOME_OF_IT" "$HOME_OF_IT"/{etc,log,run,state}
  install_packages
  for node in "${NODES[@]}"; do # they must resolve: the first one is where distributed processes meet
    getent hosts "$node" > /dev/null || echo "127.0.0.1 $node" >> /etc/hosts
    mkdir -p "$HOME_OF_IT/state/slurmd.$node"
  done
  write_conf > "$SLURM_CONF.new"
  mv "$SLURM_CONF.new" "$SLURM_CONF"
  if ! munge -n 2> /dev/null | unmunge > /dev/null 2>&1; then
    install -d -o munge -g munge -m 0755 /run/munge
    runuser -u munge -- /usr/sbin/munged --pid-file /run/munge/munged.pid 9>&-
    wait_for 10 sh -c 'munge -n | unmunge'
  fi
  alive "$HOME_OF_IT/run/slurmctld.pid" || slurmctld 9>&-
  wait_for 20 scontrol ping
  for node in "${NODES[@]}"; do
    alive "$HOME_OF_IT/run/slurmd.$node.pid" || slurmd -N "$node" 9>&-
  done
  wait_for 30 all_nodes_ready
  printf 'export SLURM_CONF=%q\n' "$SLURM_CONF"
}

stop() { # file with the process's number
  local number
  [ -s "$1" ] || return 0
  number=$(cat "$1")
  kill "$number" 2> /dev/null || true
  for _ in $(seq 100); do
    kill -0 "$number" 2> /dev/null || break
    sleep 0.1
  done
  kill -KILL "$number" 2> /dev/null || true
  rm -f "$1"
}

down() {
  if scontrol ping > /dev/null 2>&1; then
    scancel --user=root 2> /dev/null || true
    wait_for 20 sh -c '[ -z "$(squeue -h)" ]' || true
  fi
  for node in "${NODES[@]}"; do stop "$HOME_OF_IT/run/slurmd.$node.pid"; done
  stop "$HOME_OF_IT/run/slurmctld.pid"
  stop /run/munge/munged.pid
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  *) echo 'usage: eval "$(scripts/dev_cluster.sh up)" | scripts/dev_cluster.sh down' >&2; exit 2 ;;
esac
