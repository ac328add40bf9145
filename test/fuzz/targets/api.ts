import assert from 'node:assert/strict';
import { parseDetachKeys } from '../../../src/api/detach.ts';
import { parseAttachRequest, parseLinkRequest } from '../../../src/api/parse/attachment.ts';
import { asksForBuildKit, parseBuild, parseSessionBuild } from '../../../src/api/parse/build.ts';
import { parseCommit } from '../../../src/api/parse/commit.ts';
import { parseContainerSpec } from '../../../src/api/parse/container.ts';
import { parseExec, parseExecStart } from '../../../src/api/parse/exec.ts';
import { Fields } from '../../../src/api/parse/fields.ts';
import { parseFilters } from '../../../src/api/parse/filters.ts';
import { parseHostConfig } from '../../../src/api/parse/hostconfig.ts';
import { parseConnect, parseDisconnect, parseNetworkRequest } from '../../../src/api/parse/network.ts';
import { parsePortSpec } from '../../../src/api/parse/port-spec.ts';
import { parseMoment, queryFlag, queryInteger, terminalSize } from '../../../src/api/parse/query.ts';
import { parseRegistryAuth, parseRegistryConfig } from '../../../src/api/parse/registry-auth.ts';
import { parseUpdate } from '../../../src/api/parse/update.ts';
import { parseVolumeRequest } from '../../../src/api/parse/volume.ts';
import { Router } from '../../../src/api/router.ts';
import { parseApiVersion } from '../../../src/api/version.ts';
import { parsePortList, parsePortRange } from '../../../src/engine/ports.ts';
import { requests as recorded } from '../../api/golden.ts';
import { isClientError, ofJson, ofText, type Target } from '../target.ts';

const CONTAINER_WORDS =
  'container:x host none default bridge unless-stopped on-failure rslave private shareable 10.0.0.2 fd00::2 80/tcp 8000-8010 0.0.0.0 NetworkMode PidMode ro nocopy tmpfs volume bind host-gateway CMD-SHELL';
const VERSIONS = ['1.24', '1.43', '1.44', '1.51'].map(parseApiVersion);
const NETWORK_WORDS =
  'bridge macvlan ipvlan IPAM Config Subnet IPRange Gateway AuxiliaryAddresses 10.0.0.0/8 fd00::/64 true EnableIPv6 com.docker.network.bridge.name';

const NETWORK = {
  Name: 'app',
  Driver: 'bridge',
  EnableIPv6: true,
  IPAM: {
    Config: [
      { Subnet: '10.1.0.0/16', IPRange: '10.1.1.0/24', Gateway: '10.1.0.1', AuxiliaryAddresses: { a: '10.1.0.2' } },
    ],
  },
  Options: { 'com.docker.network.driver.mtu': '1400' },
};

/** What real clients sent. */
const bodies = {
  creates: recorded.creates.map(({ body }) => body),
  networks: recorded.networks.map(({ body }) => body),
  connects: recorded.connects.map(({ body }) => body),
  execs: recorded.execs.map(({ body }) => body),
};

function checkPorts(text: string): void {
  for (const { containerPort, hostPorts } of parsePortSpec(text)) {
    assert.ok(containerPort >= 1 && containerPort <= 65535);
    if (hostPorts !== undefined)
      assert.ok(hostPorts.first >= 1 && hostPorts.first <= hostPorts.last && hostPorts.last <= 65535);
  }
}

/** Names and ids of containers are what patterns are tried on; none of them may keep the daemon busy. */
const NAMES = ['web', 'a'.repeat(255), `${'ab'.repeat(100)}!`, '0123456789abcdef'.repeat(4)];

function useFilters(text: string): void {
  const filters = parseFilters(text);
  const matches = filters.pattern('name');
  for (const name of NAMES) matches(name);
  filters.labels({ a: 'b', constructor: 'x' });
  filters.boolean('dangling');
  filters.prune(1_700_000_000_000);
}

/** A query, and headers behind the first line. */
function askBuild(text: string): void {
  const [query = '', config = ''] = text.split('\n');
  const parameters = new URLSearchParams(query);
  const parse = asksForBuildKit(parameters) ? parseSessionBuild : parseBuild;
  parse(parameters, { 'x-registry-config': config });
}

function askQuery(text: string): void {
  const query = new URLSearchParams(text);
  queryFlag(query, 'all');
  queryInteger(query, 'limit');
  parseMoment(query.get('since') ?? '', 'since');
  terminalSize(query);
}

const answered = () => 'answered' as const;
const router = new Router({
  'GET /containers/json': answered,
  'GET /images/{*}/json': answered,
  'POST /networks/{}': answered,
});

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const AUTH = { username: 'u', password: 'p', serveraddress: 'r.example', auth: 'dTpw' };

export const targets: readonly Target[] = [
  ofJson(
    'api/container',
    (body) => VERSIONS.map((version) => attempt(() => parseContainerSpec(body, version))),
    bodies.creates,
    CONTAINER_WORDS,
  ),
  ofJson(
    'api/host-config',
    (body) => parseHostConfig(new Fields(body, 'HostConfig')),
    bodies.creates.map((body) => (body as { HostConfig?: unknown }).HostConfig ?? {}),
    CONTAINER_WORDS,
  ),
  ofJson(
    'api/network',
    (body) => VERSIONS.map((version) => attempt(() => parseNetworkRequest(body, version))),
    [...bodies.networks, NETWORK],
    NETWORK_WORDS,
  ),
  ofJson(
    'api/connect',
    (body) => [parseConnect('app', body), parseDisconnect(body)],
    [...bodies.connects, { Container: 'web', Force: true }],
    NETWORK_WORDS,
  ),
  ofJson('api/update', (body) => VERSIONS.map((version) => attempt(() => parseUpdate(body, version))), [
    { Memory: 1 << 26, CpuShares: 512, RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } },
  ]),
  ofJson('api/exec', (body) => [parseExec(body), parseExecStart(body)], [
    ...bodies.execs,
    { Detach: true, Tty: true, ConsoleSize: [24, 80] },
  ]),
  ofJson('api/commit', (body) => parseCommit(new URLSearchParams('repo=a&tag=b&changes=CMD x'), body), [
    {
      Cmd: ['a'],
      Env: ['A=b'],
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/a': {} },
      Healthcheck: { Test: ['NONE'] },
    },
  ]),
  ofText(
    'api/build',
    askBuild,
    [
      `t=a&buildargs={"A":"b"}&labels={"c":"d"}&memory=1&cpusetcpus=0-1&ulimits=[{"Name":"nofile","Soft":1,"Hard":2}]\n${base64({ 'r.example': AUTH })}`,
      'version=2&remote=client-session&session=s&buildid=b&outputs=[{"Type":"tar","Attrs":{}}]',
    ],
    'cachefrom=[] platform=linux/amd64 networkmode=host extrahosts=a:1.2.3.4 squash=1 outputs=[] version=2 %22',
  ),
  ofJson('api/volume', parseVolumeRequest, [
    { Name: 'data', Driver: 'local', DriverOpts: { type: 'nfs' }, Labels: { a: 'b' } },
  ]),
  ofJson('api/attachment', (body) => [attempt(() => parseLinkRequest(body)), parseAttachRequest(body)], [
    {
      Ends: [
        { Container: 'a', Addresses: ['10.1.1.1/32'] },
        { Container: 'b', Mac: '02:00:00:00:00:01' },
      ],
      Mtu: 1400,
    },
    { End: { Container: 'a', Addresses: ['fd00::1/64'], Gateways: ['fd00::2'] }, Switch: 'ovs0', Vlan: 10 },
  ]),
  ofText(
    'api/filters',
    useFilters,
    ['{"name":["^we"],"label":["a=b"],"until":["24h"]}', '{"name":{"w.b":true},"dangling":{"true":true}}'],
    '{99999} [a-z] .* .+ (a|b) \\d until 1h30m ^ $ \\p{L} \\w{9999} (?<a>',
  ),
  ofText(
    'api/port-spec',
    checkPorts,
    ['80', '8080:80/tcp', '127.0.0.1:8000-8010:80-90/udp', '[::1]:80:80'],
    '/tcp /udp /sctp 0.0.0.0: [::]: - 65535',
  ),
  ofText(
    'api/query',
    askQuery,
    ['all=1&limit=5&since=1700000000.5&h=24&w=80', 'since=2024-01-01T00:00:00.5Z&h=1&w=1'],
    '+ %00 T Z 99999999999 -08:00',
  ),
  ofText(
    'api/registry-auth',
    (text) => [
      attempt(() => parseRegistryAuth({ 'x-registry-auth': text })),
      parseRegistryConfig({ 'x-registry-config': text }),
    ],
    [base64(AUTH), base64({ 'r.example': AUTH })],
  ),
  ofText(
    'api/router',
    (url) => attempt(() => router.find('GET', url)) ?? router.find('POST', url),
    ['/v1.44/containers/json?all=1', '/images/a%2Fb/json', '/networks/app'],
    '%ff %2f .. /v1.999/ /v0.0/ //',
  ),
  ofText(
    'api/detach-keys',
    (text) => parseDetachKeys(text).push(Buffer.from('abc\x10\x11')),
    ['ctrl-p,ctrl-q', 'a,ctrl-@'],
    'ctrl- ,',
  ),
  ofText('api/port-ranges', (text) => [parsePortRange(text), parsePortList(text)], ['32768\t60999', '8080,9148-9200']),
];

/** Both of two parsers see the input: the first one's refusal must not hide the second. @throws what is no refusal */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (isClientError(error)) return undefined;
    throw error;
  }
}
