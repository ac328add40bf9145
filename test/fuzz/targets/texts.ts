import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseCommandLine } from '../../../src/cmd/command-line.ts';
import { loadConfig } from '../../../src/cmd/config.ts';
import {
  parseAddressPool,
  parseBip,
  parseCidrFlag,
  parseHostGateways,
  parseNetworkOptions,
} from '../../../src/cmd/network-values.ts';
import {
  parseListenAddress,
  parseLogLevel,
  parseMetricsAddress,
  parseShutdownTimeout,
} from '../../../src/cmd/values.ts';
import { parseResolvConf, renderContainerResolvConf } from '../../../src/dns/hostresolv.ts';
import { addHosts, parseExtraHosts, removeHosts, replaceHosts } from '../../../src/dns/hosts.ts';
import { parseServiceName, parseServices, servicePort } from '../../../src/dns/services.ts';
import { drivers } from '../../../src/drivers/index.ts';
import {
  isIpAddress,
  parseInterfaceAddress,
  parseIpAddress,
  parseMacAddress,
  parsePrefix,
} from '../../../src/model/address.ts';
import { EngineError } from '../../../src/model/errors.ts';
import { readDrops, readListing } from '../../../src/reconcile/firewall/listing.ts';
import { compile } from '../../../src/reconcile/firewall/meaning.ts';
import { decompile } from '../../../src/reconcile/firewall/reading.ts';
import { readAnswer } from '../../../src/reconcile/openvswitch/ovsdb.ts';
import { readPort } from '../../../src/reconcile/openvswitch/switch-ports.ts';
import { parseRules } from '../../../src/reconcile/passage/iptables.ts';
import { LOG_DRIVERS } from '../../../src/runtime/logs/settings.ts';
import { parseTable } from '../../../src/runtime/process/ps.ts';
import { parseSubordinates, rangesOf } from '../../../src/runtime/userns/subordinate.ts';
import { parseRow, TABLES } from '../../../src/store/rows.ts';
import { ofJson, ofText, type Target } from '../target.ts';

/** A parser's answer, given to it once more, stays what it is. */
function isCanonical<T extends string>(parse: (text: string) => T): (text: string) => void {
  return (text) => {
    const parsed = parse(text);
    assert.equal(parse(parsed), parsed);
  };
}

function anyAddress(text: string): void {
  assert.equal(isIpAddress(text), attempt(() => parseIpAddress(text)) !== undefined);
  isCanonical(parseIpAddress)(text);
}

const ADDRESS_WORDS = '0 255 256 :: ::ffff: fe80:: /0 /32 /128 /33 %eth0 1.2.3.4 00 0x';

/** daemon.json is a file: on a file system in memory, so that a million of them wear nothing out. */
const configFile = join(mkdtempSync(join(tmpdir(), 'fairway-fuzz-')), 'daemon.json');
process.once('exit', () => rmSync(dirname(configFile), { recursive: true, force: true }));

function readConfig(text: string): void {
  writeFileSync(configFile, text);
  const { logLevel, log } = loadConfig({}, configFile);
  assert.ok(['debug', 'info', 'warn', 'error'].includes(logLevel) && LOG_DRIVERS.concat('none').includes(log.driver));
}

const CONFIG = {
  debug: true,
  hosts: ['unix:///run/f.sock', 'tcp://127.0.0.1:2376'],
  tlsverify: false,
  'data-root': '/var/lib/f',
  labels: ['a=b'],
  'default-address-pools': [{ base: '10.10.0.0/16', size: 24 }],
  'default-network-opts': { bridge: { 'com.docker.network.driver.mtu': '1400' } },
  'log-opts': { 'max-size': '10m' },
  'default-ulimits': { nofile: { Name: 'nofile', Soft: 1, Hard: 2 } },
  'host-gateway-ips': ['10.0.0.1'],
  bip: '172.18.0.1/16',
  'fixed-cidr': '172.18.1.0/24',
  mtu: 1400,
  dns: ['10.0.0.1'],
  'insecure-registries': ['r.example:5000', '10.0.0.0/8'],
  'registry-mirrors': ['https://m.example'],
  proxies: { 'http-proxy': 'http://p.example' },
  'log-driver': 'local',
  'shutdown-timeout': 5,
  'userns-remap': 'default',
  'metrics-addr': '127.0.0.1:9323',
};

/** Files a container's init finds, made of what the host's say and a user wants. */
function useResolvConf(text: string): void {
  const conf = parseResolvConf(text, '/etc/resolv.conf');
  const overrides = { nameservers: [], search: [], options: [] };
  for (const mode of [{ kind: 'resolver' }, { kind: 'legacy', ipv6: false }, { kind: 'host' }] as const) {
    const { text: written, upstreams } = renderContainerResolvConf(conf, overrides, mode);
    for (const { address } of upstreams) assert.ok(isIpAddress(address.replace(/%.*/, '')), address);
    // What was written is read again without a word that was not there.
    const again = parseResolvConf(written, '');
    assert.deepEqual(again.invalid, []);
    for (const word of again.search) assert.ok(text.includes(word), word);
  }
}

function useHosts(text: string): void {
  const records = attempt(() => parseExtraHosts(text.split(','), [parseIpAddress('10.0.0.1')])) ?? [];
  const file = `127.0.0.1\tlocalhost\n${text}\n`;
  assert.equal(removeHosts(addHosts(file, records), records).startsWith('127.0.0.1\tlocalhost\n'), true);
  replaceHosts(file, 'web', records);
}

function useDriverOptions(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const options = Object.fromEntries(Object.entries(value).filter(([, text]) => typeof text === 'string'));
  // Some refuse in Docker's words, with Docker's status: 500.
  for (const driver of drivers.values()) {
    try {
      driver.subnets(driver.parse(options), false);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
    }
  }
}

/** As the daemon reads it: the listing, and what its elements mean. */
function useListing(value: unknown): void {
  const { elements } = readListing(value);
  const meanings = decompile(elements);
  if (meanings !== undefined) meanings.flatMap(compile);
  readDrops(value);
}

const element = (name: string, elem: unknown) => ({ map: { family: 'inet', name, table: 'fairway', elem } });
const LISTING = {
  nftables: [
    { metainfo: { version: '1.0.6' } },
    { table: { family: 'inet', name: 'fairway', handle: 1 } },
    element('port4', [
      [{ elem: { val: { concat: ['192.0.2.1', 'tcp', 80] }, comment: 'br-a' } }, { concat: ['10.0.0.2', 80] }],
    ]),
    element('range4_any', [[{ elem: { val: { concat: [6, { range: [80, 90] }] }, comment: 'br-a' } }, '10.0.0.2']]),
    { set: { name: 'subnets4', elem: [{ concat: [{ prefix: { addr: '10.0.0.0', len: 8 } }, 'br-a'] }] } },
    { set: { name: 'carried', elem: [{ concat: ['br-a', 'br-a'] }] } },
    { counter: { name: 'isolated', packets: 1, bytes: 2 } },
  ],
};

/** A transaction of two selects, and one that failed. */
const OVSDB = [
  {
    id: 0,
    error: null,
    result: [
      {
        rows: [
          {
            name: 'ovs0',
            ports: [
              'set',
              [
                ['uuid', 'p1'],
                ['uuid', 'p2'],
              ],
            ],
          },
        ],
      },
      {
        rows: [{ _uuid: ['uuid', 'p1'], name: 'v1', tag: 10, external_ids: ['map', [['fairway', 'sandbox:a eth0']]] }],
      },
    ],
  },
  { id: 0, error: null, result: [{}, null, { error: 'constraint violation', details: 'x' }] },
];

/** As the daemon sees its ports on a switch. */
function useOvsdb(value: unknown): void {
  let results: ReturnType<typeof readAnswer>;
  try {
    results = readAnswer(value);
  } catch (error) {
    if (error instanceof EngineError && error.message.includes('Open vSwitch')) return;
    throw error;
  }
  const [bridges = [], ports = []] = results.map(({ rows = [] }) => rows);
  for (const port of ports.flatMap((each) => readPort(each, bridges))) assert.equal(typeof port.link, 'string');
}

const RULES = `-P FORWARD DROP
-N DOCKER-USER
-A FORWARD -m devgroup --src-group 0x4657 -m comment --comment fairway -j ACCEPT
-A FORWARD -i eth0 -m comment --comment "a \\" b" -j REJECT --reject-with icmp-port-unreachable
-A FORWARD -g DOCKER-USER
`;

const ROWS = [
  { id: 'a', namespace: 'sandbox:a', resolver: true },
  { id: 'b', created: 'x', labels: {}, options: {} },
  {
    id: 'c',
    network: 'n',
    sandbox: 's',
    container: 'c',
    interfaceName: 'eth0',
    addresses: [],
    gateways: [],
    ports: [],
  },
];

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof EngineError && error.kind !== 'internal') return undefined;
    throw error;
  }
}

export const targets: readonly Target[] = [
  ofText('address/ip', anyAddress, ['10.0.0.1', 'fd00::1', '::ffff:10.0.0.1', '1:2:3:4:5:6:7:8'], ADDRESS_WORDS),
  ofText('address/prefix', isCanonical(parsePrefix), ['10.0.0.0/8', 'fd00::/64', '0.0.0.0/0'], ADDRESS_WORDS),
  ofText('address/interface', isCanonical(parseInterfaceAddress), ['10.0.0.1/8', 'fd00::1/64'], ADDRESS_WORDS),
  ofText('address/mac', isCanonical(parseMacAddress), ['02:42:ac:11:00:02', '02-42-AC-11-00-02']),
  ofJson(
    'drivers/options',
    useDriverOptions,
    [
      {
        'com.docker.network.bridge.name': 'br0',
        'com.docker.network.driver.mtu': '1400',
        'com.docker.network.bridge.gateway_mode_ipv4': 'routed',
        'com.docker.network.host_ipv4': '10.0.0.1',
        'com.docker.network.bridge.trusted_host_interfaces': 'eth0:wg0',
      },
      { parent: 'eth0.10', macvlan_mode: 'bridge', host_access: 'true', host_address: '10.0.0.9,fd00::9' },
      { parent: 'eth0', ipvlan_mode: 'l3', ipvlan_flag: 'vepa' },
    ],
    'l2 l3s vepa private passthru isolated nat-unprotected eth0.4095 true com.docker.network.container_iface_prefix',
  ),
  ofJson(
    'config/daemon.json',
    (value) => readConfig(JSON.stringify(value)),
    [CONFIG],
    'debug info fatal journald none json-file base=10.0.0.0/8,size=24 tcp://0.0.0.0:1 fd:// auto constructor',
  ),
  ofText('config/daemon.json-text', readConfig, [JSON.stringify(CONFIG), ''], '{ } " : , null'),
  ofText(
    'config/command-line',
    (text) => parseCommandLine(text.split(' '), '1'),
    ['--debug=true -H unix:///a -lwarn --mtu 1400', '--help', '-D --label a=b --dns=1.1.1.1'],
    '--validate --config-file= -- - --icc=false --__proto__',
  ),
  ofText(
    'config/values',
    useValues,
    ['tcp://127.0.0.1:80', '127.0.0.1:9323', '10.10.0.0/16', 'base=10.10.0.0/16,size=24', 'bridge=a=b', 'info'],
    'constructor [::1] unix:// fd:// size=33 toString',
  ),
  ofText(
    'files/resolv.conf',
    useResolvConf,
    ['nameserver 10.0.0.1\nnameserver fe80::1%eth0\nsearch a.example b\noptions ndots:2 edns0\nsortlist x\n'],
    'nameserver search options domain ndots: timeout: ; # 127.0.0.53 . \r',
  ),
  ofText('files/hosts', useHosts, ['a:10.0.0.1,b=[fd00::1]', 'c:host-gateway'], 'web localhost # host-gateway'),
  ofText(
    'files/services',
    (text) => servicePort({ port: 'http', protocol: 'tcp', host: 'a' }, parseServices(text)) ?? parseServiceName(text),
    ['http 80/tcp www # c', '_http._tcp.web'],
    '_ ._udp. 65535/udp',
  ),
  ofText(
    'files/subuid',
    (text) => rangesOf(parseSubordinates(text, '/etc/subuid'), { name: 'a', uid: 1000 }, 'subuid'),
    ['a:100000:65536\n1000:200000:1\n'],
    '4294967295 : #',
  ),
  ofText('programs/iptables', parseRules, [RULES], '-A -N -P -j -g --comment fairway -i -o RETURN LOG constructor'),
  ofJson(
    'programs/nft',
    useListing,
    [LISTING],
    'concat prefix range elem tcp udp 10.0.0.0 masqueraded4 port6_any opened4 linked4 guarded ipv6 "br-a"',
    () => false,
  ),
  ofJson('programs/ovsdb', useOvsdb, OVSDB, 'map set uuid fairway rows count error details null', () => false),
  ofText(
    'programs/ps',
    (text) => parseTable(text, new Set([1, 42])),
    ['UID PID CMD\nroot 1 sh -c x\nroot - thread\n'],
    'PID -',
    (thrown) => thrown instanceof EngineError,
  ),
  ofJson(
    'store/row',
    (value) => TABLES.map((table) => tryRow(table, value)),
    ROWS,
    '',
    () => false,
  ),
];

function useValues(text: string): void {
  attempt(() => parseListenAddress(text));
  attempt(() => parseMetricsAddress(text));
  attempt(() => parseAddressPool(text));
  attempt(() => parseBip('bip', text));
  attempt(() => parseCidrFlag('fixed-cidr', text, 4));
  attempt(() => parseHostGateways(text.split(',')));
  attempt(() => parseNetworkOptions([text]));
  attempt(() => parseShutdownTimeout(text));
  const level = attempt(() => parseLogLevel(text));
  assert.ok(level === undefined || typeof level === 'string');
}

/** The store names the row and the field; it is told by a plain Error. */
function tryRow(table: (typeof TABLES)[number], value: unknown): void {
  try {
    parseRow(table, 'a', JSON.stringify(value));
  } catch (error) {
    if (!(error instanceof Error) || error.constructor !== Error) throw error;
  }
}
