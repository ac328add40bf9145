#!/bin/sh
# Brings what Fairway needs on a Debian machine: npm packages, Debian packages, and the docker CLI (without Docker's daemon).
# "test" as first argument adds what the tests use, "vm" what the guests of test:vm need besides, "bench" what the benchmark does. Does nothing, and quickly, where
# everything is there.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
  echo "Fairway needs root: it makes network namespaces and starts containers. Try: sudo npm ${npm_lifecycle_event:-start}" >&2
  exit 1
fi

# Programs and the Debian package each comes from; libnftables is the daemon's, libatomic its Node's.
wanted="containerd:containerd runc:runc curl:curl busybox:busybox-static igzip:isal tini-static:tini"
if [ "${1:-}" = test ]; then
  wanted="$wanted ip:iproute2 nsenter:util-linux script:bsdutils nft:nftables dnsmasq:dnsmasq-base socat:socat nc:netcat-openbsd dig:bind9-dnsutils ps:procps conntrack:conntrack ss:iproute2 iptables-nft:iptables ufw:ufw firewalld:firewalld dbus-daemon:dbus-daemon openssl:openssl buildah:buildah crun:crun docker-registry:docker-registry docker-compose:docker-compose journalctl:systemd zsh:zsh fish:fish ovs-vswitchd:openvswitch-switch"
fi
if [ "${1:-}" = bench ]; then
  wanted="$wanted iperf3:iperf3 qperf:qperf wrk:wrk nginx:nginx-light"
fi
if [ "${1:-}" = vm ]; then
  wanted="$wanted qemu-system-x86_64:qemu-system-x86 depmod:kmod apparmor_parser:apparmor"
fi

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
missing=""
for pair in $wanted; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
if [ "${1:-}" = test ] && ! /usr/bin/python3 -c 'import docker' 2>/dev/null; then missing="$missing python3-docker"; fi
for pair in libnftables.so.1:libnftables1 libatomic.so.1:libatomic1; do
  ldconfig -p 2>/dev/null | grep -q "${pair%%:*}" || missing="$missing ${pair#*:}"
done

# dpkg would start services of the packages it unpacks; nothing of ours needs them.
install() {
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

updated=""
update() {
  [ -n "$updated" ] || apt-get update -qq
  updated=yes
}

if [ -n "$missing" ]; then
  echo "Installing Debian packages:$missing"
  update
  # shellcheck disable=SC2086 # a list of package names
  install $missing
fi

# The guest's kernel is downloaded when it runs first (tools/vm/kernel.ts): the lists must name what the mirror has.
if [ "${1:-}" = vm ]; then
  kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-\)/\1/p' | head -n 1)
  [ -n "$kernel" ] && [ -e ".cache/vm/$kernel" ] || update
fi

# Older suites have the client only inside docker.io, whose daemon would take over the host's network: unpack the client alone.
if ! command -v docker >/dev/null 2>&1; then
  update
  if apt-cache show docker-cli >/dev/null 2>&1; then
    echo "Installing the docker CLI (docker-cli)"
    install docker-cli
  else
    echo "Unpacking the docker CLI from docker.io to /usr/local/bin/docker"
    scratch=$(mktemp -d)
    (cd "$scratch" && apt-get -o APT::Sandbox::User=root download -qq docker.io && dpkg -x docker.io_*.deb unpacked)
    cp "$scratch/unpacked/usr/bin/docker" /usr/local/bin/docker
    rm -rf "$scratch"
  fi
fi

# The CLI's plugins as Debian 13 has them, unpacked from there for the tests alone. Debian 12 has no buildx, and as docker-compose 1.29,
# which the tests drive, too.
plugins=.cache/clients
if [ "${1:-}" = test ] && { [ ! -x "$plugins/docker-compose" ] || [ ! -x "$plugins/docker-buildx" ]; }; then
  echo "Unpacking Compose v2 and buildx to $plugins"
  scratch=$(mktemp -d)
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/*$' | head -n 1)
  (
    cd "$scratch"
    mkdir -p parts lists/partial cache/partial unpacked
    printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$mirror" >parts/trixie.sources
    touch status
    apart="-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$scratch/parts -o Dir::State::Lists=$scratch/lists -o Dir::Cache=$scratch/cache -o Dir::State::status=$scratch/status -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086 # a list of options
    apt-get $apart update -qq && apt-get $apart download -qq docker-compose docker-buildx
    for package in *.deb; do dpkg -x "$package" unpacked; done
  )
  mkdir -p "$plugins"
  cp "$scratch"/unpacked/usr/libexec/docker/cli-plugins/* "$plugins"
  rm -rf "$scratch"
fi

if [ "${1:-}" = test ] && [ ! -e test/clients/node_modules/.package-lock.json ]; then
  echo "Installing the SDKs the tests drive Fairway with"
  npm install --prefix test/clients --no-save --ignore-scripts --no-fund --no-audit --loglevel=error
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "Installing npm packages"
  # Not npm ci: it wants the packages of all other platforms in the lock file, which not every registry has.
  npm install --no-save --no-fund --no-audit --loglevel=error
  touch node_modules/.package-lock.json
fi

# npm 9, which is Debian's, drops the link to Node together with the package of the other processor.
if [ ! -e node_modules/.bin/node ]; then
  for brought in node_modules/node-linux-*/bin/node; do
    if [ -x "$brought" ]; then ln -sf "../${brought#node_modules/}" node_modules/.bin/node; fi
  done
fi
