import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** What Docker 28 leaves in the filter table (its default bridge is another than Fairway's). */
const DOCKERS = `*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker9 -o docker9 -j DROP
-A DOCKER-BRIDGE -o docker9 -j DOCKER
-A DOCKER-CT -o docker9 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker9 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker9 ! -o docker9 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker9 -j DROP
-A DOCKER-USER -j RETURN
COMMIT
`;

const FAIRWAY = join(import.meta.dirname, '../../bin/fairway');

interface Foreign {
  readonly name: string;
  /** Commands that make the host's firewall drop what it forwards */
  readonly start: string;
  /** What an administrator does to it, and what takes Fairway's rules away with the others */
  readonly reload: string;
  readonly stop: string;
  /** What shows the rules; they name "fairway" as long as they are there */
  readonly list: string;
  /** Found in the rules before and after: nobody's policy is changed */
  readonly policy: RegExp;
  /** What who publishes a port is told, where it drops what comes to the host as well */
  readonly warning?: RegExp;
}

const NFT_SITE = `table inet site {
  chain forward {
    type filter hook forward priority filter; policy drop
    ct state established,related accept
    iifname "lan9" accept
  }
}`;

const FOREIGN: readonly Foreign[] = [
  {
    name: 'iptables with FORWARD DROP',
    start: 'iptables-nft -P FORWARD DROP',
    reload: 'iptables-nft -F; iptables-nft -P FORWARD DROP',
    stop: 'iptables-nft -P FORWARD ACCEPT',
    list: 'iptables-nft -S FORWARD',
    policy: /-P FORWARD DROP/,
  },
  {
    name: 'iptables with a last rule that rejects, in a chain of its own',
    start: `iptables-nft -N SITE; iptables-nft -A FORWARD -j SITE; iptables-nft -A SITE -i lan9 -j ACCEPT
      iptables-nft -A SITE -j REJECT --reject-with icmp-host-prohibited`,
    reload: `iptables-nft -F SITE; iptables-nft -A SITE -j REJECT`,
    // Fairway may put its rule back once more between the two.
    stop: 'iptables-nft -F FORWARD; until iptables-nft -F SITE && iptables-nft -X SITE; do sleep 0.1; done',
    list: 'iptables-nft -S',
    policy: /-A SITE -j REJECT/,
  },
  {
    name: 'iptables-legacy with FORWARD DROP, of which the kernel tells nothing',
    start: 'iptables-legacy -P FORWARD DROP',
    reload: 'iptables-legacy -F',
    stop: 'iptables-legacy -P FORWARD ACCEPT; iptables-legacy -F',
    list: 'iptables-legacy -S FORWARD',
    policy: /-P FORWARD DROP/,
  },
  {
    name: 'an nftables ruleset with a forward chain that drops',
    start: `nft '${NFT_SITE}'`,
    reload: `nft 'delete table inet site; ${NFT_SITE}'`,
    stop: 'nft delete table inet site',
    list: 'nft list table inet site 2>/dev/null || true',
    policy: /policy drop/,
  },
  {
    name: 'ufw',
    start: `cp -a /etc/ufw /run/ufw; mount --bind /run/ufw /etc/ufw; cp /etc/default/ufw /run/ufw-default
      mount --bind /run/ufw-default /etc/default/ufw; ufw --force enable`,
    reload: 'ufw reload',
    stop: 'ufw disable',
    list: 'iptables -S',
    policy: /-P FORWARD DROP/,
    warning: /will reach 8086\/tcp, which the host's own firewall (drops|may drop)/,
  },
  {
    name: 'firewalld',
    start: `mkdir -p /run/dbus /run/firewalld; dbus-daemon --system --fork --nopidfile
      firewalld; until firewall-cmd --zone=public --change-interface=eth0; do sleep 0.1; done`,
    reload: 'firewall-cmd --reload; firewall-cmd --zone=public --change-interface=eth0',
    stop: 'kill $(cat /run/firewalld.pid); while [ -e /run/firewalld.pid ]; do sleep 0.1; done',
    list: 'nft list table inet firewalld 2>/dev/null || true',
    policy: /reject with icmpx admin-prohibited/,
    warning: /will reach 8086\/tcp, which the host's own firewall may drop/,
  },
  {
    name: 'Docker beside us',
    start: `iptables-nft-restore <<'RULES'\n${DOCKERS}RULES`,
    reload: `iptables-nft-restore <<'RULES'\n${DOCKERS}RULES`,
    stop: 'iptables-nft -P FORWARD ACCEPT; until iptables-nft -F && iptables-nft -X; do sleep 0.1; done',
    list: 'iptables-nft -S',
    policy: /-P FORWARD DROP/,
  },
];

describe('hosts with a firewall of their own', () => {
  let daemon: TestDaemon;
  let address: string;
  const pids = { web: '', old: '' };
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('network', 'create', 'app');
    const web = ['busybox', 'httpd', '-f', '-h', '/var/www'];
    await daemon.ok('run', '-d', '--name', 'web', '--network', 'app', '-p', '8080:80', ...web);
    await daemon.ok('run', '-d', '--name', 'old', '-p', '8081:80', ...web);
    address = await daemon.inspect('web', '{{.NetworkSettings.Networks.app.IPAddress}}');
    for (const name of ['web', 'old'] as const) pids[name] = await daemon.inspect(name, '{{.State.Pid}}');
    daemon.host.spawnLan(['socat', 'TCP-LISTEN:9000,fork,reuseaddr', 'SYSTEM:echo outside']);
    await daemon.host.lanShell('ip route add 172.16.0.0/12 via 192.0.2.2');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const onLan = async (url: string, seconds = 20) =>
    (await daemon.host.lan(['curl', '-s', '-m', `${seconds}`, url])).code === 0;
  const leaves = async (name: 'web' | 'old', seconds = 20) => {
    const ask = ['nc', '-w', `${seconds}`, '192.0.2.1', '9000'];
    return (await daemon.host.exec(['nsenter', '-t', pids[name], '-n', ...ask])).stdout === 'outside\n';
  };

  /** Both ways, on a network of our own links and on one whose bridge has a name of the user's. */
  async function passes(seconds = 20): Promise<boolean> {
    const ways = [
      ...[8080, 8081].map((port) => onLan(`http://192.0.2.2:${port}/`, seconds)),
      ...(['web', 'old'] as const).map((name) => leaves(name, seconds)),
    ];
    return (await Promise.all(ways)).every((way) => way);
  }
  /** A hundred and more processes are started by ufw, and firewalld is Python. */
  const administer = (script: string) => daemon.host.out(['sh', '-c', script], { timeout: 180_000 });
  /** Each try is short: what was dropped is sent again only after 1, 3 and 7 s. */
  const becomePassable = (when: string) => eventually(`packets pass ${when}`, () => passes(2), 60_000);

  async function isProtected(): Promise<void> {
    assert.equal(await onLan(`http://${address}/`, 1), false, 'past the published port');
  }

  /** What `create` says to who publishes these ports. */
  const told = async (...ports: string[]) =>
    (await daemon.docker(['create', '--rm', ...ports.flatMap((port) => ['-p', port]), 'busybox'])).stderr;

  for (const { name, start, reload, stop, list, policy, warning = /^$/ } of FOREIGN) {
    test(`${name}: containers are reached and reach out, also after a reload, and nothing is left behind`, async (t) => {
      let standing = true;
      // What a test that fails leaves standing would make those that follow fail, too.
      t.after(() => (standing ? daemon.host.exec(['sh', '-c', stop], { timeout: 60_000 }) : undefined));
      await administer(start);
      await becomePassable('a firewall that began');
      await isProtected();
      const rules = await daemon.host.shell(list);
      assert.match(rules, policy);
      assert.match(rules, /fairway/);
      assert.match(await told('8086:86'), warning);
      await administer(reload);
      await becomePassable('one that was loaded anew');
      await isProtected();
      assert.match(await daemon.host.shell(list), policy);
      await administer(stop);
      standing = false;
      await eventually('our rules are gone', async () => !/fairway/.test(await daemon.host.shell(list)));
      assert.ok(await passes());
    });
  }

  test('fairway exposure tells what is reachable from where, and what the host’s own firewall would have said', async () => {
    await daemon.host.shell(`iptables-nft -P INPUT DROP; iptables-nft -A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT
      iptables-nft -A INPUT -s 198.51.100.0/24 -p tcp -m tcp --dport 8083 -j ACCEPT`);
    const web = ['busybox', 'httpd', '-f', '-h', '/var/www'];
    await daemon.ok('run', '-d', '--name', 'more', '-p', '127.0.0.1:8082:80', '-p', '192.0.2.2:8083:80', ...web);
    const { status, body } = await daemon.api('GET', '/fairway/exposure');
    assert.equal(status, 200);
    const all = JSON.parse(body) as { container: string; address: string; from: string[]; hostFirewall: string }[];
    const ways = all.map(({ container, address, from, hostFirewall }) => [
      container,
      address,
      from.join(),
      hostFirewall,
    ]);
    assert.deepEqual(
      ways.filter(([, address]) => !address?.startsWith('[')),
      [
        ['web', '0.0.0.0:8080', 'LAN,host,other networks', 'accept'],
        ['old', '0.0.0.0:8081', 'LAN,host,other networks', 'drop'],
        ['more', '127.0.0.1:8082', 'host', 'drop'],
        [
          'more',
          '192.0.2.2:8083',
          'LAN,host,other networks',
          'unknown: -s 198.51.100.0/24 -p tcp -m tcp --dport 8083 -j ACCEPT',
        ],
      ],
    );
    const shown = await daemon.host.out([FAIRWAY, 'exposure']);
    assert.match(shown, /^old +bridge +0\.0\.0\.0:8081 +tcp +80 +LAN, host, other networks +drop$/m);
    assert.match(
      await told('8080:80', '127.0.0.1:8085:80', '8086:86', '8087:87/udp', '88'),
      /^WARNING: Other machines will reach 8086\/tcp and others, which the host's own firewall drops: publish on 127/,
    );
    assert.match(await told('8083:80'), /^WARNING: Other machines will reach 8083\/tcp, which .* may drop/);
    assert.equal(await told('8080:80', '127.0.0.1:8085:80'), '');
    const everything = (await daemon.docker(['create', '--rm', '-P', '--expose', '90', 'busybox'])).stderr;
    assert.match(everything, /^WARNING: Other machines will reach 90\/tcp, which the host's own firewall drops/);
    await daemon.ok('rm', '-f', 'more');
    await daemon.host.shell('iptables-nft -F; iptables-nft -P INPUT ACCEPT');
    await eventually('no word of a firewall that lets in', async () => (await told('8086:80')) === '');
  });

  test('a rule of the administrator’s for a container still counts', async () => {
    await daemon.host.shell(
      'iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -d 192.0.2.1 -p tcp --dport 9000 -j DROP',
    );
    await eventually('the LAN gets in', () => onLan('http://192.0.2.2:8080/', 2));
    await eventually('the rule is before ours', async () => !(await leaves('web', 1)));
    await daemon.host.shell('iptables-nft -F; iptables-nft -P FORWARD ACCEPT');
  });

  test('a daemon that starts finds the firewall there, and one that leaves no trace takes its rules along', async () => {
    await daemon.stop('SIGTERM');
    await daemon.host.shell(`iptables-nft -P FORWARD DROP; nft '${NFT_SITE}'`);
    assert.equal(await onLan('http://192.0.2.2:8080/', 1), false);
    await daemon.start(['--leave-no-trace']);
    assert.ok(await passes());
    await daemon.stop('SIGTERM');
    assert.doesNotMatch(await daemon.host.shell('iptables-nft -S; nft list ruleset'), /fairway /);
  });
});
