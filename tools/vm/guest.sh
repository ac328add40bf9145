#!/bin/sh
# The guest's first process once its root is the host's: the other mounts, the modules, then the command; then it ends the guest.
. /run/vm-settings
export PATH="$node:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root TERM=dumb

# Ends QEMU by its device isa-debug-exit, whose port is 0xf4. QEMU's exit code has room for (code + 1) << 1.
leave() {
  code=$1
  if [ "$code" -gt 126 ]; then code=126; fi
  printf "\\$(printf %o $((code + 1)))" | dd of=/dev/port bs=1 seek=244 conv=notrunc 2>/dev/null
}
trap 'leave 1' EXIT
set -e

mount -t sysfs sysfs /sys
mount -t securityfs securityfs /sys/kernel/security
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts -o gid=5,mode=620,ptmxmode=666
mount -t tmpfs tmpfs /dev/shm
if [ "$cgroups" = v2 ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  for controllers in cpuset cpu,cpuacct blkio memory devices freezer pids; do
    mkdir "/sys/fs/cgroup/$controllers"
    mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$controllers"
  done
  # As systemd does.
  ln -s cpu,cpuacct /sys/fs/cgroup/cpu
  ln -s cpu,cpuacct /sys/fs/cgroup/cpuacct
fi

mkdir -p "/lib/modules/$release"
mount --bind "$modules" "/lib/modules/$release"
sysctl -qw kernel.modprobe="$(command -v modprobe)"
modprobe virtio_blk
ip link set lo up
hostname vm
# Containers' layers cannot be on the root, because it is an overlay itself; and test hosts cover /run.
mkdir /vm
mount -t tmpfs tmpfs /vm
mkdir /vm/tmp /vm/compiled
# Everything that runs TypeScript shares one cache of it, and begins with the daemon that was made outside.
cp -r "$repository/.cache/compiled/bundle" /vm/compiled/
export TMPDIR=/vm/tmp NODE_COMPILE_CACHE=/vm/compiled FAIRWAY_TEST_SLOWNESS=10

cd "$repository"
set +e
sh -c "$command"
leave $?
