#!/bin/busybox sh
# The guest's first program from here on: makes the guest an ordinary small machine, runs the job, hands its output and
# exit status to the host, and switches the power off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 MAINSTAY_VM=1
job=/run/mainstay-vm

mkdir -p /dev/pts /dev/shm /run/lock /run/netns
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
if [ -e "$job/share" ]; then
    mkdir -p /share
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,rw,cache=none share /share
fi
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
hostname guest
ip link set lo up
ulimit -n 200000
# There is no network: who asks for a name is told at once that nobody knows it.
rm -f /etc/resolv.conf
echo nameserver 127.0.0.1 >/etc/resolv.conf
# Without anybody on /dev/log, libc writes what programs log to the console, byte by byte.
busybox syslogd -O /run/messages

# Two byte streams to the host. A pipe before each, so that programs may open /dev/stdout anew.
port() {
    for folder in /sys/class/virtio-ports/*; do
        [ "$(cat "$folder/name")" = "$1" ] && echo "/dev/${folder##*/}"
    done
}
mkfifo /run/out /run/err
cat /run/out >"$(port out)" &
out=$!
cat /run/err >"$(port err)" &
err=$!

# The time limit. What every thread waits for goes to the console, for whoever wonders why.
{
    sleep "$(cat "$job/seconds")"
    for thread in /proc/[0-9]*/task/*; do
        [ -n "$(cat "$thread/cmdline" | tr -d '\0')" ] || continue
        echo "${thread##*/} $(cat "$thread/comm") $(cat "$thread/syscall")"
        cat "$thread/stack"
    done >/dev/console 2>/dev/null
    busybox poweroff -f
} &

cut -d' ' -f1 /proc/uptime >"$job/up"
sh "$job/command" </dev/null >/run/out 2>/run/err
echo $? >"$job/status"

# Both streams end when the last writer does. A daemon the job left behind does not keep us.
for wait in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 $out 2>/dev/null || kill -0 $err 2>/dev/null || break
    sleep 0.1
done
exec busybox poweroff -f
