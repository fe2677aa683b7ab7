#!/bin/busybox sh
# The guest's first program, alone in the initrd with busybox and a dozen modules: it lays a writable layer in memory
# over the host's root, which comes read-only over 9p, and goes on in there with /run/mainstay-vm/guest.sh.
b=/bin/busybox
give_up() {
    echo "vm: $*"
    $b poweroff -f
}

$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do
    $b insmod "$module" || echo "vm: insmod $module failed"
done

options=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o "$options,ro,cache=loose" host /host || give_up "no host root"
$b mount -t tmpfs -o size=75% tmpfs /writes
$b mkdir /writes/upper /writes/work
$b mount -t overlay -o lowerdir=/host,upperdir=/writes/upper,workdir=/writes/work,xino=off overlay /root ||
    give_up "no writable layer"
for place in proc sys dev; do
    $b mount --move "/$place" "/root/$place"
done
$b mount -t tmpfs tmpfs /root/tmp
$b mount -t tmpfs tmpfs /root/run
$b mkdir -p /root/run/mainstay-vm
$b mount -t 9p -o "$options,rw,cache=none" job /root/run/mainstay-vm || give_up "no job"

# /tmp and /run are new in the guest; what the job needs of the host's is named in this file.
while read -r folder; do
    $b mkdir -p "/root/$folder"
    $b mount --bind "/host/$folder" "/root/$folder" || give_up "no $folder"
done <"/root/run/mainstay-vm/binds"
read -r modules <"/root/run/mainstay-vm/modules"
$b mkdir -p /root/usr/lib/modules
$b mount --bind "/host/$modules" /root/usr/lib/modules || give_up "no modules"

exec $b switch_root -c /dev/console /root /bin/busybox sh /run/mainstay-vm/guest.sh
