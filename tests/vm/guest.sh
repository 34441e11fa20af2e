#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# guest.sh JOB: runs in the guest as root, child of init.c: sets the machine up, runs JOB/command and
# tells the host over virtio ports: out and err are what the command printed, status says "booted"
# and then "exit STATUS".
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
job=$1

port() {
  local port
  for port in /sys/class/virtio-ports/*; do
    [[ $(cat "$port/name") == "$1" ]] && echo "/dev/${port##*/}"
  done
}

mount -t tmpfs run /run
mkdir -p /dev/pts /dev/shm /tmp
mount -t devpts -o mode=600,ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
# The host's own modules folder lies under the overlay: this one shows the guest's kernel's.
mkdir -p /lib/modules
ln -sfn "$(cat "$job/modules")" "/lib/modules/$(uname -r)"
ip link set lo up
ulimit -l unlimited
ulimit -n 65536

status=$(port status)
exec 9>"$status"
mkfifo /run/out /run/err
cat /run/out >"$(port out)" &
cat /run/err >"$(port err)" &
echo booted >&9
bash "$job/command" >/run/out 2>/run/err </dev/null 9>&-
echo "exit $?" >&9
# What the command left running may hold the pipes: they are not waited for for ever.
for _ in {1..50}; do
  [[ -z $(jobs -r) ]] && break
  sleep 0.1
done
